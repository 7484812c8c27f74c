"""`xver diff` of files that are named: what it says, in words, in JSON and as a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .workplace import Workplace

BEFORE = "id,name,amount\n1,ada,5\n2,grace,7\n3,alan,\n"
AFTER = "id,name,amount,score\n1,ada,50,0.5\n3,alan,,1.5\n4,<b>joan</b>,9,2.5\n"


def write(place: Workplace, name: str, text: str) -> None:
    (place.root / "d" / name).write_text(text, encoding="utf-8", newline="\n")


@pytest.fixture
def versions(place: Workplace) -> Workplace:
    (place.root / "d").mkdir()
    write(place, "t.csv", BEFORE)
    write(place, "x.bin", "some bytes")
    place.ok("add", "d")
    place.ok("commit", "-m", "one")
    write(place, "t.csv", AFTER)
    write(place, "x.bin", "other bytes")
    place.ok("add", "d")
    place.ok("commit", "-m", "two")
    return place


def test_a_table_is_told_by_schema_rows_and_columns(versions: Workplace) -> None:
    said = versions.ok("diff", "HEAD~1", "HEAD", "--", "d/t.csv")
    assert [line.rstrip() for line in said.splitlines()] == [
        "M d/t.csv  41 B -> 66 B",
        "  CSV, 3 -> 3 rows, key id (detected)",
        "  Schema",
        "     +  score  number",
        "  Rows  1 row added, 1 row removed, 1 row changed",
        "    ~ row 1  id=1  amount: 5 -> 50",
        "    + row 3  id=4 name=<b>joan</b> amount=9 score=2.5",
        "    - row 2  id=2 name=grace amount=7",
        "  Columns",
        "             nulls  min                 max            mean          distinct  cells changed",
        "     id      0      1                   3 -> 4         2 -> 2.66667  3         0",
        "     name    0      ada -> <b>joan</b>  grace -> alan  –             3         0",
        "     amount  1      5 -> 9              7 -> 50        6 -> 29.5     2         1",
        "     score   0      0.5                 2.5            1.5           3",
        "0 added, 1 changed, 0 deleted",
    ]
    assert versions.ok("diff", "--stat", "HEAD~1", "HEAD", "--", "d/t.csv").splitlines()[0] == (
        "M d/t.csv  41 B -> 66 B  1 row added, 1 row removed, 1 row changed, 1 column added"
    )
    assert "key name\n" in versions.ok("diff", "--key", "name", "HEAD~1", "HEAD", "--", "d/t.csv")
    assert versions.ok("diff", "HEAD~1", "HEAD", "--", "d/x.bin").splitlines()[1] == (
        "  text; 0 B of 11 B (0%) as before"
    )
    assert "rows" not in versions.ok("diff", "HEAD~1", "HEAD", "--", "d"), "a folder is told by its files"


def test_the_same_in_json(versions: Workplace) -> None:
    change, other = versions.json("diff", "-q", "HEAD~1", "HEAD", "d/t.csv", "d/x.bin")
    found = change["content"]
    assert (change["path"], found["kind"], found["format"], found["key"]) == ("d/t.csv", "table", "CSV", ["id"])
    rows = found["rows"]
    assert (rows["added"], rows["removed"], rows["changed"]) == (1, 1, 1)
    assert rows["some_removed"] == [{"number": 2, "values": {"id": "2", "name": "grace", "amount": "7"}}]
    assert {one["name"]: one["cells"] for one in found["columns"]} == {"id": 0, "name": 0, "amount": 1, "score": None}
    assert other["content"]["kind"] == "bytes"


def test_the_page_is_whole_and_lets_no_data_be_markup(versions: Workplace, tmp_path: Path) -> None:
    page = tmp_path / "changes.html"
    assert versions.ok("diff", "--html", str(page), "HEAD~1", "HEAD", "--", "d/t.csv", "d/x.bin").endswith(f"{page}\n")
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;joan&lt;/b&gt;" in text
    assert "<b>joan" not in text
    assert "<del>5</del> <ins>50</ins>" in text
    assert not re.search(r"( src=| href=|url\(|@import|<script)", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_without_a_second_revision_the_file_is_the_one_on_the_disk(versions: Workplace) -> None:
    write(versions, "t.csv", AFTER + "5,kay,1,1\n")
    assert "  Rows  1 row added\n" in versions.ok("diff", "--", "d/t.csv")
    assert "2 rows added, 1 row removed, 1 row changed" in versions.ok("diff", "HEAD~1", "--", "d/t.csv")
    versions.ok("restore", "--force", "d/t.csv")
    assert versions.ok("diff", "--", "d/t.csv") == "No difference in the data\n"
    write(versions, "t.csv", BEFORE)
    assert versions.ok("diff", "HEAD~1", "--", "d/t.csv") == "No difference in the data\n"
    (versions.root / "d" / "t.csv").unlink()
    said = versions.ok("diff", "HEAD~1", "--", "d/t.csv")
    assert said.startswith("D d/t.csv  41 B\n")
    assert "  Rows  3 rows removed\n" in said
    assert "1 row added, 1 row removed" in versions.ok("diff", "--staged", "HEAD~1", "--", "d/t.csv")


def test_a_file_that_came_and_went(versions: Workplace) -> None:
    (versions.root / "d" / "t.csv").unlink()
    write(versions, "new.jsonl", '{"a": 1}\n')
    versions.ok("add", "d")
    versions.ok("commit", "-m", "three")
    assert "  Rows  1 row added\n    + row 1  a=1\n" in versions.ok("diff", "HEAD~1", "HEAD", "--", "d/new.jsonl")
    assert "  Rows  3 rows removed\n" in versions.ok("diff", "HEAD~1", "HEAD", "--", "d/t.csv")


def test_wrong_words_are_told(versions: Workplace) -> None:
    assert versions.fails(2, "diff", "-q", "--key", "nope", "HEAD~1", "HEAD", "--", "d/t.csv") == [
        "error: d/t.csv has no column nope in both versions",
        "hint: columns: id, name, amount",
    ]
    assert versions.fails(2, "diff", "-q", "--key", "id", "HEAD~1", "HEAD", "--", "d/x.bin")[0] == (
        "error: d/x.bin has no columns"
    )
    assert versions.fails(2, "diff", "-q", "--key", "id", "HEAD~1", "HEAD")[0] == (
        "error: --key and --html are for files that are named"
    )
    assert versions.fails(2, "diff", "-q", "--html", "no/folder/x", "HEAD~1", "HEAD", "--", "d/t.csv")[0].startswith(
        "error: cannot write no/folder/x: "
    )


@pytest.mark.parametrize("words", [(), ("HEAD",), ("HEAD~1", "HEAD"), ("--staged",), ("--stat", "HEAD"), ("--json",)])
def test_a_path_that_no_version_tracks_is_told(versions: Workplace, words: tuple[str, ...]) -> None:
    assert versions.fails(3, "diff", "-q", *words, "--", "dd")[0] == "error: dd is not tracked"


def test_a_path_that_is_tracked_no_more_is_no_error(versions: Workplace) -> None:
    versions.ok("rm", "d")
    assert versions.ok("diff", "-q", "--", "d") == ""
    assert versions.ok("diff", "-q", "HEAD~1", "--", "d/t.csv").startswith("D d/t.csv")


def test_what_is_no_table_despite_its_name_is_told_as_bytes(versions: Workplace) -> None:
    write(versions, "t.csv", "a\0b\n")
    said = versions.ok("diff", "--", "d/t.csv").splitlines()[1]
    assert said == "  text -> data; 0 B of 4 B (0%) as before; no csv to be read: it holds zero bytes"

"""Merges outside git: what is joined inside of files, and what only a person can tell."""

from __future__ import annotations

import pytest

from tests.support.repos import read_tree, reopened, save
from xver.errors import MergeConflict, StorageError
from xver.repo import Repo
from xver.versioning import branches
from xver.versioning.merging import merge_snapshot

TABLE = b"id,label\n" + b"".join(b"%d,\n" % n for n in range(1, 21))


def sides(repo: Repo, ours: bytes, theirs: bytes) -> Repo:
    """Return a repository with a table whose rows have a key, changed on main and on another branch."""
    repo.settings_path.write_text('[merge.keys]\n"d/*.csv" = "id"\n', encoding="utf-8")
    repo = reopened(repo)
    save(repo, {"d/t.csv": TABLE})
    branches.switch(repo, "side", new=True)
    save(repo, {"d/t.csv": theirs})
    branches.switch(repo, "main")
    save(repo, {"d/t.csv": ours})
    return repo


def test_a_row_that_both_sides_added_is_a_conflict_wherever_they_put_it(repo: Repo) -> None:
    head, *rows = TABLE.splitlines(keepends=True)
    first, last = b"".join((head, b"99,cat\n", *rows)), TABLE + b"99,dog\n"
    repo = sides(repo, first, last)
    with pytest.raises(MergeConflict):
        merge_snapshot(repo, "side")
    assert (repo.root / "d/t.csv").read_bytes() == first


def test_what_is_no_table_is_joined_by_lines(repo: Repo) -> None:
    repo = sides(repo, b"no key\n" + TABLE, TABLE + b"21,x\n")
    merge_snapshot(repo, "side")
    assert (repo.root / "d/t.csv").read_bytes() == b"no key\n" + TABLE + b"21,x\n"


@pytest.mark.parametrize("name", ["ü" * 126 + ".x", "ü" * 126 + ".y", "a." + "b" * 253])
def test_conflicts_of_files_with_long_names_are_laid_out(repo: Repo, name: str) -> None:
    contents = {"ours": b"1", "base": b"0", "theirs": b"2"}
    save(repo, {f"d/{name}": contents["base"]})
    branches.switch(repo, "side", new=True)
    save(repo, {f"d/{name}": contents["theirs"]})
    branches.switch(repo, "main")
    save(repo, {f"d/{name}": contents["ours"]})
    with pytest.raises(MergeConflict):
        merge_snapshot(repo, "side")
    found = read_tree(repo.places.own / "conflicts" / "d")
    assert sorted(found.values()) == [b"0", b"1", b"2"]
    sides = {one: [path for path, data in found.items() if data == content] for one, content in contents.items()}
    assert all(f".{one}" in path for one, (path,) in sides.items())


def test_conflicts_that_cannot_be_laid_out_are_told_in_one_line(repo: Repo) -> None:
    repo = sides(repo, b"ours\n", b"theirs\n")
    (repo.places.own / "conflicts").write_bytes(b"in the way")
    with pytest.raises(StorageError, match="cannot be written: "):
        merge_snapshot(repo, "side")
    assert (repo.root / "d/t.csv").read_bytes() == b"ours\n"

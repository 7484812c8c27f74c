"""The stat index keeps what it is told, notices every damage, and is never needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.model.entries import EntryKind
from xver.worktree.records import DirectoryRecord, Known, RecordBuilder, TreeRecord
from xver.worktree.stat_index import StatIndex
from xver.worktree.stats import NO_STAT, STAT_SIZE, pack_stat, settled


def known(number: int) -> Known:
    return Known(EntryKind(number % 3 + 1), number, bytes([number] * 32), bytes([number] * 16), None)


def directory(*names: str) -> DirectoryRecord:
    builder = RecordBuilder()
    for number, name in enumerate(names):
        builder.add(name.encode(), bytes([number + 1] * STAT_SIZE), known(number + 1))
    return builder.build()


def tree(id: bytes | None = None, **folders: tuple[str, ...]) -> TreeRecord:
    return TreeRecord(id, {name.replace("_", "/").strip("/"): directory(*names) for name, names in folders.items()})


TREES = {
    "data/raw": tree(bytes(range(32)), _=("a", "b"), sub=("x\ny", "ä"), sub_deep=("z",)),
    "model": TreeRecord(None, {"": directory("")}),
    "empty": TreeRecord(bytes(32), {}),
}


def written(path: Path) -> StatIndex:
    index = StatIndex(path)
    for name, one in TREES.items():
        index.set(name, one)
    index.write()
    return index


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "own" / "stat-index")
    index = StatIndex(tmp_path / "own" / "stat-index")
    assert {path: index.tree(path) for path in index.paths()} == TREES
    assert not index.is_changed


def test_sha256_stays_with_its_file(tmp_path: Path) -> None:
    builder = RecordBuilder()
    for name, sha256 in ((b"a", None), (b"b", bytes([7] * 32)), (b"c", None)):
        builder.add(name, NO_STAT, known(1)._replace(sha256=sha256))
    index = StatIndex(tmp_path / "i")
    index.set("d", TreeRecord(None, {"": builder.build()}))
    index.write()
    found = StatIndex(tmp_path / "i").tree("d")
    assert found is not None
    assert [one.sha256 for _, one in found.files()] == [None, bytes([7] * 32), None]


def test_every_byte_that_is_damaged_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "i"
    written(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        index = StatIndex(path)
        assert all(index.tree(name) == TREES[name] for name in index.paths()), f"byte {at}"
        assert len(index.paths()) < len(TREES), f"byte {at}"


def test_a_file_cut_short_holds_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "i"
    written(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        index = StatIndex(path)
        assert all(index.tree(name) == TREES[name] for name in index.paths())


def test_an_index_that_another_process_wrote_is_told(tmp_path: Path) -> None:
    ours = written(tmp_path / "i")
    assert ours.is_current
    theirs = StatIndex(tmp_path / "i")
    theirs.remove("model")
    theirs.write()
    assert theirs.is_current
    assert not ours.is_current


def test_nothing_changed_writes_nothing(tmp_path: Path) -> None:
    index = written(tmp_path / "i")
    (tmp_path / "i").unlink()
    index.set("model", TREES["model"])
    index.write()
    assert not (tmp_path / "i").exists()


def test_a_write_that_fails_leaves_the_old_one_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = written(tmp_path / "i")
    before = (tmp_path / "i").read_bytes()
    index.remove("model")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            index.write()
    assert os.listdir(tmp_path) == ["i"]
    assert (tmp_path / "i").read_bytes() == before


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("data/raw/sub", {"x\ny": 1, "ä": 2, "deep/z": 1}),
        ("data/raw/sub/deep", {"z": 1}),
        ("data/raw/a", {"": 1}),
        ("data", {"raw/a": 1, "raw/b": 2, "raw/sub/x\ny": 1, "raw/sub/ä": 2, "raw/sub/deep/z": 1}),
        ("model", {"": 1}),
        ("model/part", None),
        ("other", None),
    ],
)
def test_what_is_known_of_a_path_that_was_tracked_otherwise(
    tmp_path: Path, path: str, files: dict[str, int] | None
) -> None:
    found = written(tmp_path / "i").known_at(path)
    assert (None if found is None else {name: one.size for name, one in found.files()}) == files


def test_finding_one_file() -> None:
    record = TREES["data/raw"]
    assert record.find("sub/ä") == (bytes([2] * STAT_SIZE), known(2))
    assert [record.find(path) for path in ("sub", "sub/c", "sub/zz", "c", "deep/z")] == [None] * 5


def test_updating_replaces_adds_and_forgets_which_listing_it_was() -> None:
    record = TREES["data/raw"].updated([("b", NO_STAT, known(9)), ("new/c", NO_STAT, known(8))])
    assert record.id is None
    assert {path: one.size for path, one in record.files()} == {
        "a": 1, "b": 9, "new/c": 8, "sub/x\ny": 1, "sub/ä": 2, "sub/deep/z": 1,
    }  # fmt: skip
    assert [name for folder in record.directories.values() for name in folder.names] == [
        b"a", b"b", b"x\ny", "ä".encode(), b"z", b"c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ("a", ["b", "sub/x\ny", "sub/ä", "sub/deep/z"]),
        ("sub", ["a", "b"]),
        ("sub/ä", ["a", "b", "sub/x\ny", "sub/deep/z"]),
    ],
)
def test_taking_a_part_out(part: str, left: list[str]) -> None:
    assert [path for path, _ in TREES["data/raw"].without(part).files()] == left


@pytest.mark.parametrize(("age_ns", "is_settled"), [(1_999_999_999, False), (2_000_000_000, True), (-5, False)])
def test_settled_is_two_seconds_older_than_the_reading(tmp_path: Path, age_ns: int, is_settled: bool) -> None:
    (tmp_path / "f").touch()
    stat = (tmp_path / "f").stat()
    newest = stat.st_mtime_ns if os.name == "nt" else max(stat.st_mtime_ns, stat.st_ctime_ns)
    assert (settled(pack_stat(stat), newest + age_ns) != NO_STAT) is is_settled


NAMES = [bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz"]
LARGE = Known(EntryKind.FILE, 1 << 20, bytes(32), bytes(16), bytes(range(32)))


@given(
    st.sets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(NAMES), st.sampled_from([None, known(7), LARGE]))
)
def test_an_edited_directory_is_one_built_anew(before: set[bytes], changes: dict[bytes, Known | None]) -> None:
    rows = {name: (bytes([name[0]] * STAT_SIZE), LARGE if name[0] % 3 else known(name[0])) for name in before}
    edits = {name: one and (NO_STAT, one) for name, one in changes.items()}
    wanted = {name: one for name, one in {**rows, **edits}.items() if one is not None}
    record = of(rows).edited(edits)
    assert record == of(wanted)
    assert record.by_name() == wanted


def of(rows: Mapping[bytes, tuple[bytes, Known]]) -> DirectoryRecord:
    builder = RecordBuilder()
    for name in sorted(rows):
        builder.add(name, *rows[name])
    return builder.build()

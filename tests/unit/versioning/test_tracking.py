"""`add`: what is on the disk becomes content, read once, whole or in parts, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import partial_clone, reopened, save, write_tree
from tests.support.trees import later, not_root, picture, posix, rewrite_unseen
from xver.errors import Conflict, DirtyWorktree, InvalidInput, NotFound
from xver.model.entries import Dataset, File, Link
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.upkeep.fsck import check
from xver.versioning import tracking
from xver.versioning.pathspecs import expand
from xver.versioning.restoring import checkout
from xver.versioning.state import Away, status
from xver.versioning.tracking import add
from xver.worktree import reading, steady


def rows(repo: Repo, top: str = "d") -> list[str]:
    entry = repo.lock.entries[TrackedPath(top)]
    assert isinstance(entry, Dataset)
    return [row.path for row in read_listing(repo.store, entry.id)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read for their bytes."""
    names: list[str] = []
    read_file, read_fingerprint = reading.read_file, steady.read_fingerprint

    def reads(path: str, packer: object, **known: Any) -> object:
        names.append(os.path.basename(path))
        return read_file(path, packer, **known)  # type: ignore[arg-type]

    def prints(path: str, **known: Any) -> object:
        names.append(os.path.basename(path))
        return read_fingerprint(path, **known)

    monkeypatch.setattr(tracking.Here, "read", staticmethod(reads))
    monkeypatch.setattr("xver.worktree.compare.read_fingerprint", prints)
    return names


@posix
def test_every_kind_of_entry_comes_back_as_it_was(repo: Repo) -> None:
    write_tree(repo.root, {"d/plain": b"1", "d/empty": b"", "d/run": b"#!", "d/a b/\u00e9\n": b"2", "outside/x": b"3"})
    (repo.root / "d" / "run").chmod(0o755)
    for name, target in (("in", "plain"), ("out", "../outside"), ("broken", "no where"), ("root", "/")):
        (repo.root / "d" / name).symlink_to(target)
    (repo.root / "d" / "empty folder" / "deep").mkdir(parents=True)
    add(repo, ["d"])
    before = picture(repo.root)
    assert status(repo).changed == {}
    os.rename(repo.root / "d", repo.root / "old")
    checkout(repo)
    del before["d/empty folder/deep"]
    assert {path: one for path, one in picture(repo.root).items() if not path.startswith("old")} == before
    assert check(repo).problems == ()


@posix
def test_a_tracked_path_may_be_a_file_a_link_or_an_empty_folder(repo: Repo) -> None:
    write_tree(repo.root, {"model.bin": bytes(300_000)})
    (repo.root / "nothing").mkdir()
    (repo.root / "latest").symlink_to("model.bin")
    add(repo, ["model.bin", "nothing", "latest"])
    kinds = {path: type(entry) for path, entry in repo.lock.entries.items()}
    assert kinds == {"model.bin": File, "nothing": Dataset, "latest": Link}
    before = picture(repo.root)
    for name in ("model.bin", "latest"):
        (repo.root / name).unlink()
    (repo.root / "nothing").rmdir()
    checkout(repo)
    assert picture(repo.root) == before


def test_adding_again_what_has_not_changed_reads_nothing(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/s/b": b"2"})
    with later(monkeypatch):
        add(repo, ["d"])
        assert sorted(opened) == ["a", "b"]
        opened.clear()
        done = add(reopened(repo), ["d"])
        assert opened == []
        assert (done.stored, done.added[0].before) == (0, done.added[0].entry)
        assert status(reopened(repo)).changed == {}
        assert opened == []


def test_a_touched_file_is_compared_and_not_cut_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    read_file = reading.read_file

    def reads(path: str, packer: object, **known: bytes) -> object:
        cut.append(os.path.basename(path))
        return read_file(path, packer, **known)  # type: ignore[arg-type]

    monkeypatch.setattr(tracking.Here, "read", staticmethod(reads))
    write_tree(repo.root, {"d/large": bytes(1_000_000), "d/small": b"1", "d/edited": b"before"})
    with later(monkeypatch):
        add(repo, ["d"])
        before = reopened(repo).lock
        for name in ("large", "small", "edited"):
            os.utime(repo.root / "d" / name, ns=(1, 1))
        cut.clear()
        add(reopened(repo), ["d"])
        assert (cut, reopened(repo).lock) == ([], before)
        rewrite_unseen(repo.root / "d" / "edited", b"behind")
        (done,) = add(reopened(repo), ["d"]).added
        assert (cut, done.new) == (["edited"], 6)
        assert status(reopened(repo)).changed == {}


def test_rehash_reads_all_the_same(repo: Repo, monkeypatch: pytest.MonkeyPatch, opened: list[str]) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/s/b": b"2"})
    with later(monkeypatch):
        add(repo, ["d"])
        opened.clear()
        add(repo, ["d"], rehash=True)
        add(repo, ["d/s"], rehash=True)
    assert opened == ["a", "b", "b"]


@posix
@pytest.mark.parametrize("is_old", [False, True])
def test_an_edit_of_the_same_size_with_the_old_times_is_found(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    write_tree(repo.root, {"d/a": b"old"})
    if is_old:
        with later(monkeypatch):
            add(repo, ["d"])
    else:
        add(repo, ["d"])
    rewrite_unseen(repo.root / "d" / "a", b"new")
    assert [one.path for one in status(repo).changed[TrackedPath("d")].differences] == ["a"]
    add(repo, ["d"])
    (repo.root / "d" / "a").unlink()
    checkout(repo)
    assert (repo.root / "d" / "a").read_bytes() == b"new"


@posix
def test_only_the_executable_bit(repo: Repo) -> None:
    for top in ("d/run", "single"):
        write_tree(repo.root, {top: b"#!"})
    add(repo, ["d", "single"])
    first = repo.lock.entries
    for top in ("d/run", "single"):
        (repo.root / top).chmod(0o755)
    assert sorted(status(repo).changed) == ["d", "single"]
    add(repo, ["d", "single"])
    assert status(repo).changed == {}
    repo.write_lock(type(repo.lock)(repo.lock.repository, first))
    assert sorted(status(repo).changed) == ["d", "single"]
    checkout(repo)
    assert not os.access(repo.root / "single", os.X_OK) or os.geteuid() == 0
    assert (repo.root / "single").stat().st_mode & 0o100 == 0
    assert (repo.root / "d" / "run").stat().st_mode & 0o100 == 0


@posix
def test_a_link_and_a_file_with_the_same_bytes_differ(repo: Repo) -> None:
    write_tree(repo.root, {"x": b"target"})
    add(repo, ["x"])
    (repo.root / "x").unlink()
    (repo.root / "x").symlink_to("target")
    assert list(status(repo).changed) == ["x"]


def test_a_part_is_added_and_nothing_else_is_looked_at(repo: Repo, opened: list[str]) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/b": b"1", "d/s/x": b"1", "d/s/y": b"1"})
    add(repo, ["d"])
    write_tree(repo.root, {"d/a": b"22", "d/b": b"22", "d/s/x": b"22", "d/s/new": b"22", "d/t": b"22"})
    (repo.root / "d" / "s" / "y").unlink()
    opened.clear()
    add(repo, ["d/a", "d/s"])
    assert sorted(opened) == ["a", "new", "x"]
    assert rows(repo) == ["a", "b", "s/new", "s/x"]
    left = {one.path: str(one.differs) for one in status(repo).changed[TrackedPath("d")].differences}
    assert left == {"b": "modified", "t": "added"}


def test_a_part_that_is_gone_leaves_the_dataset(repo: Repo) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/s/x": b"1", "d/s/y": b"1"})
    add(repo, ["d"])
    for name in ("a", "s/x", "s/y"):
        (repo.root / "d" / name).unlink()
    (repo.root / "d" / "s").rmdir()
    add(repo, ["d/a"])
    assert rows(repo) == ["s/x", "s/y"]
    add(repo, ["d/s"])
    assert rows(repo) == []
    assert status(repo).changed == {}


def test_a_file_becomes_a_folder_and_back_part_by_part(repo: Repo) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/b/x": b"1"})
    add(repo, ["d"])
    (repo.root / "d" / "a").unlink()
    write_tree(repo.root, {"d/a/new": b"2"})
    add(repo, ["d/a/new"])
    assert rows(repo) == ["a/new", "b/x"]
    (repo.root / "d" / "b" / "x").unlink()
    (repo.root / "d" / "b").rmdir()
    write_tree(repo.root, {"d/b": b"3"})
    add(repo, ["d/b"])
    assert rows(repo) == ["a/new", "b"]
    assert status(repo).changed == {}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "whole repository"),
        ("none", "there is no none"),
        ("d/none", "there is no d/none"),
        ("outer", "outer holds outer/in, which is tracked by itself"),
        ("xver.lock", "belongs to git and xver"),
        ("xver.toml", "belongs to git and xver"),
        (".gitignore", "belongs to git and xver"),
        (".xver", "git's or xver's own"),
        ("d/.GIT/x", "git's or xver's own"),
        ("../x", "not relative"),
        ("link/x", "lies behind the link link"),
        ("d/inner/x", "lies behind the link d/inner"),
        ("skipped/x", "a rule of .xverignore leaves skipped out"),
        ("d/x.log", "a rule of .xverignore leaves d/x.log out"),
        ("caf\udce9", "not UTF-8"),
    ],
)
@posix
def test_paths_that_cannot_be_added(repo: Repo, path: str, why: str) -> None:
    write_tree(repo.root, {"d/a": b"1", "outer/in/x": b"1", "far/x": b"1", "skipped/x": b"", "d/x.log": b"", "k": b""})
    (repo.root / ".xverignore").write_text("skipped/\n*.log\n", encoding="utf-8")
    (repo.root / "link").symlink_to("far")
    (repo.root / "d" / "inner").symlink_to("../far")
    add(repo, ["d", "outer/in"])
    before = repo.lock_path.read_bytes()
    with pytest.raises(InvalidInput, match=why):
        add(repo, ["k", path])
    assert repo.lock_path.read_bytes() == before
    assert check(repo).problems == ()


def test_two_of_the_paths_given_overlap(repo: Repo) -> None:
    write_tree(repo.root, {"n/a/x": b"1"})
    for paths in (["n", "n/a"], ["n/a", "n"]):
        with pytest.raises(InvalidInput, match="overlaps another"):
            add(repo, paths)
    add(repo, ["n", "n"])
    assert list(repo.lock.entries) == ["n"]


def test_a_tracked_path_that_is_gone_is_not_silently_emptied(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    os.rename(repo.root / "d", repo.root / "elsewhere")
    with pytest.raises(InvalidInput, match="there is no d") as caught:
        add(repo, ["d"])
    assert caught.value.hint == "xver checkout d brings it back, xver rm d stops tracking it"


@posix
def test_what_no_version_can_hold_is_left_out_and_named(repo: Repo) -> None:
    write_tree(repo.root, {"d/a": b"1"})
    os.mkfifo(repo.root / "d" / "pipe")
    assert add(repo, ["d"]).added[0].special == ("d/pipe",)
    assert rows(repo) == ["a"]
    assert status(repo).special == ("d/pipe",)
    with pytest.raises(InvalidInput, match="d/pipe is neither file, link nor folder"):
        add(repo, ["d/pipe"])


@posix
def test_a_name_that_is_not_utf_8_is_refused_with_its_path(repo: Repo) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/s/x": b"1"})
    add(repo, ["d"])
    try:
        (repo.root / "d" / os.fsdecode(b"caf\xe9")).touch()
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(InvalidInput, match=r"the name of d/caf\\udce9 is not UTF-8"):
        add(repo, ["d"])
    write_tree(repo.root, {"d/s/x": b"2"})
    add(repo, ["d/s"])
    assert status(repo).special == ("d/caf\udce9",)


@not_root
@posix
def test_a_file_that_cannot_be_read_stops_the_add_and_changes_nothing(repo: Repo) -> None:
    write_tree(repo.root, {"d/a": b"1", "d/b": b"2"})
    (repo.root / "d" / "b").chmod(0)
    with pytest.raises(InvalidInput, match=r"cannot read .*b: Permission denied"):
        add(repo, ["d"])
    assert repo.lock.entries == {}


def test_a_file_that_grows_is_never_stored_torn(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(repo.root, {"d/log": bytes(1_000_000), "d/a": b"1"})
    read = os.read

    def grows(handle: int, size: int) -> bytes:
        with (repo.root / "d" / "log").open("ab") as file:
            file.write(b"more")
        return read(handle, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", grows)
        with pytest.raises(Conflict, match="log changes while it is read"):
            add(repo, ["d"])
    assert repo.lock.entries == {}
    add(repo, ["d"])
    assert status(repo).changed == {}


def test_files_that_were_never_here_do_not_silently_leave_a_dataset(repo: Repo, tmp_path: Path) -> None:
    """As after `xver pull d/part` in a fresh clone, where the rest of the dataset is not local."""
    save(repo, {"d/part/a": b"1", "d/rest/b": b"not here"})
    clone = partial_clone(repo, tmp_path / "clone", without=b"not here")
    write_tree(clone.root, {"d/part/a": b"1"})
    found = status(clone)
    assert (found.changed, dict(found.away)) == ({}, {TrackedPath("d"): Away(1, 8)})
    with pytest.raises(DirtyWorktree, match="1 files of d were never on this disk"):
        add(clone, ["d"])
    write_tree(clone.root, {"d/part/a": b"2"})
    add(clone, ["d/part"])
    assert rows(clone) == ["part/a", "rest/b"]


@pytest.mark.parametrize(
    ("words", "start", "found"),
    [
        (["d"], ".", ["d"]),
        (["."], ".", [""]),
        (["a.csv", "./s/../b.csv"], "d", ["d/a.csv", "d/b.csv"]),
        (["../d/a.csv"], "d", ["d/a.csv"]),
        (["*.csv"], "d", ["d/a.csv", "d/b.csv"]),
        (["d/*.csv", "d/a.csv"], ".", ["d/a.csv", "d/b.csv"]),
        (["**/x"], ".", ["d/s/x"]),
        (["d/[1].txt"], ".", ["d/[1].txt"]),
        (["d/gone*.csv"], ".", ["d/gone1.csv", "d/gone2.csv"]),
        (["gone[?]"], "d", ["d/gone[?]"]),
    ],
)
@posix
def test_words_become_paths(repo: Repo, words: list[str], start: str, found: list[str]) -> None:
    names = ["d/a.csv", "d/b.csv", "d/s/x", "d/[1].txt", "d/gone1.csv", "d/gone2.csv", "d/gone[?]"]
    save(repo, dict.fromkeys(names, b"1"))
    for name in names[4:]:
        (repo.root / name).unlink()
    assert expand(repo, words, start=repo.root / start) == found
    absolute = [str(repo.root / start / word) for word in words]
    assert expand(repo, absolute, start=repo.root / "d") == found


@pytest.mark.parametrize(("word", "error"), [("no*such", NotFound), ("", InvalidInput), ("../x", InvalidInput)])
def test_words_that_name_nothing_here(repo: Repo, word: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        expand(repo, [word], start=repo.root)


def test_what_a_killed_writer_left_goes_after_a_day_and_not_before(repo: Repo) -> None:
    write_tree(repo.root, {"d/a": b"a"})
    add(repo, ["d"])
    old, fresh = (Path(repo.storage.path(f"tmp/{name}")) for name in ("1-old", "2-fresh"))
    for left in (old, fresh):
        left.write_bytes(b"half a pack")
    day_before_yesterday = fresh.stat().st_mtime - 2 * 86_400
    os.utime(old, (day_before_yesterday, day_before_yesterday))
    add(reopened(repo), ["d"])
    assert (old.exists(), fresh.exists()) == (False, True)

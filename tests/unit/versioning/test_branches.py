"""Branches, tags and merges outside git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.repos import SOMEBODY, reopened, save, write_tree
from tests.support.trees import picture
from xver.errors import AlreadyExists, DirtyWorktree, InvalidInput, MergeConflict, RefNotFound, RevisionNotFound
from xver.history.merge import Side
from xver.model.ids import SnapshotId
from xver.model.refs import HEADS, TAGS
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning import branches, versions
from xver.versioning.commits import commit
from xver.versioning.logs import log, select
from xver.versioning.merging import merge_snapshot
from xver.versioning.removing import remove
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import branch_name, head_id, many_entries, read_head, resolve


def names(repo: Repo, prefix: str) -> dict[str, str]:
    return {name: id.hex() for name, id in branches.names(repo, prefix).items()}


def test_branches_tags_and_where_we_are(repo: Repo) -> None:
    first = save(repo, {"d/a": b"1"})
    second = save(repo, {"d/a": b"2"})
    branches.create(repo, HEADS, "old", "HEAD~1")
    branches.create(repo, TAGS, "v1", first[:8])
    assert names(repo, HEADS) == {"main": second, "old": first}
    assert names(repo, TAGS) == {"v1": first}
    branches.switch(repo, "old")
    assert (branch_name(repo), picture(repo.root)) == ("old", {"d/a": b"1"})
    branches.switch(repo, "v1")
    assert (branch_name(repo), head_id(repo)) == (None, SnapshotId(bytes.fromhex(first)))
    third = save(repo, {"d/a": b"3"})
    assert head_id(repo) == SnapshotId(bytes.fromhex(third))
    branches.switch(repo, "main")
    branches.switch(repo, third)
    assert picture(repo.root) == {"d/a": b"3"}
    assert check(repo).problems == ()


@pytest.mark.parametrize("rev", ["main~1", "HEAD^", "v1", "@~1", "old"])
def test_words_for_a_version(repo: Repo, rev: str) -> None:
    first = save(repo, {"d/a": b"1"})
    save(repo, {"d/a": b"2"})
    branches.create(repo, TAGS, "v1", first)
    branches.create(repo, HEADS, "old", first)
    assert resolve(repo, rev).id == first


def test_a_word_that_names_nothing_is_answered_with_the_nearest(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    with pytest.raises(RevisionNotFound) as caught:
        branches.switch(repo, "mian")
    assert (caught.value.message, caught.value.hint) == ("no version is named mian", "did you mean main?")
    with pytest.raises(RevisionNotFound, match="goes back beyond the first version"):
        resolve(repo, "HEAD~1")


@pytest.mark.parametrize("name", ["", "a b", "-x", "a..b", "HEAD", "@", "a/", "x.lock", "a~1", "\n"])
def test_names_that_git_would_refuse(repo: Repo, name: str) -> None:
    save(repo, {"d/a": b"1"})
    with pytest.raises(InvalidInput):
        branches.create(repo, HEADS, name)
    with pytest.raises(InvalidInput):
        branches.switch(repo, name, new=True)


def test_what_is_there_already(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    with pytest.raises(AlreadyExists, match="there is a branch main already"):
        branches.create(repo, HEADS, "main")
    with pytest.raises(AlreadyExists):
        branches.switch(repo, "main", new=True)
    with pytest.raises(RefNotFound, match="there is no tag main"):
        branches.delete(repo, TAGS, "main")
    with pytest.raises(InvalidInput, match="main is the branch you are on"):
        branches.delete(repo, HEADS, "main")


def test_a_deleted_branch_s_commits_can_still_be_named(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    branches.switch(repo, "side", new=True)
    id = save(repo, {"d/a": b"2"})
    branches.switch(repo, "main")
    branches.delete(repo, HEADS, "side")
    assert resolve(repo, id[:10]).id == id


def test_a_branch_and_a_tag_of_one_name(repo: Repo) -> None:
    first = save(repo, {"d/a": b"1"})
    branches.create(repo, TAGS, "x", first)
    save(repo, {"d/a": b"2"})
    branches.create(repo, HEADS, "x")
    save(repo, {"d/a": b"3"})
    branches.switch(repo, "x")
    assert (branch_name(repo), picture(repo.root)) == ("x", {"d/a": b"2"})
    assert status(repo).is_clean


def test_switching_never_loses_what_is_not_committed(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    branches.switch(repo, "side", new=True)
    save(repo, {"d/a": b"2"})
    write_tree(repo.root, {"d/a": b"3"})
    with pytest.raises(DirtyWorktree) as caught:
        branches.switch(repo, "main")
    assert caught.value.paths == ("d/a",)
    add(repo, ["d"])
    with pytest.raises(DirtyWorktree, match=r"xver\.lock holds what is not committed") as caught:
        branches.switch(repo, "main")
    assert caught.value.paths == ("d",)
    assert (branch_name(repo), picture(repo.root)) == ("side", {"d/a": b"3"})
    branches.switch(repo, "main", force=True)
    assert (branch_name(repo), picture(repo.root)) == ("main", {"d/a": b"1"})


def test_the_first_branch_may_have_another_name(repo: Repo) -> None:
    branches.switch(repo, "trunk", new=True)
    save(repo, {"d/a": b"1"})
    assert list(names(repo, HEADS)) == ["trunk"]


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("name", ["HEAD-before", "HEAD"])
def test_a_switch_that_is_cut_off_does_not_lie_about_where_one_was(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, name: str, is_before: bool
) -> None:
    save(repo, {"d/a": b"1"})
    for branch in ("one", "two"):
        branches.switch(repo, branch, new=True)
    replace = os.replace

    def cut_off(source: str, target: str) -> None:
        if Path(target).name != name or not is_before:
            replace(source, target)
        if Path(target).name == name:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            branches.switch(repo, "main")
    repo = reopened(repo)
    is_there = (name, is_before) == ("HEAD", False)
    assert versions.branch_name(repo) == ("main" if is_there else "two")
    assert versions.without_former(repo, "-") == ("two" if is_there else "one")
    branches.switch(repo, "-")
    assert versions.branch_name(repo) == ("two" if is_there else "one")


@pytest.mark.parametrize("word", [b"", b"heads", b"zz" * 32, b"ab" * 10])
def test_a_damaged_head_says_how_to_mend_it(repo: Repo, word: bytes) -> None:
    save(repo, {"d/a": b"1"})
    (repo.places.own / "HEAD").write_bytes(word)
    with pytest.raises(RevisionNotFound, match="HEAD is damaged") as caught:
        status(repo)
    assert caught.value.hint is not None
    assert os.system(caught.value.hint.replace(str(repo.root), f"'{repo.root}'")) == 0 if os.name != "nt" else True
    if os.name != "nt":
        assert read_head(repo) == "heads/main"


def forked(repo: Repo, ours: dict[str, bytes], theirs: dict[str, bytes]) -> None:
    """Commit `ours` on main and `theirs` on `side`, from one version; main is on the disk."""
    save(repo, {"d/a": b"base", "d/b": b"base", "e/a": b"base"})
    branches.switch(repo, "side", new=True)
    save(repo, theirs, "theirs")
    branches.switch(repo, "main")
    save(repo, ours, "ours")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"d/a": b"1"}, {"e/a": b"2"}),
        ({"d/a": b"1"}, {"d/b": b"2"}),
        ({"d/new": b"1"}, {"d/s/new": b"2", "e/a": b"2"}),
        ({"d/a": b"same"}, {"d/a": b"same"}),
        ({"f": b"1"}, {"g": b"2"}),
    ],
)
def test_what_both_sides_did_is_joined(repo: Repo, ours: dict[str, bytes], theirs: dict[str, bytes]) -> None:
    forked(repo, ours, theirs)
    done = merge_snapshot(repo, "side")
    assert done.kind == "merge"
    assert picture(repo.root) == {"d/a": b"base", "d/b": b"base", "e/a": b"base"} | ours | theirs
    assert status(repo).is_clean
    assert log(repo)[0].title == "Merge side"
    assert len(log(repo)[0].parents) == 2
    assert merge_snapshot(reopened(repo), "side").kind == "up to date"
    assert check(repo).problems == ()


def test_a_conflict_lists_the_files_and_changes_nothing(repo: Repo) -> None:
    forked(repo, {"d/a": b"1", "d/b": b"1"}, {"d/a": b"2", "e/a": b"2"})
    before, lock = picture(repo.root), repo.lock_path.read_bytes()
    with pytest.raises(MergeConflict) as caught:
        merge_snapshot(repo, "side")
    assert caught.value.paths == ("d/a",)
    assert (picture(repo.root), repo.lock_path.read_bytes()) == (before, lock)


@pytest.mark.parametrize("side", list(Side))
def test_a_conflict_is_settled_by_taking_one_side_s(repo: Repo, side: Side) -> None:
    forked(
        repo, {"d/a": b"ours", "d/b": b"ours", "new": b"ours"}, {"d/a": b"theirs", "e/a": b"theirs", "new": b"theirs"}
    )
    assert merge_snapshot(repo, "side", prefer=side).kind == "merge"
    won = side.value.encode()
    assert picture(repo.root) == {"d/a": won, "d/b": b"ours", "e/a": b"theirs", "new": won}
    assert status(repo).is_clean


@pytest.mark.parametrize("is_detached", [False, True])
def test_a_merge_that_only_moves_forward(repo: Repo, is_detached: bool) -> None:
    first = save(repo, {"d/a": b"1"})
    branches.switch(repo, "side", new=True)
    second = save(repo, {"d/a": b"2"})
    branches.switch(repo, first if is_detached else "main")
    assert merge_snapshot(repo, "side").kind == "forward"
    assert picture(repo.root) == {"d/a": b"2"}
    assert names(repo, HEADS) == {"main": first if is_detached else second, "side": second}
    assert head_id(repo) == SnapshotId(bytes.fromhex(second))
    assert (branch_name(repo) is None) is is_detached


def test_a_merge_does_not_start_on_unsaved_work(repo: Repo) -> None:
    forked(repo, {"d/a": b"1"}, {"d/b": b"2"})
    write_tree(repo.root, {"d/b": b"mine"})
    with pytest.raises(DirtyWorktree):
        merge_snapshot(repo, "side")
    assert (repo.root / "d" / "b").read_bytes() == b"mine"
    assert status(repo).staged == ()
    add(repo, ["d"])
    with pytest.raises(DirtyWorktree, match="not committed"):
        merge_snapshot(repo, "side")


def test_one_side_stops_tracking_what_the_other_changed(repo: Repo) -> None:
    save(repo, {"d/a": b"base", "e": b"base"})
    branches.switch(repo, "side", new=True)
    remove(repo, ["d"])
    commit(repo, "without d", author=SOMEBODY)
    branches.switch(repo, "main")
    save(repo, {"d/a": b"ours"})
    with pytest.raises(MergeConflict) as caught:
        merge_snapshot(repo, "side")
    assert caught.value.paths == ("d",)
    assert picture(repo.root) == {"d/a": b"ours", "e": b"base"}


def test_the_log_of_a_path_has_what_changed_it(repo: Repo) -> None:
    forked(repo, {"d/a": b"1"}, {"e/a": b"2"})
    merge_snapshot(repo, "side")
    save(repo, {"f": b"1"}, "f")

    def titles(path: str) -> list[str]:
        with many_entries(repo) as at:
            return [one.title for one in select(repo.store, log(repo), at, paths=[path])]

    assert titles("d/a") == ["ours", "a version"]
    assert titles("e") == ["theirs", "a version"]
    assert titles("f") == ["f"]
    assert titles("none") == []

"""What a person loses by accident: the local store, an index of it. Each command says what to type."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.workplace import Workplace
from tests.support.repos import read_tree
from xver.store import packing

COMMANDS = (["status"], ["log"], ["add", "d"], ["commit", "-m", "x"], ["push"], ["pull"], ["fetch"], ["fsck"], ["gc"])


def store_of(place: Workplace) -> Path:
    beside = place.root / ".git" / "xver" / "store"
    return beside if beside.exists() else place.root / ".xver" / "store"


def pushed(place: Workplace) -> Workplace:
    place.save("one", d__a="1", d__b="2" * 300)
    place.save("two", d__a="11")
    place.ok("remote", "add", "origin", "../remote")
    place.ok("push")
    return place


def test_without_git_a_store_that_is_gone_is_told_and_comes_back_from_the_remote(alone: Workplace) -> None:
    store = store_of(pushed(alone))
    versions, files, lock = alone.json("log"), read_tree(alone.root), alone.read("xver.lock")
    shutil.rmtree(store)
    for words in COMMANDS:
        assert alone.fails(4, *words) == [
            f"error: the store of this repository, {store}, is gone",
            "hint: xver init, then xver pull brings what was pushed; or bring that folder back from a copy",
        ]
    assert (read_tree(alone.root), alone.read("xver.lock")) == (files, lock)
    assert not store.exists()
    alone.ok("init")
    alone.ok("pull")
    assert alone.json("log") == versions
    assert alone.ok("status") == "Nothing has changed\n"
    assert "all whole" in alone.ok("fsck", "--data")
    assert alone.ok("push") == "origin has everything already\n"


def test_without_git_an_old_lock_is_a_version_that_the_remote_goes_on_from(alone: Workplace) -> None:
    pushed(alone)
    alone.ok("clone", "../remote", "../copy")
    alone.save("three", d__c="333")
    alone.ok("push")
    shutil.rmtree(alone.root.parent / "copy" / ".xver" / "store")
    alone.ok("init", where="../copy")
    alone.ok("pull", where="../copy")
    assert read_tree(alone.root.parent / "copy") == read_tree(alone.root)


def test_without_git_what_was_never_pushed_is_committed_before_it_meets_the_rest(alone: Workplace) -> None:
    store = store_of(pushed(alone))
    alone.write(d__new="never pushed")
    alone.ok("add", "d")
    files = read_tree(alone.root)
    shutil.rmtree(store)
    alone.ok("init")
    assert alone.fails(9, "pull")[-1] == 'hint: xver commit -m "…" first'
    alone.ok("add", "d")
    alone.ok("commit", "-m", "again")
    alone.ok("pull")
    assert read_tree(alone.root) == files
    assert "all whole" in alone.ok("fsck", "--data")


def test_without_git_and_without_a_remote_what_is_on_the_disk_is_taken_in_again(alone: Workplace) -> None:
    alone.save("one", d__a="1")
    store = store_of(alone)
    shutil.rmtree(store)
    assert alone.fails(4, "status")[1] == (
        "hint: bring that folder back from a copy; or xver init, then xver add takes in what is on the disk"
    )
    alone.ok("init")
    alone.ok("add", "d")
    assert "all whole" in alone.ok("fsck", "--data")


def test_beside_git_a_store_that_is_gone_is_one_that_was_not_fetched_yet(in_git: Workplace) -> None:
    store = store_of(pushed(in_git))
    files = read_tree(in_git.root)
    shutil.rmtree(store)
    assert in_git.ok("status") == "Nothing has changed\n"
    assert in_git.ok("push") == "origin has everything already\n"
    shutil.rmtree(in_git.root / "d")
    in_git.ok("pull")
    assert read_tree(in_git.root) == files
    assert "all whole" in in_git.ok("fsck", "--data")


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_an_index_that_is_not_whole_is_made_anew_by_the_command_that_is_named(
    place: Workplace, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "INLINE_MAX", 10)
    pushed(place)
    for root in (store_of(place), place.root.parent / "remote"):
        for path in (root / "index").iterdir():
            body = path.read_bytes()
            path.unlink()
            if damage == "flipped":
                path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    for words in (["ls", "d"], ["add", "d"], ["cat", "d/a"], ["gc"]):
        said = place.fails(10, *words)
        assert len(said) == 2, said
        assert said[1].startswith("hint: xver fsck --rebuild-index")
    assert place("fsck").stdout.endswith("xver fsck --rebuild-index makes the indexes anew, and loses nothing\n")
    place.ok("fsck", "--rebuild-index", "--data")
    place.ok("fsck", "--remote", "--rebuild-index", "--data")
    assert place("cat", "d/a").stdout == "11"
    assert place.ok("push") == "origin has everything already\n"

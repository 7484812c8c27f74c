"""What a person loses by accident: the store, an index of it, xver.lock. Each command says what to type."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.workplace import Workplace
from tests.support.repos import read_tree
from tests.support.trees import picture
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
    told = place("fsck", "--rebuild-index", "--repair", "--data", "--json")
    assert json.loads(told.stdout)["damage"] == []
    assert told.stderr.startswith("Indexes made anew: ")
    place.ok("fsck", "--remote", "--rebuild-index", "--data")
    assert place("cat", "d/a").stdout == "11"
    assert place.ok("push") == "origin has everything already\n"


ANEW = "hint: xver restore --staged writes it anew, as HEAD has it, and leaves the disk alone"
READERS = (
    ["status"], ["checkout"], ["checkout", "d"], ["add", "d"], ["rm", "d"], ["commit", "-m", "x"], ["diff"], ["ls"],
    ["pull"], ["fsck"], ["restore", "d"], ["restore", "--source", "HEAD", "d"], ["mv", "d", "f"],
)  # fmt: skip


@pytest.mark.parametrize("folder", ["", "d"])
def test_a_lock_that_is_gone_is_told_and_comes_back_as_it_was(in_git: Workplace, folder: str) -> None:
    pushed(in_git)
    in_git.write(e="staged")
    in_git.ok("add", "e")
    files, lock = read_tree(in_git.root), in_git.read("xver.lock")
    (in_git.root / "xver.lock").unlink()
    back = f"git restore {'../' if folder else ''}xver.lock"
    for words in (*READERS, ["init"]):
        typed = [f"../{word}" if folder and word in ("d", "f") else word for word in words]
        assert in_git.fails(3, *typed, where=folder) == ["error: xver.lock is gone", f"hint: {back}"]
    assert in_git("hook", "follow", where=folder).stderr == f"xver: xver.lock is gone: {back}\n"
    assert (read_tree(in_git.root), (in_git.root / "xver.lock").exists()) == (files, False)
    in_git.git("-C", folder or ".", *back.split()[1:])
    assert in_git.read("xver.lock") == lock
    assert [one["path"] for one in in_git.json("status")["staged"]] == ["e"]


def test_a_lock_that_left_git_s_index_too_comes_back_from_head(in_git: Workplace) -> None:
    pushed(in_git)
    in_git.git("rm", "-q", "xver.lock")
    assert in_git.fails(3, "checkout")[1] == "hint: git checkout HEAD -- xver.lock"
    in_git.git("checkout", "HEAD", "--", "xver.lock")
    assert in_git.ok("status") == "Nothing has changed\n"


def test_who_takes_the_lock_out_of_a_project_takes_the_data_off_the_disk(hooked: Workplace) -> None:
    hooked.save("one", d__a="1")
    hooked.git("rm", "-q", "xver.lock")
    hooked.git("commit", "-qm", "without data")
    assert hooked.ok("status") == "Nothing is tracked yet: xver add PATH\n"
    assert not (hooked.root / "d").exists()
    hooked.git("switch", "-q", "--detach", "HEAD~1")
    assert hooked.read("d/a") == b"1"


def test_without_git_a_lock_that_is_gone_or_damaged_is_made_anew(alone: Workplace) -> None:
    pushed(alone)
    alone.write(e="staged", d__a="edited")
    alone.ok("add", "e")
    files, lock = read_tree(alone.root), alone.read("xver.lock")
    for damage in (b"", b"format = 1\nrepository = ", None):
        (alone.root / "xver.lock").unlink()
        if damage is not None:
            (alone.root / "xver.lock").write_bytes(damage)
        for words in (*READERS, *([["init"]] if damage is None else [])):
            said = alone.fails(3 if damage is None else 10, *words)
            assert (len(said), said[1]) == (2, ANEW)
            assert said[0].startswith("error: xver.lock is gone" if damage is None else "error: xver.lock is damaged: ")
        assert read_tree(alone.root) == files
        assert alone.ok("restore", "--staged") == "xver.lock has again what HEAD has of e\n"
        assert read_tree(alone.root) == files
        assert [one["path"] for one in alone.json("status")["changed"]] == ["d/a"]
        alone.ok("undo")
        assert alone.read("xver.lock") == lock


def test_without_git_and_before_the_first_commit_a_lost_lock_costs_no_file(alone: Workplace) -> None:
    alone.write(d__a="1")
    alone.ok("add", "d")
    (alone.root / "xver.lock").unlink()
    assert alone.fails(3, "checkout")[1] == ANEW
    alone.ok("restore", "--staged")
    assert alone.ok("checkout") == "Everything is as xver.lock says\n"
    assert alone.read("d/a") == b"1"


def test_a_damaged_lock_comes_back_from_the_nearest_version_that_can_be_read(in_git: Workplace) -> None:
    pushed(in_git)
    lock = in_git.read("xver.lock")
    in_git.write(xver_dot_lock="damaged")
    assert in_git.fails(10, "status")[1] == "hint: git restore xver.lock"
    in_git.git("add", "xver.lock")
    assert in_git.fails(10, "status")[1] == "hint: git checkout HEAD -- xver.lock"
    in_git.git("commit", "-qm", "damaged")
    back = in_git.fails(10, "status")[1].removeprefix("hint: git ")
    in_git.git(*back.split())
    assert in_git.read("xver.lock") == lock
    assert in_git.fails(10, "status")[1] == "hint: git commit"
    in_git.git("commit", "-qm", "mended")
    assert in_git.ok("status") == "Nothing has changed\n"
    assert in_git.fails(10, "ls", "--rev", "HEAD~1")[1] == "hint: git log -- xver.lock shows others"


@pytest.mark.parametrize("damage", [None, "resolved by hand"])
def test_a_lock_that_is_lost_in_a_conflict_is_settled_from_git_s_index(in_git: Workplace, damage: str | None) -> None:
    in_git.save("base", d__a="base", d__b="base")
    in_git.git("switch", "-qc", "side")
    in_git.save("theirs", d__b="theirs")
    in_git.git("switch", "-q", "main")
    in_git.ok("checkout")
    in_git.save("ours", d__a="ours")
    in_git.git("merge", "-q", "--no-edit", "side", check=False)
    (in_git.root / "xver.lock").unlink()
    if damage is not None:
        in_git.write(xver_dot_lock=damage)
    assert in_git.fails(10 if damage else 3, "status")[1] == "hint: xver merge"
    in_git.write(d__b="never added")
    assert in_git.fails(9, "merge")[1] == "  d/b"
    assert (in_git.root / "xver.lock").exists() == (damage is not None)
    in_git.write(d__b="base")
    assert in_git.ok("merge") == "Settled xver.lock: git commit\n"
    assert picture(in_git.root) == {"d/a": b"ours", "d/b": b"theirs"}


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_path_that_git_s_merge_by_text_names_twice_is_merged_anew(in_git: Workplace, *, is_committed: bool) -> None:
    in_git.save("base", d__a="base", d__b="base", d__c="base", e="base")
    in_git.git("switch", "-qc", "side")
    in_git.save("theirs", d__b="theirs")
    theirs = in_git.read("xver.lock")
    in_git.git("switch", "-q", "main")
    in_git.ok("checkout")
    in_git.save("ours", d__a="ours")
    in_git.git("merge", "-q", "-s", "ours", "--no-commit", "side")
    more = theirs[theirs.index(b"\n# d") :]
    (in_git.root / "xver.lock").write_bytes(in_git.read("xver.lock").removesuffix(b"\n# end\n") + more)
    in_git.git("add", "xver.lock")
    if is_committed:
        in_git.git("commit", "-qm", "joined")
    for words in (["status"], ["checkout"], ["add", "e"]):
        said = in_git.fails(10, *words)
        assert ("again" in said[0], said[1]) == (True, "hint: xver merge")
    assert in_git.ok("merge") == "Settled xver.lock: git commit\n"
    in_git.git("commit", "-qm", "merged")
    assert in_git.ok("status") == "Nothing has changed\n"
    assert picture(in_git.root) == {"d/a": b"ours", "d/b": b"theirs", "d/c": b"base", "e": b"base"}
    assert in_git.fails(2, "merge")[0] == "error: git has no conflict in xver.lock"


def test_damaged_settings_are_corrected_by_hand(place: Workplace) -> None:
    place.write(xver_dot_toml="[remotes")
    said = place.fails(2, "remote", "list")
    assert said[0].startswith("error: xver.toml cannot be read: ")
    assert said[1] == "hint: correct xver.toml at the top of the repository"


@pytest.mark.parametrize("text", ["<<<<<<< ours\n=======\n>>>>>>> theirs\n", "damaged\n"])
def test_a_lock_that_was_committed_by_mistake_ends_nothing_of_what_came_before_and_after(
    in_git: Workplace, text: str
) -> None:
    first = in_git.save("one", d__a="1")
    in_git.write(xver_dot_lock=text)
    in_git.git("add", "xver.lock")
    in_git.git("commit", "-qm", "by mistake")
    in_git.git("checkout", first, "--", "xver.lock")
    in_git.git("commit", "-qm", "mended")
    in_git.save("two", d__b="2")
    in_git.ok("remote", "add", "origin", "../remote")
    assert in_git.ok("push").startswith("Pushed main")
    assert in_git.ok("push", "--verify")
    assert [one["message"] for one in in_git.json("log", "d")] == ["two", "mended", "by mistake", "one"]
    typed = "log --graph, show, show HEAD~1, blame d, du, lineage d/b, fsck --data, gc --now, purge -n d/a"
    for words in (*typed.split(", "), "forget --older-than 1d"):
        assert in_git(*words.split()).returncode == 0, words
    in_git.ok("clone", "../remote", "../copy")
    assert picture(in_git.root.parent / "copy") == {"d/a": b"1", "d/b": b"2"}
    assert in_git.fails(10, "ls", "--rev", "HEAD~2") == [
        "error: HEAD~2 cannot be read: xver.lock "
        + ("has merge conflicts" if "<" in text else "is damaged: line 1 is 'damaged'"),
        "hint: git log -- xver.lock shows others",
    ]


def test_what_was_lost_and_never_pushed_is_named_by_the_repair_and_is_no_success(alone: Workplace) -> None:
    packs = store_of(pushed(alone)) / "packs"
    before = set(packs.iterdir())
    alone.save("never pushed", fresh__x="nobody else has this " * 40)
    for pack in set(packs.glob("*.data")) - before:
        pack.unlink()
    shutil.rmtree(alone.root / "fresh")
    done = alone("fsck", "--repair")
    assert done.returncode == 1
    assert "fresh/x was damaged, and nobody who was asked has it" in done.stdout
    assert "1 problem" in done.stdout

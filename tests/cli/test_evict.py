"""What a person sees who frees disk space."""

from __future__ import annotations

import random
import re

from tests.cli.workplace import Workplace

BIG = random.Random(5).randbytes(300_000)


def test_evict_frees_what_was_pushed_and_cat_and_pull_bring_it_back(in_git: Workplace) -> None:
    in_git.ok("remote", "add", "origin", "../remote")
    in_git.save("one", d__a=BIG, e="1")
    assert in_git.fails(4, "evict", "--all") == ["error: nothing was pushed to origin yet", "hint: xver push"]
    in_git.ok("push")
    assert re.fullmatch(r"Would free 300 kB of 30. kB: origin keeps it\n", in_git.ok("evict", "--all", "-n"))
    assert re.fullmatch(r"Freed 300 kB of 30. kB: origin keeps it\n", in_git.ok("evict", "--all"))
    assert in_git.json("evict", "--all")["freed"] == 0
    assert in_git.ok("status") == "Nothing has changed\n"
    shown = in_git("cat", "e")
    assert shown == (0, "1", "reading from origin: not all of this is here\n")
    (in_git.root / "d" / "a").unlink()
    assert in_git.fails(3, "checkout")[1] == "hint: xver pull"
    in_git.ok("pull")
    assert in_git.read("d/a") == BIG
    assert ": all whole" in in_git.ok("fsck", "--data")


def test_evict_to_a_size_says_when_that_cannot_be(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("one", d__a=BIG)
    alone.ok("push")
    alone.save("two", d__b=BIG[::-1])
    done = alone("evict", "--to", "1kB")
    assert done.returncode == 0
    assert re.fullmatch(r"Freed 300 kB of 60. kB: origin keeps it\n", done.stdout)
    assert re.fullmatch(r"warning: 30. kB stay: that is metadata, what origin does not hold, .*\n", done.stderr)


def test_evict_has_to_be_told_what(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    hint = "hint: xver evict --to 50GB, xver evict PATH, or xver evict --all"
    assert alone.fails(2, "evict") == ["error: what is to go?", hint]
    assert alone.fails(2, "evict", "--to", "much")[0] == "error: no size: 'much'"


def test_evict_of_a_wrong_word_says_so(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("one", d__a=BIG)
    alone.ok("push")
    error = ["error: none is not tracked, and nothing of it can go", "hint: xver ls shows what is"]
    assert alone.fails(3, "evict", "none") == error
    assert alone.ok("evict", "d/a").startswith("Freed 300 kB")
    assert alone.ok("evict", "d/a").startswith("Nothing to free")


def test_evict_to_a_size_goes_there_where_it_can(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("one", **{f"d__{number}": random.Random(number).randbytes(400) for number in range(1000)})
    alone.ok("push")
    size = alone.json("evict", "--all", "-n")["before"]
    # Half of the files, without what a pack tells of each: less than half of the pack.
    for share in (0.55, 0.5, 0.45, 0.3):
        limit = int(size * share)
        done = alone("evict", "--to", f"{limit}B", "--json")
        assert (done.returncode, done.stderr) == (0, ""), share

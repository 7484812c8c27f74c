"""The commands of the sparse profile, beside git and without it."""

from __future__ import annotations

import json

from tests.support.trees import picture

from .workplace import Workplace


def test_a_profile_is_set_shown_and_left(place: Workplace) -> None:
    place.save("one", d__a="1", d__b="2", e="3")
    assert place.ok("sparse", "list") == "Everything is wanted on this disk\n"
    assert json.loads(place.ok("sparse", "list", "--json")) == {"paths": None}
    assert place.ok("sparse", "set", "d/a") == "Only 1 path wanted on this disk: 0 files written (0 B), 2 removed\n"
    assert picture(place.root) == {"d/a": b"1"}
    found = place.json("status")
    assert (found["clean"], found["sparse"]) == (True, ["d/a"])
    assert place.ok("status") == "Only 1 path wanted on this disk  (xver sparse list)\nNothing has changed\n"
    place.ok("sparse", "add", "e")
    assert place.ok("sparse", "list") == "d/a\ne\n"
    assert place.ok("sparse", "off") == "Everything wanted on this disk: 1 file written (1 B), 0 removed\n"
    assert place.ok("status") == "Nothing has changed\n"


def test_a_new_path_outside_of_the_profile_is_told(place: Workplace) -> None:
    place.save("one", d__a="1")
    place.ok("sparse", "set", "d")
    place.write(f="new")
    assert "f lies outside of the sparse profile: xver sparse add f" in place("add", "f").stderr


def test_git_s_hooks_bring_what_is_wanted(hooked: Workplace) -> None:
    hooked.save("one", d__in="1", d__out="1", e="1")
    hooked.git("checkout", "-q", "-b", "side")
    hooked.save("two", d__in="2", d__out="2", e="2")
    hooked.ok("sparse", "set", "d/in")
    hooked.git("checkout", "-q", "main")
    assert hooked.read("d/in") == b"1"
    hooked.write(d__in="3")
    hooked.ok("add", "d")
    hooked.git("commit", "-q", "-m", "three")
    hooked.git("checkout", "-q", "side")
    assert {path for path in picture(hooked.root) if not path.startswith(".")} == {"d/in"}
    hooked.ok("sparse", "off")
    hooked.git("checkout", "-q", "main")
    assert [hooked.read(path) for path in ("d/in", "d/out", "e")] == [b"3", b"1", b"1"]

"""Where files came from and what they cost, as it is typed: blame, du."""

from __future__ import annotations

import random

from .workplace import Workplace


def blamed(place: Workplace, *words: str) -> dict[str, str]:
    return {one["path"]: one["version"]["message"] for one in place.json("blame", *words)}


def test_blame(place: Workplace) -> None:
    place.save("first", d__a="1", d__s__x="1", e="1")
    place.save("second", d__a="2", d__b="2")
    place.save("third", d__s__x="3", e="3")
    place.ok("rm", "d/b")
    place.ok("commit", "-m", "fourth")
    place.save("fifth", d__a="1")
    assert blamed(place, "d") == {"d/a": "fifth", "d/s/x": "third"}
    assert blamed(place, ".") == {"d/a": "fifth", "d/s/x": "third", "e": "third"}
    assert blamed(place, "d", "--rev", "HEAD~2") == {"d/a": "second", "d/b": "second", "d/s/x": "third"}
    assert blamed(place, "d/s", "--rev", "HEAD~3") == {"d/s/x": "first"}
    assert blamed(place, "e", "-r", "HEAD~3") == {"e": "first"}
    assert place.ok("blame", "e").startswith("<id>  <date>  ")
    assert place.fails(3, "blame", "none")[0] == "error: none is not in HEAD"
    assert place.fails(3, "blame", "d/b")[0] == "error: d/b is not in HEAD"
    assert len(place.fails(3, "blame", "d", "-r", "nope")) == 2


def test_blame_goes_into_the_side_a_file_came_from(alone: Workplace) -> None:
    alone.save("base", d__a="1", d__b="1", d__c="1")
    alone.ok("switch", "-c", "side")
    alone.save("theirs", d__a="2", d__new="2")
    alone.ok("switch", "main")
    alone.save("ours", d__b="3")
    alone.ok("merge", "side")
    assert blamed(alone, "d") == {"d/a": "theirs", "d/b": "ours", "d/c": "base", "d/new": "theirs"}


def test_blame_before_the_first_version(place: Workplace) -> None:
    assert len(place.fails(3, "blame", "d")) == 2


def test_du(place: Workplace) -> None:
    noise = [random.Random(number).randbytes(20_000) for number in range(3)]
    place.save("first", d__a=noise[0], d__b=noise[1], e="e")
    place.save("second", d__a=noise[2])
    place.ok("rm", "e")
    place.ok("commit", "-m", "third")
    now = {one["path"]: one for one in place.json("du")}
    assert set(now) == {"d"}
    assert now["d"]["size"] == 40_000
    assert 40_000 < now["d"]["stored"] < 41_000
    assert now["d"]["shared"] == now["d"]["stored"], "the version before has the same"
    before = {one["path"]: one for one in place.json("du", "--rev", "HEAD~2")}
    assert (before["d"]["size"], before["e"]["size"]) == (40_000, 1)
    assert 20_000 <= before["d"]["shared"] < 20_500 < 40_000 < before["d"]["stored"]
    assert place.json("du", "e", "-r", "HEAD~1")[0]["stored"] == 1
    assert place.json("du", "d/b")[0] == {"path": "d/b", "size": 20_000, "stored": 20_000, "shared": 20_000}
    lines = place.ok("du", "--rev", "HEAD~2").splitlines()
    assert [line.split()[-1] for line in lines] == ["path", "d", "e", "total"]
    assert lines[3].split()[:2] == ["40", "kB"]
    assert place.fails(3, "du", "none")[0] == "error: none is not tracked"

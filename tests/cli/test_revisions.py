"""Revisions as they are typed: what a run made, and where one was before."""

from __future__ import annotations

import json

from .workplace import Workplace


def last_run(place: Workplace) -> str:
    """Return the name of the newest run."""
    return str(json.loads(place("runs", "list", "--json").stdout)[0]["name"])


def test_a_run_is_a_version(place: Workplace) -> None:
    place.save("one", out__a="1", d__x="x")
    place.ok("run", "--", "python", "-c", "open('out/a', 'w').write('2')")
    name = last_run(place)
    place.write(out__a="3")
    place.ok("add", "out")
    assert place.ok("cat", "out/a", "--rev", f"run:{name}") == "2"
    assert place.ok("ls", f"run:{name}:out") == "out/a\n"
    assert place.json("show", f"run:{name}")["message"] == "one"
    place.ok("restore", "--source", f"run:{name}", "out")
    assert place.read("out/a") == b"2"
    place.ok("commit", "-m", "what it made")
    assert place.json("show", f"run:{name}")["message"] == "what it made"
    place.save("after", d__y="y")
    assert [one["message"] for one in place.json("log", f"run:{name}")] == ["what it made", "one"]
    assert place.fails(3, "show", "run:no-such-run")[0] == "error: no run is called no-such-run"


def test_of_a_forgotten_run_no_other_version_is_taken_for_what_it_made(place: Workplace) -> None:
    place.save("one", out__a="1", d__x="x")
    place.ok("run", "--", "python", "-c", "open('out/a', 'w').write('2')")
    name = last_run(place)
    place.ok("forget", "--runs", name)
    for words in (["cat", "out/a", "--rev", f"run:{name}"], ["ls", f"run:{name}:"]):
        assert place.fails(5, *words)[1].endswith(f"made of out is not kept: xver runs show {name}")


def test_a_run_before_the_first_commit_has_what_it_made_and_no_commit(place: Workplace) -> None:
    place.write(out__a="1")
    place.ok("add", "out")
    place.ok("run", "--", "python", "-c", "open('out/a', 'w').write('2')")
    name = last_run(place)
    assert place.ok("cat", "out/a", "--rev", f"run:{name}") == "2"
    assert place.fails(3, "show", f"run:{name}")[0].endswith(
        "began before there was a commit, and what it made is in none"
    )


def test_where_one_was_before_outside_git(alone: Workplace) -> None:
    alone.save("one", d__a="1")
    assert alone.fails(3, "show", "@{-1}")[0] == "error: @{-1} is where you were before, and there was no such place"
    alone.ok("switch", "-c", "feature")
    alone.save("two", d__a="2")
    assert alone.json("show", "@{-1}")["message"] == "one"
    alone.ok("switch", "-")
    assert alone.ok("branch").splitlines()[1].startswith("* main")
    assert alone.json("show", "@{-1}")["message"] == "two"
    assert alone.json("show", "@{-1}~1")["message"] == "one"
    alone.ok("switch", "@{-1}")
    assert alone.ok("branch").splitlines()[0].startswith("* feature")

"""`xver gc` as a person sees it: what it would do, what it did, and what it says of what stays."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.workplace import Workplace
from tests.support.repos import write_tree


def scratched(place: Workplace) -> None:
    for data in (b"one" * 9000, b"two" * 9000):
        write_tree(place.root, {"scratch/x": data})
        place.ok("add", "scratch")


def test_dry_run_tells_and_gc_does(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "r", tmp_path, git=True)
    scratched(place)
    said = place.ok("gc", "--dry-run", "--now")
    assert said.startswith("Would free ")
    report = json.loads(place.ok("gc", "-n", "--now", "--json"))
    assert report["bytes"] > 0
    assert report["losing"] == []
    done = json.loads(place.ok("gc", "--now", "--json"))
    assert done["deleted"] >= report["bytes"] > 0
    assert place.ok("gc", "--now").startswith("Freed 0 B here")
    place.ok("fsck")


def test_what_is_young_is_said_to_stay(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "r", tmp_path, git=True)
    scratched(place)
    assert "too young to be sure of: xver gc --now" in place.ok("gc")


def test_at_a_remote(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "r", tmp_path, git=True)
    scratched(place)
    place.ok("remote", "add", "origin", "../bucket")
    place.ok("commit", "-m", "one")
    place.ok("push")
    assert "at origin" in place.ok("gc", "--remote")
    assert "at origin" in place.ok("gc", "--remote", "origin", "-n")
    assert place("gc", "--remote", "nowhere").returncode == 3


def test_what_is_needed_is_not_called_too_young(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "r", tmp_path, git=True)
    place.ok("remote", "add", "origin", "../bucket")
    place.save("one", d__a="a", d__b="b" * 9000)
    place.ok("push")
    assert place.ok("gc") == "Freed 0 B here: 0 packs removed\n"
    assert place.ok("gc", "--remote") == "Freed 0 B at origin: 0 packs removed\n"


def test_the_way_to_free_what_is_young_at_a_remote_names_the_remote(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "r", tmp_path, git=True)
    place.ok("remote", "add", "origin", "../bucket")
    place.save("one", d__a="a" * 90_000)
    place.ok("push")
    place.save("two", d__a="b" * 90_000)
    place.ok("push")
    place.ok("forget", "--remote", "origin", "HEAD~1")
    assert place.ok("gc", "--remote").splitlines()[1].endswith(": xver gc --remote origin --now takes them too")
    freed = place.ok("gc", "--remote", "origin", "--now")
    assert not freed.startswith("Freed 0 B")

"""`xver remote move` as it is typed, and what those see who still use the old address."""

from __future__ import annotations

from .workplace import Workplace


def test_a_move_and_those_who_follow(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("first", d__a="1")
    alone.ok("push")
    alone.ok("clone", "../remote", "../copy")
    lines = alone.ok("remote", "move", "origin", "../moved").splitlines()
    new = str(alone.root.parent / "moved")
    assert lines[0].startswith(f"Moved origin to {new}  2 packs  ")
    assert lines[1:] == ["Commit xver.toml, so that others follow"]
    alone.save("second", d__a="2")
    alone.ok("push")
    copy = Workplace.__new__(Workplace)
    copy.root, copy.environment = alone.root.parent / "copy", alone.environment
    done = copy("fetch")
    assert (done.returncode, done.stderr) == (
        0,
        f"warning: origin has moved to {new}: xver remote set-url origin {new}\n",
    )
    copy.save("mine", d__b="3")
    told = copy.fails(7, "push")
    assert told[0].endswith(f"has moved to {new}")
    assert told[1] == f"hint: xver remote set-url origin {new}"
    copy.ok("remote", "set-url", "origin", new)
    copy.ok("pull")
    copy.ok("push")
    assert len(copy.json("log")) == 4

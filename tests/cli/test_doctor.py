"""What `xver doctor` says of a machine and a repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .workplace import Workplace


def found(place: Workplace, code: int = 0) -> dict[str, Any]:
    done = place("doctor", "--json")
    assert (done.returncode, done.stderr) == (code, "")
    return {one["check"]: (one["ok"], one["found"], one["hint"]) for one in json.loads(done.stdout)}


def test_a_repository_in_order(place: Workplace, tmp_path: Path) -> None:
    place.save("one", d__a="1", d__b="2")
    place.ok("remote", "add", "origin", str(tmp_path / "remote"))
    place.ok("push")
    before = sorted((tmp_path / "remote").rglob("*"))
    # git does not find xver in these tests.
    answers = found(place, 1 if (place.root / ".git").exists() else 0)
    assert answers["file system"][1].endswith("atomic creates work")
    assert answers["hashing"][1].endswith("GB/s on one thread")
    assert answers["link mode"][1] in ("copies", "large files are cloned")
    assert answers["index"][1].endswith("pack indexes; stats of 1 tracked path")
    assert "round trip" in answers["remote origin"][1]
    assert sorted((tmp_path / "remote").rglob("*")) == before
    assert not [one for one in place.root.iterdir() if "doctor" in one.name]


def test_a_remote_whose_address_was_changed(alone: Workplace, tmp_path: Path) -> None:
    alone.save("one", d__a="1")
    alone.ok("remote", "add", "origin", str(tmp_path / "remote"))
    text = alone.read("xver.toml").decode().replace(str(tmp_path / "remote"), "sftp://nobody@localhost:1/x")
    (alone.root / "xver.toml").write_text(text)
    ok, _, hint = found(alone, 1)["remote origin"]
    assert (ok, bool(hint)) == (False, True)


def test_hooks_and_drivers(hooked: Workplace) -> None:
    assert found(hooked)["beside git"] == (True, "hooks, merge driver and diff driver are installed", "")
    (hooked.root / ".git/hooks/pre-push").unlink()
    hooked.git("config", "merge.xver.driver", "other")
    said = "missing or of another version: pre-push, merge.xver.driver"
    assert found(hooked, 1)["beside git"] == (False, said, "xver install")
    hooked.ok("install")
    assert found(hooked)["beside git"][0]
    hooked.ok("install", "--uninstall")
    assert found(hooked)["beside git"][2] == "xver install"

"""`xver add` as it is typed: what it would do, what rules leave out, and files that cannot be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.trees import not_root, picture, posix
from xver.repo import open_repo
from xver.versioning.tracking import add

from .workplace import Workplace, plain

WEAK = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]
"""Root without the rights that let it read everything."""


def test_a_dry_run_says_what_an_add_would_do_and_writes_nothing(place: Workplace) -> None:
    place.save("one", d__a="1", d__s__b="2", d__c="3")
    place.write(d__a="11", d__s__new="!!!", free__x="4444", d__y_dot_log="5", f="6", **{".xverignore": "*.log\n"})
    (place.root / "d/c").unlink()
    before, own = picture(place.root), states(place)
    assert place.ok("add", "-n", "d", "free") == (
        " modified d/a  2 B\n deleted  d/c  1 B\n added    d/s/new  3 B\n added    free/x  4 B\n"
        "Would add 2 files (7 B), change 1, remove 1\n"
    )
    assert place.ok("add", "--dry-run", "d/s") == " added    d/s/new  3 B\nWould add 1 file (3 B), change 0, remove 0\n"
    assert place.ok("add", "-n", "-f", "f") == " added    f  1 B\nWould add 1 file (1 B), change 0, remove 0\n"
    assert place.fails(2, "add", "-n", "gone")[0] == "error: there is no gone"
    assert (picture(place.root), states(place)) == (before, own)
    place.ok("add", "d", "free", "f")
    assert place.ok("add", "-n", "d", "free", "f") == "Nothing would change\n"


def states(place: Workplace) -> dict[str, bytes]:
    """Every file of the repository's own, but what a mere look may keep."""
    places = open_repo(place.root).places
    files = [one for one in places.shared.rglob("*") if one.is_file() and one.name not in ("stat-index", "lock")]
    files += [one for one in (place.root / "xver.lock", place.root / ".gitignore") if one.exists()]
    return {str(one): one.read_bytes() for one in files}


def test_a_dry_run_refuses_what_an_add_refuses(alone: Workplace) -> None:
    alone.save("one", d__a="1")
    alone.write(d__x_dot_log="2", **{".xverignore": "*.log\n"})
    refused = [
        "error: a rule of .xverignore leaves d/x.log out",
        "hint: xver add -f d/x.log adds it all the same",
    ]
    assert alone.fails(2, "add", "d/x.log") == alone.fails(2, "add", "-n", "d/x.log") == refused
    assert alone.ok("add", "-n", "-f", "d/x.log").splitlines()[0] == " added    d/x.log  1 B"
    assert alone.ok("add", "-f", "d/x.log").startswith("Added d  2 files")
    for words in (["-n", "s3://bucket/a", "--as", "b"], ["-f", "elsewhere", "--as", "b"]):
        assert alone.fails(2, "add", *words)[0] == "error: -n and -f are for what lies in this work tree"


@posix
def test_a_dry_run_tells_what_an_add_would_leave_out_or_refuse(alone: Workplace) -> None:
    alone.write(d__a="1", d__s__b="2")
    os.mkfifo(alone.root / "d" / "pipe")
    left_out = "warning: d/pipe is no file, link or folder, and would be left out\n"
    assert alone("add", "-n", "d").stderr == left_out
    alone.ok("add", "d")
    assert alone("add", "-n", "d").stderr == left_out
    assert alone("add", "-n", "d/s").stderr == ""
    try:
        (alone.root / "d" / os.fsdecode(b"\xff")).touch()
    except OSError:
        pytest.skip("this file system has no such names")
    assert alone.fails(2, "add", "-n", "d") == alone.fails(2, "add", "d")


def typed(place: Workplace, *words: str) -> tuple[int, str, list[str]]:
    """Run xver as a process that may not read everything."""
    if not_root.args[0] and (sys.platform != "linux" or shutil.which("setpriv") is None):
        pytest.skip("root reads everything, and nothing here takes that right away")
    command = [*(WEAK if not_root.args[0] else []), sys.executable, "-m", "xver", *words]
    done = subprocess.run(
        command, cwd=place.root, env=place.environment, capture_output=True, encoding="utf-8", check=False
    )
    return done.returncode, plain(done.stdout), [plain(line) for line in done.stderr.splitlines()]


@posix
def test_what_cannot_be_read_is_named_and_all_else_is_added(alone: Workplace) -> None:
    alone.save("one", d__a="1", d__b="2", d__s__x="3")
    alone.write(d__a="11", d__b="9", d__new="4", d__s__x="33", e__y="5")
    closed = [alone.root / name for name in ("d/b", "d/new", "d/s", "e")]
    for one in closed:
        one.chmod(0)
    try:
        assert typed(alone, "add", "d", "e") == (
            16,
            "Added d  3 files  4 B  (<new>)  in <time>\n",
            [
                "error: 4 paths could not be read; all else is added",
                "  d/b  permission denied",
                "  d/new  permission denied",
                "  d/s  permission denied",
                "  e  permission denied",
                "hint: correct the rights or the name, or leave it out with .xverignore; then add it again",
            ],
        )
        code, lines, warnings = typed(alone, "status")
        assert (code, warnings) == (
            0,
            [
                "warning: d/b cannot be read, and may have changed: permission denied",
                "warning: d/s cannot be read, and may have changed: permission denied",
            ],
        )
        assert lines.splitlines()[-3:] == [
            "Changed on the disk  (xver add to keep, xver checkout to undo)",
            " modified d/b  1 B",
            " added    d/new  1 B",
        ]
        assert typed(alone, "commit", "-m", "two")[0] == 0
    finally:
        for one in closed:
            one.chmod(0o700)
    assert [one["path"] for one in alone.json("status")["changed"]] == ["d/b", "d/new", "d/s/x"]
    alone.ok("add", "d", "e")
    assert alone.json("status")["unreadable"] == []


def test_workers_name_what_cannot_be_read_as_well(alone: Workplace) -> None:
    alone.save("one", d__a="1", d__b="2")
    alone.write(d__a="11", d__b="22", d__new="3")
    closed = [alone.root / name for name in ("d/b", "d/new")]
    for one in closed:
        one.chmod(0)
    code, lines, errors = typed(alone, "add", "--executor", "threads:1", "d")
    assert (code, lines) == (16, "Added d  2 files  3 B  (<new>)  in <time>\n")
    assert errors[1:3] == ["  d/b  permission denied", "  d/new  permission denied"]
    for one in closed:
        one.chmod(0o600)
    repo = open_repo(alone.root)
    assert add(repo, ["d"]).added[0].entry.size == 5

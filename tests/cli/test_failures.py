"""What each error prints, and its exit code."""

from __future__ import annotations

import errno
import inspect
import re
from pathlib import Path

import click
import pytest

from tests.support.captured import Captured
from xver import errors
from xver.cli.failures import EXIT_CODES, exit_code, exit_rows, report
from xver.errors import (
    CommandFailed,
    DirtyWorktree,
    Incomplete,
    InvalidInput,
    MergeConflict,
    NotFound,
    RefConflict,
    StorageError,
    XverError,
)

SCRIPTING = Path(__file__).parents[2] / "docs" / "scripting.md"


def explain(error: BaseException, *, debug: bool = False) -> tuple[int, list[str]]:
    captured = Captured(colour=False)
    captured.out.debug = debug
    code = report(error, captured.out)
    assert captured.stdout == b""
    return code, captured.stderr.decode().splitlines()


def test_every_error_class_has_a_row() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, XverError)}
    assert set(EXIT_CODES) == classes


def test_the_documented_exit_codes_are_those() -> None:
    text = SCRIPTING.read_text(encoding="utf-8").partition("## Exit codes")[2]
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    assert [(int(code), name, meaning) for code, name, meaning in rows] == list(exit_rows())


def test_damage_without_a_hint_of_its_own_leads_to_the_check() -> None:
    code, lines = explain(errors.CorruptData("object b3:00 is damaged"))
    assert (code, lines[0]) == (10, "error: object b3:00 is damaged")
    assert lines[1].startswith("hint: xver fsck --data ")


def test_codes_are_such_as_shells_leave_to_programs() -> None:
    assert all(2 <= code < 64 for code in EXIT_CODES.values())
    codes = {code for code, _, _ in exit_rows()}
    assert {0, 1, 70, 71, 130, 141} <= codes


def test_the_most_specific_row_counts() -> None:
    class Throttled(errors.TransientStorageError):
        pass

    assert exit_code(Throttled("slow down")) == EXIT_CODES[errors.TransientStorageError] != EXIT_CODES[StorageError]


def test_an_error_is_two_lines() -> None:
    assert explain(NotFound("no dataset named data/rwa", hint="did you mean data/raw?")) == (
        3,
        ["error: no dataset named data/rwa", "hint: did you mean data/raw?"],
    )
    assert explain(NotFound("no such thing")) == (3, ["error: no such thing"])


def test_a_name_can_neither_forge_a_line_nor_drive_the_terminal() -> None:
    code, lines = explain(InvalidInput("bad path a\nhint: rm -rf\x1b[2J\udcff", hint="xver add 'a\nb'"))
    assert code == 2
    assert lines == [r"error: bad path a\nhint: rm -rf\x1b[2J\xff", r"hint: xver add 'a\nb'"]


def test_failures_are_listed_up_to_twenty() -> None:
    def shown(number: int) -> list[str]:
        return explain(Incomplete("not all pushed", [f"file {n}" for n in range(number)], hint="xver push"))[1]

    assert shown(2) == ["error: not all pushed", "  file 0", "  file 1", "hint: xver push"]
    assert shown(20)[-2:] == ["  file 19", "hint: xver push"]
    assert shown(1234)[-3:] == ["  file 19", "  and 1,214 more", "hint: xver push"]
    assert len(shown(1234)) == 23


def test_conflicts_list_their_paths() -> None:
    assert explain(DirtyWorktree("2 files would be lost", ["a", "b\nc"])) == (
        9,
        ["error: 2 files would be lost", "  a", r"  b\nc"],
    )
    assert explain(MergeConflict(["a", "b"]))[1][1:] == ["  a", "  b"]
    assert explain(RefConflict("main", expected=None, actual="b3:1"))[0] == 7


def test_what_a_program_printed_keeps_its_lines() -> None:
    assert explain(CommandFailed("git failed:\nfatal: no\r\n\x1b[31mred\n", status=128)) == (
        15,
        ["error: git failed:", "  fatal: no", r"  \x1b[31mred"],
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "error: no space left on device: /data/x"),
        (PermissionError(errno.EACCES, "Permission denied", b"/a\xff"), r"error: permission denied: /a\xff"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "error: invalid cross-device link: a -> b"),
        (TimeoutError(), "error: TimeoutError"),
        (MemoryError(), "error: out of memory"),
    ],
)
def test_the_machine_refuses(error: BaseException, line: str) -> None:
    code, lines = explain(error)
    assert (code, lines[0]) == (71, line)
    assert len(lines) <= 2


def test_a_full_disk_says_what_to_do() -> None:
    assert explain(OSError(errno.ENOSPC, "No space left on device"))[1][1].startswith("hint: free some space")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_place_that_may_not_be_written_says_what_to_do(number: int) -> None:
    assert explain(OSError(number, "No", "/data/x"))[1][1].startswith("hint: correct its rights, or work in a folder")


def test_a_name_that_is_too_long_says_how_long_one_may_be() -> None:
    code, lines = explain(OSError(errno.ENAMETOOLONG, "File name too long", "/data/x"))
    assert (code, lines[0]) == (71, "error: file name too long: /data/x")
    assert lines[1].startswith("hint: choose a shorter one: ")


def test_a_bug_is_one_line_until_asked() -> None:
    def fail() -> None:
        raise ZeroDivisionError("one\ntwo")

    with pytest.raises(ZeroDivisionError) as caught:
        fail()
    code, lines = explain(caught.value)
    assert code == 70
    assert lines[0] == r"error: internal error: ZeroDivisionError: one\ntwo"
    assert "--debug" in lines[1]
    code, lines = explain(caught.value, debug=True)
    assert code == 70
    assert lines[0] == "Traceback (most recent call last):"
    assert any('raise ZeroDivisionError("one' in line for line in lines)
    assert lines[-2].startswith("error: internal error")


def test_debug_shows_causes_and_stays_harmless() -> None:
    error = StorageError("the bucket refused")
    error.__cause__ = ValueError("\x1b[2J")
    code, lines = explain(error, debug=True)
    assert code == 12
    assert r"ValueError: \x1b[2J" in lines
    assert lines[-1] == "error: the bucket refused"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt(error: BaseException) -> None:
    assert explain(error) == (130, ["interrupted"])


def test_a_reader_that_left_is_told_nothing() -> None:
    assert explain(BrokenPipeError(errno.EPIPE, "Broken pipe")) == (141, [])


def test_an_end_of_file_is_no_interrupt() -> None:
    assert explain(EOFError("truncated"))[0] == 70

"""How a command that fails ends: two lines on stderr and an exit code.

    error: data/raw has changes that are not added     what is wrong, in one line
      data/raw/img_00042.jpg                           what it is about, where the error lists it
    hint: xver add data/raw                            the next command to type

The exit code comes from the one table `EXIT_CODES`, by the most specific class that has a row;
docs/scripting.md prints the same table.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

import click

from xver.cli.human import count
from xver.cli.output import Output, Styled
from xver.errors import (
    AlreadyExists,
    Changing,
    Collected,
    CommandFailed,
    Conflict,
    ContentNotFound,
    CorruptData,
    DirtyWorktree,
    ForeignChanged,
    HasMoved,
    Incomplete,
    InvalidInput,
    Locked,
    MergeConflict,
    NotFound,
    Overtaken,
    Purged,
    RefConflict,
    RefNotFound,
    RepositoryNotFound,
    RevisionNotFound,
    RunNotFound,
    StorageError,
    TransientStorageError,
    Unreadable,
    UnsupportedFormat,
    WorkersFailed,
    XverError,
)

DONE: Final = 0
NO: Final = 1
USAGE: Final = 2
INTERNAL: Final = 70
SYSTEM: Final = 71
INTERRUPTED: Final = 130
NOBODY_READS: Final = 141

EXIT_CODES: Final[dict[type[XverError], int]] = {
    InvalidInput: USAGE,
    Unreadable: USAGE,
    NotFound: 3,
    RefNotFound: 3,
    RevisionNotFound: 3,
    RunNotFound: 3,
    RepositoryNotFound: 4,
    ContentNotFound: 5,
    ForeignChanged: 5,
    Purged: 18,
    AlreadyExists: 6,
    Conflict: 7,
    Changing: 7,
    RefConflict: 7,
    Overtaken: 7,
    Collected: 7,
    HasMoved: 7,
    MergeConflict: 8,
    DirtyWorktree: 9,
    CorruptData: 10,
    UnsupportedFormat: 11,
    StorageError: 12,
    TransientStorageError: 13,
    Locked: 14,
    CommandFailed: 15,
    Incomplete: 16,
    XverError: 17,
    WorkersFailed: 19,
}

_OTHER_CODES: Final = (
    (DONE, "done", "The command did what was asked, or the answer is yes."),
    (NO, "no", "The command worked and the answer is no: there are differences, a check did not hold."),
    (USAGE, "usage", "The command line cannot be read."),
    (INTERNAL, "internal error", "A bug in xver; `--debug` shows where."),
    (SYSTEM, "system", "The machine refused: no space, no permission, no memory."),
    (INTERRUPTED, "interrupted", "Ctrl-C. What was done is kept; the command goes on from there when it is repeated."),
    (NOBODY_READS, "nobody reads", "The reader of the output wanted no more, as `head` does."),
)
_SHOWN: Final = 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class UnknownCommand(click.UsageError):
    """No command has that name; `nearest` are those that look like it."""

    def __init__(self, name: str, nearest: Sequence[str], *, ctx: click.Context) -> None:
        super().__init__(f"no such command {name}", ctx=ctx)
        self.name = name
        self.nearest = nearest


def report(error: BaseException, out: Output) -> int:
    """Tell the user what went wrong and return the exit code of the process."""
    settle(out)
    if isinstance(error, BrokenPipeError):
        out.abandon()
        return NOBODY_READS
    if isinstance(error, KeyboardInterrupt | click.Abort):
        if out.on_terminal:
            out.complain()  # the terminal has shown ^C on this line
        out.complain("interrupted")
        return INTERRUPTED
    if out.debug:
        import traceback

        for block in traceback.format_exception(error):
            for line in block.splitlines():
                out.complain(line)
    message, hint = _explain(error)
    # Only what a program printed has lines of its own: elsewhere a line end is part of some name, and stays visible.
    first, *rest = _lines(message) if isinstance(error, CommandFailed | click.ClickException) else [message]
    out.complain(Styled("error:", "bad"), " ", first)
    for line in (*rest, *_listed(error)):
        out.complain("  ", line)
    if hint:
        out.complain(Styled("hint:", "strong"), " ", hint)
    return exit_code(error)


def settle(out: Output) -> None:
    """Write what is still held back for stdout, so that the error comes after it; a stdout that fails is given up."""
    try:
        out.flush()
    except OSError:
        out.abandon()


def exit_code(error: BaseException | type[BaseException]) -> int:
    """Return the exit code of an error: the row of the most specific class that has one."""
    kind = error if isinstance(error, type) else type(error)
    for one in kind.__mro__:
        if one in EXIT_CODES:
            return EXIT_CODES[one]
    if issubclass(kind, click.ClickException):
        return USAGE
    return SYSTEM if issubclass(kind, OSError | MemoryError) else INTERNAL


def exit_rows() -> Iterator[tuple[int, str, str]]:
    """Yield code, name and meaning of every way to end, by code: the table of docs/scripting.md."""
    rows = [*_OTHER_CODES, *((code, kind.__name__, meaning(kind)) for kind, code in EXIT_CODES.items())]
    yield from sorted(rows, key=lambda row: row[0])


def meaning(kind: type[XverError]) -> str:
    """Return what an error class means: the first line of its docstring, without the attributes it explains."""
    line = (kind.__doc__ or "").strip().partition("\n")[0]
    return re.split(r"[;:] `", line)[0].rstrip(".") + "."


def _explain(error: BaseException) -> tuple[str, str | None]:
    """Return the message and the hint."""
    match error:
        case ContentNotFound():
            return error.message, error.hint or "xver fetch gets the history, xver pull the data"
        case CorruptData():
            return (
                error.message,
                error.hint
                or "xver fsck --data (at a remote: --remote --data) tells what is damaged, with --repair it mends that",
            )
        case XverError():
            return error.message, error.hint
        case click.NoSuchOption():
            return f"no such option {error.option_name}", _did_you_mean(error.possibilities or ()) or _usage_hint(error)
        case UnknownCommand():
            return f"no such command {error.name}", _did_you_mean(error.nearest) or _usage_hint(error)
        case click.ClickException():
            message = error.format_message().removesuffix(".")
            return message[:1].lower() + message[1:], _usage_hint(error)
        case MemoryError():
            return "out of memory", None
        case OSError():
            return _system_message(error), _system_hint(error)
    name = type(error).__name__
    return (
        f"internal error: {name}: {error}",
        "run it again with --debug, and report what it prints: this is a bug in xver",
    )


def _did_you_mean(words: Sequence[str]) -> str | None:
    return f"did you mean {' or '.join(f'`{word}`' for word in words)}?" if words else None


def _usage_hint(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path} -h" if context else None


def _system_message(error: OSError) -> str:
    reason = error.strerror or str(error)
    if not reason:
        return type(error).__name__
    names = [
        os.fsdecode(name) if isinstance(name, bytes) else str(name)
        for name in (error.filename, error.filename2)
        if name is not None
    ]
    return ": ".join([reason[:1].lower() + reason[1:], *([" -> ".join(names)] if names else [])])


def _system_hint(error: OSError) -> str | None:
    if error.errno in _FULL:
        return "free some space, then run it again: what is done is kept"
    if error.errno in _REFUSED:
        return "correct its rights, or work in a folder that you may write to: xver doctor tells more"
    if error.errno == errno.ENAMETOOLONG:
        return "choose a shorter one: most file systems take 255 bytes in a name, and 4,096 in a path"
    if error.errno == errno.EMFILE:
        return "ulimit -n 4096"
    return None


def _listed(error: BaseException) -> Sequence[str]:
    match error:
        case Incomplete():
            items = error.failures
        case MergeConflict() | DirtyWorktree():
            items = error.paths
        case _:
            return ()
    more = len(items) - _SHOWN
    return (*items[:_SHOWN], f"and {count(more)} more") if more > 0 else items


def _lines(message: str) -> list[str]:
    return [line.rstrip() for line in message.strip().split("\n")]

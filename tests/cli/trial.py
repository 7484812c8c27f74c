"""`xver` with one command more, `trial`, that does what no good command does: the tests run it as a process."""

from __future__ import annotations

import signal
import sys
from types import ModuleType

import click

from xver.cli.app import COMMANDS, Lazy, main
from xver.cli.command import Command
from xver.cli.output import Output, pass_output
from xver.errors import DirtyWorktree, NotFound

ERRORS = {
    "bug": ZeroDivisionError("one\ntwo"),
    "dirty": DirtyWorktree("2 files would be lost", ["a", "b\nhint: evil"], hint="xver add"),
}


@click.command(cls=Command, exits=(DirtyWorktree, NotFound))
@click.argument("how")
@click.argument("what", default="")
@pass_output
def trial(out: Output, how: str, what: str) -> int | None:
    """Try what a command may do.

    It may end in many ways.

    Examples:
      xver trial lines 3
      xver trial exit 1
    """
    match how:
        case "lines":
            for number in range(int(what)):
                out.line(f"line {number}")
        case "line":
            out.line(what)
        case "note":
            out.note(what)
            out.warn(what)
        case "json":
            out.json({"name": what})
        case "exit":
            return int(what)
        case "leave":
            click.get_current_context().exit(int(what))
        case "interrupt":
            out.line("before")
            # A shell starts what it puts into the background with Ctrl-C ignored, and so would the tests' processes be.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.raise_signal(signal.SIGINT)
        case _ if how in ERRORS:
            out.line("before")
            raise ERRORS[how]
    return None


if __name__ == "__main__":
    module = ModuleType("xver.cli.commands.trial")
    module.trial = trial  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    COMMANDS["trial"] = Lazy("commands.trial:trial", "Try what a command may do")
    sys.exit(main())

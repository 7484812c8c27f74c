"""The command `xver`: its table of commands, and the one place where errors end.

A command's module is loaded when it is called; the table knows enough for `xver --help`, for completion and for
naming the nearest right command.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from xver import __version__
from xver.cli.command import Group
from xver.cli.failures import report
from xver.cli.output import Output, process_output
from xver.errors import InvalidInput

_COMPLETION_VARIABLE: Final = "_XVER_COMPLETE"


class Lazy(NamedTuple):
    """Where a command lives ("module:attribute" below `xver.cli`), and what it does in one line."""

    home: str
    help: str


FAMILIES: Final[dict[str, dict[str, Lazy]]] = {
    "Start": {
        "init": Lazy("commands.start:init", "Start a repository in this folder"),
        "install": Lazy("commands.beside_git:install", "Set git's hooks and drivers in this clone"),
        "clone": Lazy("commands.start:clone", "Copy a repository from a remote"),
        "config": Lazy("commands.config:config", "List and change the settings in xver.toml"),
        "doctor": Lazy("commands.start:doctor", "Check that everything xver needs is in order"),
        "demo": Lazy("commands.start:demo", "Make a small repository to try things in"),
        "completion": Lazy("completion:completion", "Print the completion script of a shell"),
        "hook": Lazy("commands.beside_git:hook", "What git's hooks and drivers call"),
    },
    "Work": {
        "add": Lazy("commands.adding:add", "Track files and folders, and store what is new in them"),
        "rm": Lazy("commands.work:rm", "Stop tracking files and folders, or parts of a tracked folder"),
        "mv": Lazy("commands.undoing:mv", "Move tracked files and folders, or parts of a tracked folder"),
        "restore": Lazy("commands.work:restore", "Bring files back from a version, or take back what was added"),
        "status": Lazy("commands.work:status", "Show what has changed and what is missing"),
        "diff": Lazy("commands.differences:diff", "Show what changed in the data between two versions"),
        "commit": Lazy("commands.work:commit", "Record the tracked data and the staged code as one commit"),
        "checkout": Lazy("commands.work:checkout", "Bring the disk to what xver.lock says"),
        "sparse": Lazy("commands.sparse:sparse", "Have only some paths on this disk"),
        "merge": Lazy("commands.merging:merge", "Join another line of history into this one"),
        "revert": Lazy("commands.undoing:revert", "Undo what one version did to the data, in a new version"),
        "undo": Lazy("commands.undoing:undo", "Undo the last operation here"),
    },
    "Take in": {
        "import": Lazy("commands.intake:import_", "Bring data from elsewhere, and record where it came from"),
        "update": Lazy("commands.intake:update", "Ask where data was imported from for a newer version, and take it"),
        "get": Lazy("commands.intake:get", "Get a path at a version, to anywhere; no repository is needed"),
        "adopt": Lazy("commands.adopting:adopt", "Take over what DVC, git-lfs or a bucket has, without a copy"),
    },
    "History": {
        "log": Lazy("commands.history:log", "List the versions of the data"),
        "show": Lazy("commands.history:show", "Show one version and what it changed, or a file of it"),
        "blame": Lazy("commands.origins:blame", "Show which version brought each file"),
        "tag": Lazy("commands.history:tag", "List, make and delete tags"),
        "branch": Lazy("commands.history:branch", "List, make and delete branches"),
        "switch": Lazy("commands.history:switch", "Go to another branch"),
    },
    "Look inside": {
        "ls": Lazy("commands.look:ls", "List tracked files at any version"),
        "cat": Lazy("commands.look:cat", "Print the content of a file at any version"),
        "view": Lazy("commands.look:view", "Print a read-only folder with tracked files of any version"),
        "du": Lazy("commands.origins:du", "Show what tracked data costs"),
    },
    "Share": {
        "remote": Lazy("commands.remotes:remote", "List, add, check and remove remotes"),
        "fetch": Lazy("commands.share:fetch", "Get the history of a remote, and no data"),
        "pull": Lazy("commands.share:pull", "Get data from a remote and check it out"),
        "push": Lazy("commands.pushing:push", "Send history, data and runs to a remote"),
    },
    "Provenance": {
        "run": Lazy("commands.provenance:run", "Run a command and record what it read and wrote"),
        "lineage": Lazy("commands.provenance:lineage", "Show where a file comes from"),
    },
    "Experiments": {
        "runs": Lazy("commands.runs:runs", "List, query and compare runs"),
    },
    "Upkeep": {
        "gc": Lazy("commands.gc:gc", "Free the space of what nothing needs any more"),
        "forget": Lazy("commands.erasing:forget", "Give up the data of old versions or runs"),
        "purge": Lazy("commands.erasing:purge", "Erase content from all of history, for good"),
        "fsck": Lazy("commands.checking:fsck", "Check that everything stored is whole"),
        "evict": Lazy("commands.space:evict", "Free disk space by giving up content that a remote holds"),
    },
}
"""The commands by family, in the order of `xver --help`."""

COMMANDS: Final[dict[str, Lazy]] = {name: lazy for family in FAMILIES.values() for name, lazy in family.items()}


class App(Group):
    """The group of all commands, which loads one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a command."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        module, _, attribute = lazy.home.partition(":")
        command = getattr(import_module(f"xver.cli.{module}"), attribute)
        assert isinstance(command, click.Command), f"{lazy.home} is no command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table, a section a family."""
        longest = max(map(len, COMMANDS))
        for family, commands in FAMILIES.items():
            with formatter.section(family):
                formatter.write_dl([(name.ljust(longest), lazy.help) for name, lazy in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command from the table."""
        names = [CompletionItem(name, help=COMMANDS[name].help) for name in COMMANDS if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=App,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`xver COMMAND -h` shows the options, examples and exit codes of a command.",
)
@click.version_option(__version__, message="%(prog)s %(version)s", help="Show the version.")
@click.option("-C", "folders", metavar="DIR", multiple=True, help="Do everything as if started in DIR.")
def app(folders: tuple[str, ...]) -> None:
    """Version data and models beside the code that makes them.

    xver keeps data in git's history without keeping it in git, shares it through any bucket, and records which run
    read and wrote what.
    """
    for folder in folders:
        try:
            os.chdir(folder)
        except OSError as error:
            raise InvalidInput(f"cannot go to {folder}: {error.strerror}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name; None: the process's own) and return its exit code."""
    if _COMPLETION_VARIABLE in os.environ:
        app.main(prog_name="xver", complete_var=_COMPLETION_VARIABLE)
    # A command makes objects by the hundred thousand and few cycles: a collection every 700 costs a tenth of `add`.
    gc.set_threshold(100_000)
    out = process_output(os.environ)
    try:
        code = _execute(sys.argv[1:] if arguments is None else arguments, out)
        out.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the process boundary: everything ends here
        return report(error, out)
    return code


def _execute(arguments: Sequence[str], out: Output) -> int:
    # Not `app.main`: it turns a broken pipe into exit code 1 and an EOFError into an interrupt.
    try:
        with app.make_context("xver", list(arguments), obj=out) as context:
            answer = app.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    return answer if isinstance(answer, int) else 0

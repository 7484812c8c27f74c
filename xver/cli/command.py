"""What every command and group of commands has: `-h`, `-q`, `--debug`, exit codes, the nearest right name.

`-q` and `--debug` are taken before the command and after it, because that is where people add them.
"""

from __future__ import annotations

from inspect import cleandoc
from textwrap import dedent
from typing import Any, Final

import click

from xver.cli.failures import DONE, EXIT_CODES, NO, UnknownCommand, meaning
from xver.cli.output import Output
from xver.errors import InvalidInput, XverError, nearest

_USAGE_MEANING: Final = "The command line, or something named in it, cannot be right."


def _be_quiet(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        context.ensure_object(Output).quiet = True


def _show_tracebacks(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        context.ensure_object(Output).debug = True


SHARED_OPTIONS: Final = (
    click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_be_quiet,
        help="Print the answer only: no progress, no notes.",
    ),
    click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_tracebacks,
        help="Show where an error comes from.",
    ),
)


class _Shared(click.Command):
    """What commands and groups have in common; `exits` are the errors that a script should expect.

    `no` says what exit code 1 means where the command can end with it: it worked, and the answer is no.
    """

    def __init__(
        self, *args: Any, exits: tuple[type[XverError], ...] = (), no: str | None = None, **attrs: Any
    ) -> None:
        super().__init__(*args, **attrs)
        self.exits = exits
        self.no = no

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; whatever is wrong with them is known to be wrong with those of this command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters and those that all share."""
        own = super().get_params(ctx)
        at = len(self.params)
        return [*own[:at], *SHARED_OPTIONS, *own[at:]]

    @property
    def prose(self) -> str:
        """The help, down to the examples."""
        return self._split_help()[0]

    @property
    def examples(self) -> list[str]:
        """The lines of the block `Examples:`, with which the help ends."""
        return self._split_help()[1]

    def exit_rows(self) -> list[tuple[int, str]]:
        """Return the exit codes to expect with their meanings; none for a group that only holds commands."""
        if isinstance(self, click.Group) and not self.exits:
            return []
        rows = {DONE: "Done.", EXIT_CODES[InvalidInput]: _USAGE_MEANING}
        if self.no is not None:
            rows[NO] = self.no
        for kind in self.exits:
            rows.setdefault(EXIT_CODES[kind], meaning(kind))
        return sorted(rows.items())

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the prose, wrapped, and the examples as they are."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self.prose)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}".rstrip() + "\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes."""
        super().format_epilog(ctx, formatter)
        rows = self.exit_rows()
        if rows:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), text) for code, text in rows])

    def _split_help(self) -> tuple[str, list[str]]:
        # `\b` is click's mark for a block that keeps its lines; the block of examples needs none.
        text = cleandoc(self.help or "").replace("\b\n", "")
        prose, _, block = text.partition("\nExamples:\n")
        return prose.strip(), dedent(block).splitlines()


class Command(_Shared):
    """A command: `@click.command(cls=Command, exits=(NotFound, DirtyWorktree))`."""


class RevisionsCommand(Command):
    """A command whose words are revisions, then paths: it is shown the `--` between them, which click would drop."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; a `--` stays among the arguments."""
        at = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, [*args[:at], *args[at : at + 1], *args[at:]])


class Group(_Shared, click.Group):
    """A command that has commands, as `xver remote add`; those made by its `command` are `Command`s."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; a group that is called without a command says which there are."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(EXIT_CODES[InvalidInput])
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; raises `UnknownCommand` with the names that look like it."""
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            near = nearest(name, names)
            raise UnknownCommand(name, [near] if near else [], ctx=ctx)
        return super().resolve_command(ctx, args)

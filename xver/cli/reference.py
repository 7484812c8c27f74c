"""docs/cli.md, made from the commands themselves: `python -m xver.cli.reference > docs/cli.md`.

Everything printed comes from the table of commands, the docstrings and the declared options and exit codes.
A test compares the file with what this prints.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from xver.cli.app import FAMILIES, app
from xver.cli.command import SHARED_OPTIONS, Command, Group

_INTRODUCTION = """\
# Command reference

<!-- Made by `python -m xver.cli.reference > docs/cli.md`: change the docstrings, not this file. -->

`xver COMMAND -h` prints the part of this page that is about one command. What the exit codes mean in full, and what
`--json` promises, is in [scripting.md](scripting.md).
"""


def reference() -> str:
    """Return the text of docs/cli.md."""
    root = click.Context(app, info_name="xver")
    lines = [_INTRODUCTION]
    lines += ["## Options of every command", "", "`-C` and `--version` stand before the command.", ""]
    lines += _options([*app.params, *SHARED_OPTIONS])
    for family, commands in FAMILIES.items():
        lines += [f"## {family}", ""]
        for name in commands:
            command = app.get_command(root, name)
            assert command is not None, f"{name} stands in the table"
            lines += describe(command, click.Context(command, info_name=name, parent=root))
    return "\n".join(lines).rstrip() + "\n"


def describe(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the lines about one command, and about those it holds."""
    yield f"### {context.command_path}"
    yield ""
    yield f"    {' '.join((context.command_path, *_usage(command)))}"
    yield ""
    if isinstance(command, Command | Group):
        yield command.prose
        yield ""
    yield from _options(command.params)
    if isinstance(command, Command | Group):
        yield from _endings(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, f"{name} is listed by its group"
            yield from describe(child, click.Context(child, info_name=name, parent=context))


def _usage(command: click.Command) -> Iterator[str]:
    # By hand, because how click writes an argument changes with its version.
    if any(isinstance(one, click.Option) for one in command.params):
        yield "[OPTIONS]"
    for argument in command.params:
        if isinstance(argument, click.Argument):
            name = argument.metavar or (argument.name or "").upper()
            if isinstance(argument.type, click.Choice):
                name = "|".join(map(str, argument.type.choices))
            name = name if argument.required else f"[{name}]"
            yield name if argument.nargs == 1 else f"{name}..."
    if isinstance(command, click.Group):
        yield "COMMAND"


def _options(params: list[click.Parameter]) -> Iterator[str]:
    options = [one for one in params if isinstance(one, click.Option) and not one.hidden]
    for option in options:
        names = ", ".join((*option.opts, *option.secondary_opts))
        yield f"- `{names}{_value(option)}`: {option.help or ''}".rstrip(": ")
    if options:
        yield ""


def _value(option: click.Option) -> str:
    if option.is_flag or option.count:
        return ""
    if option.metavar:
        return f" {option.metavar}"
    if isinstance(option.type, click.Choice):
        return f" {'|'.join(map(str, option.type.choices))}"
    return f" {option.type.name.upper()}"


def _endings(command: Command | Group) -> Iterator[str]:
    if command.examples:
        yield from ("```console", *(f"$ {line}" if line else "" for line in command.examples), "```")
        yield ""
    rows = command.exit_rows()
    if rows:
        yield from ("| exit code | |", "|---|---|", *(f"| {code} | {text} |" for code, text in rows), "")


if __name__ == "__main__":
    sys.stdout.write(reference())

"""The commands and their documentation agree: the table, the docstrings, docs/cli.md."""

from __future__ import annotations

import click
import pytest

from xver.cli.app import COMMANDS, app
from xver.cli.command import Command, Group
from xver.cli.reference import reference

from .sources import ROOT


def load(name: str) -> click.Command:
    command = app.get_command(click.Context(app, info_name="xver"), name)
    assert command is not None
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_as_the_table_says(name: str) -> None:
    command = load(name)
    assert command.name == name
    assert isinstance(command, Command | Group)
    assert command.prose.partition("\n")[0].rstrip(".") == COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_explain_themselves(name: str) -> None:
    for command in _with_children(load(name)):
        assert isinstance(command, Command | Group), f"{command.name} is made with cls=Command"
        assert command.prose, command.name
        if isinstance(command, Command):
            assert command.examples, f"{command.name} has a block Examples:"
            assert all(not line or line.startswith(("xver ", "git ")) for line in command.examples), command.examples
        for option in command.params:
            assert not isinstance(option, click.Option) or option.hidden or option.help, option.name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_answers_by_its_exit_code_says_what_1_means(name: str) -> None:
    for command in _with_children(load(name)):
        if command.callback is not None and isinstance(command, Command):
            answers = command.callback.__annotations__["return"] == "int"
            assert (command.no is not None) == answers, f"{command.name}: no=…"
            assert (1 in dict(command.exit_rows())) == answers


def test_the_reference_is_fresh() -> None:
    page = ROOT / "docs" / "cli.md"
    expected = reference()
    assert page.is_file(), "write it: python -m xver.cli.reference > docs/cli.md"
    assert page.read_text(encoding="utf-8") == expected, "write it: python -m xver.cli.reference > docs/cli.md"


def _with_children(command: click.Command) -> list[click.Command]:
    children = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *(one for child in children for one in _with_children(child))]

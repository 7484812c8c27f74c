"""What every command and group has, on a small family of them."""

from __future__ import annotations

import click
import pytest

from tests.support.captured import Captured
from xver.cli.command import Group
from xver.cli.failures import UnknownCommand
from xver.cli.output import Output, pass_output
from xver.cli.reference import describe
from xver.errors import Locked, NotFound, RefNotFound


@click.group(cls=Group)
def remote() -> None:
    """Keep a list of remotes.

    A remote is a bucket.
    """


@remote.command(exits=(NotFound, RefNotFound, Locked))
@click.argument("name")
@click.argument("kind", type=click.Choice(["s3", "local"]), required=False)
@click.argument("rest", nargs=-1)
@click.option("--depth", type=int, help="How far.")
@click.option("--all/--none", "everything", help="All of them.")
@click.option("--secret", hidden=True)
@pass_output
def add(out: Output, /, **values: object) -> None:
    """Add a remote.

    Long prose that goes on, and on, and on, and on, and on, and on, and on, and on, and on.

    \b
    Examples:
      xver remote add origin s3://bucket/survey    # kept as it is, however long the line may become here

      xver remote add here /mnt/share
    """
    out.line("quiet" if out.quiet else "loud", str(values))


@remote.command(context_settings={"allow_interspersed_args": False})
@click.argument("program", nargs=-1)
@pass_output
def run(out: Output, program: tuple[str, ...]) -> None:
    """Run a program."""
    out.line("quiet " if out.quiet else "loud ", *program)


def call(*arguments: str) -> str:
    captured = Captured()
    with remote.make_context("remote", list(arguments), obj=captured.out) as context:
        remote.invoke(context)
    return captured.stdout.decode()


def help_of(*names: str) -> str:
    context = click.Context(remote, info_name="xver remote", terminal_width=80)
    command: click.Command = remote
    for name in names:
        command = remote.commands[name]
        context = click.Context(command, info_name=name, parent=context, terminal_width=80)
    return command.get_help(context)


def test_the_help_of_a_command() -> None:
    text = help_of("add")
    prose = text[text.index("  Long prose") : text.index("\n\nExamples:")].splitlines()
    assert [line[:2] for line in prose] == ["  ", "  "]
    assert max(map(len, prose)) <= 80
    assert text.count("Examples:") == 1
    assert (
        "\nExamples:\n"
        "  xver remote add origin s3://bucket/survey    # kept as it is, however long the line may become here\n"
        "\n"
        "  xver remote add here /mnt/share\n"
        "\nOptions:\n"
    ) in text
    assert text.endswith(
        "Exit codes:\n"
        "  0   Done.\n"
        "  2   The command line, or something named in it, cannot be right.\n"
        "  3   What was named does not exist.\n"
        "  14  Another process holds the work tree longer than we are willing to wait."
    )
    for option in ("--depth", "-q, --quiet", "--debug", "--help"):
        assert option in text
    assert "--secret" not in text


def test_a_group_has_no_exit_codes_of_its_own() -> None:
    assert "Exit codes" not in help_of()
    assert "add  Add a remote." in help_of()


def test_options_that_all_share_stand_anywhere() -> None:
    assert call("add", "x").startswith("loud")
    assert call("-q", "add", "x").startswith("quiet")
    assert call("add", "-q", "x").startswith("quiet")
    assert call("add", "x", "--quiet").startswith("quiet")


def test_options_of_a_program_are_the_programs() -> None:
    assert call("run", "python", "-q", "--debug") == "loud python-q--debug\n"
    assert call("run", "-q", "--", "-q") == "quiet -q\n"


def test_the_nearest_right_command_of_a_group() -> None:
    with pytest.raises(UnknownCommand) as caught:
        call("ad")
    assert caught.value.nearest == ["add"]


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as caught:
        call()
    assert caught.value.exit_code == 2
    assert "A remote is a bucket." in capsys.readouterr().out


def test_the_reference_of_a_group() -> None:
    text = "\n".join(describe(remote, click.Context(remote, info_name="xver remote")))
    assert text.startswith(
        "### xver remote\n\n    xver remote COMMAND\n\nKeep a list of remotes.\n\nA remote is a bucket.\n\n### "
    )
    assert "\n    xver remote add [OPTIONS] NAME [s3|local] [REST]...\n" in text
    assert "\n- `--depth INTEGER`: How far.\n- `--all, --none`: All of them.\n" in text
    assert "```console\n$ xver remote add origin s3://bucket/survey    # kept" in text
    assert "\n| 14 | Another process" in text
    assert "secret" not in text

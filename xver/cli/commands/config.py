"""The commands about settings: config list, get, set, unset."""

from __future__ import annotations

import json

import click

from xver.cli.command import Group
from xver.cli.output import Output, pass_output
from xver.errors import InvalidInput, NotFound
from xver.repo import open_repo


@click.group(cls=Group)
def config() -> None:
    """List and change the settings in xver.toml.

    The file is for everyone who works here, and git tracks it; comments in it stay. Remotes have their own
    command.

    Examples:
      xver config list
      xver config set run.store_untracked 5000000
    """


@config.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def list_settings(out: Output, as_json: bool) -> None:
    """List every setting with its value.

    Examples:
      xver config list
    """
    from xver.settings import KEYS, get_value

    settings = open_repo().settings
    found = {key: get_value(settings, key) for key in KEYS}
    if as_json:
        out.json(found)
    else:
        out.table([(key, json.dumps(value)) for key, value in found.items()])


@config.command("get", exits=(NotFound,))
@click.argument("key")
@pass_output
def get(out: Output, key: str) -> None:
    """Print one setting.

    Examples:
      xver config get run.keep
    """
    from xver.settings import get_value

    out.line(json.dumps(get_value(open_repo().settings, key)))


@config.command("set", exits=(NotFound, InvalidInput))
@click.argument("key")
@click.argument("value")
@pass_output
def set_(out: Output, key: str, value: str) -> None:
    """Change one setting: VALUE as it would stand in the file.

    Examples:
      xver config set run.store_untracked 5000000
      xver config set run.keep '["models/**"]'
    """
    from xver.settings import set_value

    set_value(open_repo().settings_path, key, value)
    out.note(f"{key} is set")


@config.command("unset", exits=(NotFound,))
@click.argument("key")
@pass_output
def unset(out: Output, key: str) -> None:
    """Take one setting back to its default.

    Examples:
      xver config unset run.keep
    """
    from xver.settings import set_value

    set_value(open_repo().settings_path, key, None)
    out.note(f"{key} has its default")

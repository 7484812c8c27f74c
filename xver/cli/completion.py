"""`xver completion`: the script that teaches a shell to complete xver's commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from xver.cli.command import Command
from xver.cli.output import Output, pass_output


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_output
def completion(out: Output, shell: str) -> None:
    """Print the completion script of a shell.

    The script asks xver itself, so it never grows old: it is enough to load it once, in the shell's own start file.

    Examples:
      xver completion bash >> ~/.bashrc
      xver completion zsh >> ~/.zshrc
      xver completion fish > ~/.config/fish/completions/xver.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, f"click completes {shell}"
    root = click.get_current_context().find_root().command
    out.raw(kind(root, {}, "xver", "_XVER_COMPLETE").source().encode())

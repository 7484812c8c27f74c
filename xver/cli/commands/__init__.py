"""The commands, one file a family.

Each is made with `@click.command(cls=Command, exits=(...))`, a group with `cls=Group`. The first line of its
docstring is the line that the table in `xver.cli.app` shows for it; prose follows, and last a block `Examples:`, one
command a line. `exits` names the errors that a script should expect; the help gives their exit codes.

A command takes its `Output` by `@pass_output` and returns None, or its exit code: 1 where the answer is no. It
imports the library inside its function, and may not hold anything that a script using the library would want too.
"""

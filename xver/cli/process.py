"""Where the process begins: the command line takes a moment to load, and Ctrl-C counts from the first."""

from __future__ import annotations

import os
from contextlib import suppress


def main() -> int:
    """Run the process's own command line and return its exit code."""
    try:
        from xver.cli.app import main as run

        return run()
    except KeyboardInterrupt:
        # Once it is loaded, interrupts end there; this one came before. Nothing is buffered yet.
        with suppress(OSError):
            os.write(2, b"interrupted\n")
        return 130

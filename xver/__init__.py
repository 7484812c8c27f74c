"""xver: git for data and models.

The public names are listed here and found lazily (PEP 562), so `import xver` loads nothing but this file, and
`xver --version` answers at once. Whatever the command line can do, a script can do by these names.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__version__ = "0.1.0"

# Public name -> its home. A name that is also a module of xver would be hidden by it: tests/meta refuses one.
_HOMES: Final = {
    "finish": "xver.experiments.api:finish",
    "init": "xver.experiments.api:init",
    "open": "xver.filesystem.opening:open_file",
    "open_repo": "xver.filesystem.repositories:open_repo",
    "run": "xver.experiments.api:run",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    """Return the public name from its home, and keep it for the next time."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

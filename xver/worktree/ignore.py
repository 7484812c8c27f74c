"""What is never versioned: git's and xver's own places, and what `.xverignore` at the root and the user's own file say.

Both have the patterns of gitignore(5); a directory that matches is not entered. What the repository says comes after
what the user says, and so may take it back. What is tracked stays tracked whatever a rule says, as in git.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from copy import copy
from itertools import chain
from pathlib import Path
from typing import Any, Final

from xver.errors import InvalidInput

NAME: Final = ".xverignore"
OWN: Final = frozenset({".git", ".xver"})


class Ignore:
    """Tells for a path relative to the work tree whether it is to be left out."""

    def __init__(self, root: Path) -> None:
        self._match: Callable[[str], Any] | None = None
        self._spares: Callable[[str], bool] = lambda _: False
        own = user_rules(os.environ, sys.platform)
        rules = {os.fspath(own): _rules(own), NAME: _rules(root / NAME)}
        files = [name for name, lines in rules.items() if lines]
        self.files = " or ".join(files) or NAME
        """The files that have rules, or the one that could, as a person reads them."""
        if not files:
            return
        # Costs 45 ms of start-up, so only where somebody wrote rules.
        from pathspec import GitIgnoreSpec

        self._match = GitIgnoreSpec.from_lines(chain.from_iterable(rules.values())).match_file

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing but `.git` and `.xver` is left out."""
        return self._match is None

    def __call__(self, path: str, *, is_directory: bool) -> bool:
        """Tell whether `path` is left out."""
        if path.rpartition("/")[2] in OWN:
            return True
        if self._match is None or not self._match(path + "/" if is_directory else path):
            return False
        return not self._spares(path)

    def sparing(self, is_tracked: Callable[[str], bool]) -> Ignore:
        """Return these rules for paths of which some are tracked already: as in git, no rule leaves those out.

        `is_tracked` is asked only where a rule matches; it says yes to the folders above a tracked file as well.
        """
        rules = copy(self)
        rules._spares = is_tracked  # noqa: SLF001 - a copy of this
        return rules

    def lifted(self) -> Ignore:
        """Return what leaves out nothing but `.git` and `.xver`."""
        rules = copy(self)
        rules._match = None  # noqa: SLF001
        return rules


def user_rules(environ: Mapping[str, str], platform: str) -> Path:
    """Return the file with the rules of the user for all repositories; it need not be there."""
    if platform == "win32":
        return Path(environ.get("APPDATA") or os.path.expanduser("~/AppData/Roaming")) / "xver" / "ignore"
    base = environ.get("XDG_CONFIG_HOME", "")
    # The XDG Base Directory Specification: what is not absolute is to be passed over.
    return Path(base if base.startswith("/") else os.path.expanduser("~/.config")) / "xver" / "ignore"


def _rules(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name if path.name == NAME else path} is not UTF-8") from error

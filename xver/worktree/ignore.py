"""What is never versioned: git's and xver's own places, and what `.xverignore` at the root says.

`.xverignore` has the patterns of gitignore(5); a directory that matches is not entered.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from xver.errors import InvalidInput

NAME: Final = ".xverignore"
OWN: Final = frozenset({".git", ".xver"})


class Ignore:
    """Tells for a path relative to the work tree whether it is to be left out."""

    def __init__(self, root: Path) -> None:
        self._match: Callable[[str], Any] | None = None
        try:
            text = (root / NAME).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{NAME} is not UTF-8") from error
        # Costs 45 ms of start-up, so only where somebody wrote rules.
        from pathspec import GitIgnoreSpec

        self._match = GitIgnoreSpec.from_lines(text.splitlines()).match_file

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing but `.git` and `.xver` is left out."""
        return self._match is None

    def __call__(self, path: str, *, is_directory: bool) -> bool:
        """Tell whether `path` is left out."""
        if path.rpartition("/")[2] in OWN:
            return True
        return self._match is not None and bool(self._match(path + "/" if is_directory else path))

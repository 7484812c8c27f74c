"""What no file system may be asked to hold."""

from __future__ import annotations

import pytest

from xver.errors import InvalidInput
from xver.worktree.checkout import check_names


@pytest.mark.parametrize("names", [["A", "a"], ["s/x", "S/y", "s/X"], ["caf\u00e9", "cafe\u0301"], ["ß", "SS"]])
def test_names_that_a_file_system_takes_for_one(names: list[str]) -> None:
    check_names(names, folds=False, windows=False)
    with pytest.raises(InvalidInput, match="are one name on this file system"):
        check_names(names, folds=True, windows=False)


@pytest.mark.parametrize("name", ["con", "a/NUL.txt", "COM1", "lpt9.a.b", "a:b", "x.", "x /y", "a\\b", "aux .txt"])
def test_names_that_windows_reserves(name: str) -> None:
    check_names([name], folds=False, windows=False)
    with pytest.raises(InvalidInput, match="is no name for a file on Windows"):
        check_names(["ok", name], folds=False, windows=True)


def test_names_that_only_look_reserved() -> None:
    check_names(["console", "com0", "com10", "a.con", "nul_", ".x"], folds=True, windows=True)

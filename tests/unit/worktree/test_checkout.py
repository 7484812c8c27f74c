"""What no file system may be asked to hold, and what is never followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.repos import write_tree
from tests.support.trees import posix
from xver.errors import InvalidInput
from xver.worktree.checkout import check_names
from xver.worktree.folders import Folders


@posix
def test_a_link_planted_between_plan_and_write_is_an_error(tmp_path: Path) -> None:
    write_tree(tmp_path, {"root/keep": b"", "away/x": b"theirs"})
    (tmp_path / "root" / "d").symlink_to(tmp_path / "away")
    with Folders(tmp_path / "root") as folders, pytest.raises(Exception, match="'d' is no folder"):
        folders.ensure("d/s")
    assert os.listdir(tmp_path / "away") == ["x"]


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

"""A checkout that is killed, interrupted, out of space or overtaken: nothing is lost, and the next one works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import reopened
from tests.support.trees import picture, posix
from xver.errors import Conflict, StorageError
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning.restoring import checkout, switch_to
from xver.versioning.versions import entries_at
from xver.worktree.folders import Folders, Place

from .conftest import ONE, TWO, lock_of


def is_data(source: os.PathLike[str] | str, *_: object) -> bool:
    """Tell whether a file of the work tree is put in its place, and not one of xver's own."""
    return Path(source).name.startswith(".xver-")


@pytest.mark.parametrize("appears", [b"mine", None])
def test_what_appears_between_plan_and_write_is_not_overwritten(
    two: tuple[Repo, str, str], folders: type[Folders], monkeypatch: pytest.MonkeyPatch, appears: bytes | None
) -> None:
    repo, first, _ = two
    lock_of(repo, first)
    ensure = folders.ensure

    def meanwhile(self: Folders, folder: str, **options: bool) -> Place:
        if appears:
            (repo.root / "d" / "both").write_bytes(appears)
        else:
            (repo.root / "d" / "both").unlink(missing_ok=True)
        return ensure(self, folder, **options)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "ensure", meanwhile)
        if appears:
            with pytest.raises(Conflict, match="d/both changed while it was being checked out"):
                checkout(repo)
            assert (repo.root / "d" / "both").read_bytes() == appears
            (repo.root / "d" / "both").unlink()
    checkout(repo)
    assert picture(repo.root) == ONE
    assert not [name for name in os.listdir(repo.root / "d") if name.endswith(".tmp")]


@pytest.mark.usefixtures("folders")
def test_a_disk_that_is_full_leaves_no_half_file_and_a_retry_works(
    two: tuple[Repo, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, first, second = two
    lock_of(repo, first)

    replace = os.replace

    def full(*args: Path, **options: Any) -> None:
        if is_data(*args):
            raise OSError(28, "No space left on device")
        replace(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(StorageError, match="cannot be written: no space left on device"):
            checkout(repo)
    assert not [name for name in os.listdir(repo.root / "d") if name.endswith(".tmp")]
    checkout(reopened(repo))
    assert picture(repo.root) == ONE
    del second


KILLED = """
import os, sys
from pathlib import Path
from xver.repo import open_repo
from xver.versioning.restoring import checkout
from xver.worktree import checkout as writing, folders
writing.open_folders = getattr(folders, sys.argv[3])
left, replace = int(sys.argv[1]), os.replace
def replaces(*args, **options):
    global left
    if options and not left:
        os.kill(os.getpid(), 9)
    left -= bool(options)
    return replace(*args, **options)
os.replace = replaces
checkout(open_repo(sys.argv[2]))
"""


@posix
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("then", ["again", "back", "back with the index lost"])
def test_a_checkout_that_was_killed(two: tuple[Repo, str, str], folders: type[Folders], after: int, then: str) -> None:
    repo, first, second = two
    lock_of(repo, first)
    command = [sys.executable, "-c", KILLED, str(after), str(repo.root), folders.__name__]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if then != "again":
        lock_of(repo, second)
    if then.endswith("lost"):
        (repo.places.own / "stat-index").unlink()
    checkout(reopened(repo))
    expected = ONE if then == "again" else TWO
    found = {path: one for path, one in picture(repo.root).items() if one != "/"}
    if then.endswith("lost"):
        # Files of the version that was never reached are not known to be ours any more: they stay.
        assert expected.items() <= found.items() <= (ONE | TWO).items()
    else:
        assert found == expected
    assert not [name for _, _, names in os.walk(repo.root / "d") for name in names if name.endswith(".tmp")]
    assert check(reopened(repo)).problems == ()


@pytest.mark.usefixtures("folders")
def test_an_interrupted_switch_leaves_xver_lock_as_it_was(
    two: tuple[Repo, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, first, _ = two
    before = repo.lock_path.read_bytes()

    replace = os.replace

    def interrupted(*args: Path, **options: Any) -> None:
        if is_data(*args):
            raise KeyboardInterrupt
        replace(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            switch_to(repo, entries_at(repo, first))
    assert repo.lock_path.read_bytes() == before
    checkout(reopened(repo))
    assert picture(repo.root) == TWO

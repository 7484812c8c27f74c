"""Every call of the local store fails once in an import, or its answer is lost: nothing is lost or half here."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import collect_here, new_repo, read_tree, reopened, save, write_tree
from xver.errors import TransientStorageError
from xver.intake.folders import FolderOrigin
from xver.intake.importing import import_data, imports, update
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, Collection
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.tracking import add

FIRST = {"a": b"1", "deep/b": bytes(range(256)) * 2_000}
SECOND = {"a": b"2", "deep/b": FIRST["deep/b"], "c": b"new"}
TOP = TrackedPath("ds")


def bring(repo: Repo, folder: Path) -> None:
    """Import the folder, or take its newer version; where an import was cut off, go on with it."""
    known = imports(repo).get(TOP)
    origin = FolderOrigin(folder)
    if TOP not in repo.lock.entries:
        import_data(repo, origin, TOP, start=repo.root)
    elif known is not None:
        checkout(repo)
        update(repo, TOP, known, origin, start=repo.root)


@pytest.mark.parametrize("loses_answer", [False, True], ids=["not-done", "answer-lost"])
@pytest.mark.parametrize("is_update", [False, True], ids=["import", "update"])
def test_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loses_answer: bool, is_update: bool) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    n, fired = 0, True
    while fired:
        n += 1
        folder = tmp_path / f"{n}-source"
        write_tree(folder, FIRST)
        repo = new_repo(tmp_path / str(n))
        save(repo, {"other": b"1"})
        if is_update:
            bring(repo, folder)
            write_tree(folder, SECOND)
        repo = reopened(repo)
        repo.storage = storage = FaultyStorage(repo.storage, fail_at=n, loses_answer=loses_answer)  # type: ignore[assignment]
        with suppress(TransientStorageError):
            bring(repo, folder)
        fired = storage.fired
        assert check(reopened(repo)).problems == ()
        bring(reopened(repo), folder)
        after = reopened(repo)
        assert check(after).problems == ()
        assert read_tree(after.root / "ds") == (SECOND if is_update else FIRST)
        assert set(after.lock.entries) == {"ds", "other"}
        assert TOP in imports(after)
    assert n > 5


def test_a_collection_that_takes_what_an_import_relies_on(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", FIRST)
    repo = new_repo(tmp_path / "repo")
    save(repo, {"other": b"1"})
    write_tree(repo.root / "gone", FIRST)
    add(repo, ["gone"])
    remove(repo, ["gone"])
    repo = reopened(repo)
    collected: list[Collection] = []

    def collect_once(method: str, key: str) -> None:
        if method == "create" and key.startswith("log/") and not collected:
            collected.append(collect_here(reopened(repo), NONE))

    repo.storage = FaultyStorage(repo.storage, before=collect_once)  # type: ignore[assignment]
    bring(repo, tmp_path / "source")
    assert collected
    assert collected[0].deleted > 0
    after = reopened(repo)
    assert check(after).problems == ()
    assert read_tree(after.root / "ds") == FIRST

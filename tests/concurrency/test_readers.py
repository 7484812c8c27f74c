"""Readers beneath whom a collection packs everything again and deletes at once: each reads on where it is now."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, save
from xver.repo import open_repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.store.kept import Kept
from xver.store.store import open_store
from xver.sync import remotes
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.upkeep.collect import execute, plan
from xver.upkeep.fsck import EVERYTHING, check, check_remote
from xver.upkeep.sweep import sweep, sweepable
from xver.versioning.restoring import checkout

ORIGIN = Remote("origin", "../remote")
BIG = random.Random(1).randbytes(300_000)
FIRST = {"data/big": BIG, "data/a": b"a" * 500, "other/b": b"b" * 500}
SECOND = {"data/big": BIG[:150_000] + b"edited" + BIG[150_000:], "data/c": b"c" * 500}
THIRD = {"data/big": BIG[:200_000] + b"again" + BIG[200_000:], "other/d": b"d" * 500}
FILES = FIRST | SECOND | THIRD


def pack_again(storage: Storage) -> None:
    """Move every object to new packs, raise the fence, delete the packs there were, and the indexes."""
    store = open_store(storage, client="collector")
    kept = Kept(store)
    kept.mark(list(store.index.ids()))
    before = store.log.live_packs()
    execute(store, replace(plan(store, kept, fence=1 << 53), remove=(), repack=tuple(before)))
    sweep(store, sweepable(store))
    assert not before.keys() & {stat.key for stat in storage.list("packs/")}


class Interruption:
    """Packs everything again ahead of the read number `at`; `reads` counts them."""

    def __init__(self, inner: Storage, at: int) -> None:
        self._inner, self._at, self.reads = inner, at, 0
        self.storage = FaultyStorage(inner, before=self._before)

    @property
    def fired(self) -> bool:
        return self.reads >= self._at

    def _before(self, method: str, key: str) -> None:
        if method in ("get", "stat", "list"):
            self.reads += 1
            if self.reads == self._at:
                pack_again(self._inner)


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Return a folder with a repository `one`, an older clone `two` of what it pushed, and `remote`."""
    root = tmp_path / "world"
    one = new_repo(root / "one", FIRST, remote="../remote")
    push(one, ORIGIN)
    clone(str(root / "remote"), root / "two")
    for files in (SECOND, THIRD):
        save(open_repo(one.root), files)
    push(open_repo(one.root), ORIGIN)
    return root


def trials(world: Path, *, every: int = 1) -> Iterator[tuple[Path, int]]:
    """Yield the world as it was, for each read to be interrupted, or every so many, until the caller has had enough."""
    pristine, at = world.parent / "pristine", 0
    world.rename(pristine)
    while True:
        at += every
        shutil.copytree(pristine, world)
        yield world, at
        shutil.rmtree(world)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], Interruption]:
    """Let the remote's reads be interrupted."""

    def interrupt(remote: Path, at: int) -> Interruption:
        interruption = Interruption(LocalStorage(remote), at)

        def located(url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
            found = locate(url, base=base, endpoint_url=endpoint_url)
            return interruption.storage if found.url == interruption.storage.url else found

        monkeypatch.setattr(remotes, "locate", located)
        return interruption

    return interrupt


def is_whole(root: Path) -> None:
    repo = open_repo(root)
    assert check(repo, sample=EVERYTHING).damage == ()
    assert read_tree(root) == FILES


def test_a_checkout_goes_on_whichever_read_a_collection_comes_before(world: Path) -> None:
    for copy, at in trials(world):
        repo = open_repo(copy / "one")
        for name in ("data", "other"):
            shutil.rmtree(repo.root / name)
        interruption = Interruption(repo.storage, at)
        repo.storage = interruption.storage  # type: ignore[assignment]
        checkout(repo, [])
        is_whole(copy / "one")
        if not interruption.fired:
            break
    assert at > 5


def test_a_fetch_goes_on_whichever_read_a_collection_comes_before(
    world: Path, interrupted: Callable[[Path, int], Interruption]
) -> None:
    for copy, at in trials(world):
        interruption = interrupted(copy / "remote", at)
        two = open_repo(copy / "two")
        pull(two, two.settings.remotes["origin"])
        is_whole(copy / "two")
        if not interruption.fired:
            break
    assert at > 5


def test_a_check_finds_nothing_wrong_whichever_read_a_collection_comes_before(world: Path) -> None:
    for copy, at in trials(world, every=4):
        repo = open_repo(copy / "one")
        interruption = Interruption(repo.storage, at)
        repo.storage = interruption.storage  # type: ignore[assignment]
        assert check(repo, sample=EVERYTHING).damage == ()
        if not interruption.fired:
            break
    assert at > 5


def test_a_remote_is_checked_right_whichever_read_a_collection_comes_before(world: Path) -> None:
    for copy, at in trials(world, every=4):
        interruption = Interruption(LocalStorage(copy / "remote"), at)
        there = open_store(interruption.storage, client="reader")
        assert check_remote(there, sample=EVERYTHING).damage == ()
        if not interruption.fired:
            break
    assert at > 5


def test_a_clone_goes_on_whichever_read_a_collection_comes_before(
    world: Path, interrupted: Callable[[Path, int], Interruption]
) -> None:
    for copy, at in trials(world):
        interruption = interrupted(copy / "remote", at)
        clone(str(copy / "remote"), copy / "three")
        is_whole(copy / "three")
        if not interruption.fired:
            break
    assert at > 5

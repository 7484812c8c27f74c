"""`xver add`, `xver push` and `xver gc` are killed at seeded moments: the next command works, nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import xver
from tests.support.repos import new_repo, read_tree, save, write_tree
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.local import LocalStorage
from xver.store.store import open_store
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.fsck import EVERYTHING, check, check_remote
from xver.versioning.branches import switch
from xver.versioning.restoring import checkout

FILES = {f"data/{n}": random.Random(n).randbytes(20_000 + 30_000 * (n % 40)) for n in range(60)}


def command(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(xver.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", "xver", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(folder: Path, *arguments: str) -> None:
    process = command(folder, *arguments)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()


class Killer:
    """Kills processes that do the same at random moments of the time that the quickest of them took to the end."""

    def __init__(self, seed: int, undisturbed: subprocess.Popen[bytes]) -> None:
        self._random = random.Random(seed)
        began = time.monotonic()
        undisturbed.communicate(timeout=60)
        assert undisturbed.returncode == 0
        self._took = time.monotonic() - began
        self.killed = 0

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process after a while; `killed` counts those that were still at work."""
        began = time.monotonic()
        try:
            process.communicate(timeout=self._random.uniform(0.1, 1.0) * self._took)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.killed += 1
        else:
            # The first one was slower: the machine had something else to do.
            self._took = time.monotonic() - began


def kill_adds(root: Path, count: int) -> int:
    write_tree(new_repo(root / "pristine").root, FILES)
    shutil.copytree(root / "pristine", root / "first")
    killer = Killer(1, command(root / "first", "add", "data"))
    for number in range(count):
        work = root / f"add-{number}"
        shutil.copytree(root / "pristine", work)
        killer.kill(command(work, "add", "data"))
        assert check(open_repo(work)).problems == ()
        finish(work, "add", "data")
        repo = open_repo(work)
        assert check(repo).problems == ()
        assert read_tree(work) == FILES
        shutil.rmtree(work / "data")
        finish(work, "checkout")
        assert read_tree(work) == FILES
        shutil.rmtree(work)
    return killer.killed


def kill_pushes(root: Path, count: int) -> int:
    pristine = new_repo(root / "pristine", FILES, remote="../remote")
    shutil.copytree(pristine.root, root / "first")
    killer = Killer(2, command(root / "first", "push"))
    shutil.rmtree(root / "remote")
    head = pristine.store.log.refs["heads/main"]
    for number in range(count):
        work, remote = root / f"push-{number}", root / "remote"
        shutil.copytree(pristine.root, work)
        killer.kill(command(work, "push"))
        assert check(open_repo(work)).problems == ()
        finish(work, "push")
        there = open_store(LocalStorage(remote), client="test")
        assert there.log.verify() == []
        assert there.lost_packs() == {}
        assert there.log.refs["heads/main"] == head
        clone(str(remote), root / "copy")
        assert read_tree(root / "copy") == FILES
        for folder in (work, remote, root / "copy"):
            shutil.rmtree(folder)
    return killer.killed


def with_garbage(root: Path) -> Repo:
    """Make a repository, pushed to `remote` beside it, of whose first version a collection takes most."""
    repo = new_repo(root, dict(list(FILES.items())[:20]), remote="../remote")
    first = repo.store.log.refs["heads/main"].id.hex()
    push(repo, Remote("origin", "../remote"))
    changed = {name: random.Random(f"{name} changed").randbytes(10_000) for name in list(FILES)[:15]}
    save(open_repo(root), changed)
    finish(root, "push")
    finish(root, "forget", first)
    finish(root, "forget", "--remote", "origin", first)
    return open_repo(root)


def kill_collections(root: Path, count: int, *, at_remote: bool) -> int:
    """Kill collections; return how many were still at work. Afterwards nothing is lost and the next one finishes."""
    words = ("gc", "--remote", "origin", "--now") if at_remote else ("gc", "--now")
    files = read_tree(with_garbage(root / "pristine" / "work").root)
    shutil.copytree(root / "pristine", root / "first")
    killer = Killer(3 + at_remote, command(root / "first" / "work", *words))
    for number in range(count):
        trial = root / f"gc-{number}"
        work, remote = trial / "work", trial / "remote"
        shutil.copytree(root / "pristine", trial)
        before = sizes(remote if at_remote else work / ".xver" / "store")
        killer.kill(command(work, *words))
        is_sound(trial)
        finish(work, *words)
        is_whole(trial, files)
        storage = LocalStorage(remote if at_remote else work / ".xver" / "store")
        assert {stat.key for stat in storage.list("packs/")} == set(open_store(storage, client="t").log.live_packs())
        assert sizes(Path(storage.url)) < before / 2
        shutil.rmtree(trial)
    return killer.killed


def sizes(store: Path) -> int:
    return sum(path.stat().st_size for path in (store / "packs").iterdir())


def is_sound(trial: Path) -> None:
    """Both stores are whole to their last frame."""
    there = open_store(LocalStorage(trial / "remote"), client="test")
    assert there.log.verify() == []
    assert check_remote(there, sample=EVERYTHING).damage == ()
    assert check(open_repo(trial / "work"), sample=EVERYTHING).damage == ()


def is_whole(trial: Path, files: dict[str, bytes]) -> None:
    """Both stores are sound, and each gives the last version back."""
    is_sound(trial)
    work, remote = trial / "work", trial / "remote"
    shutil.rmtree(work / "data")
    checkout(open_repo(work), [])
    assert read_tree(work) == files
    clone(str(remote), trial / "copy")
    assert read_tree(trial / "copy") == files
    shutil.rmtree(trial / "copy")


def test_add_killed(tmp_path: Path) -> None:
    assert kill_adds(tmp_path, 5) >= 1


def test_push_killed(tmp_path: Path) -> None:
    assert kill_pushes(tmp_path, 5) >= 1


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_add_killed_often(tmp_path: Path) -> None:
    assert kill_adds(tmp_path, 100) >= 50


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_push_killed_often(tmp_path: Path) -> None:
    assert kill_pushes(tmp_path, 100) >= 50


@pytest.mark.parametrize("at_remote", [False, True], ids=["here", "at a remote"])
def test_gc_killed(tmp_path: Path, at_remote: bool) -> None:
    assert kill_collections(tmp_path, 5, at_remote=at_remote) >= 1


@pytest.mark.soak
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("at_remote", [False, True], ids=["here", "at a remote"])
def test_gc_killed_often(tmp_path: Path, at_remote: bool) -> None:
    assert kill_collections(tmp_path, 100, at_remote=at_remote) >= 50


def test_a_second_version_survives_a_killed_add(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "work", {"data/0": b"before", "data/1": b"same"})
    first = repo.store.log.refs["heads/main"]
    write_tree(repo.root, FILES)
    process = command(repo.root, "add", "data")
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=0.25)
    process.kill()
    process.communicate()
    assert check(open_repo(repo.root)).problems == ()
    again = open_repo(repo.root)
    save(again, FILES)
    assert check(open_repo(repo.root)).problems == ()
    switch(again, first.id.hex())
    assert read_tree(repo.root) == {"data/0": b"before", "data/1": b"same"}
    switch(again, "main")
    assert read_tree(repo.root) == FILES

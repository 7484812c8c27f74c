"""Every storage call of add, push, fetch and clone fails once, or is done and its answer is lost: nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, reopened, save, write_tree
from xver.errors import TransientStorageError
from xver.model.refs import HEADS, Target
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.store import pack_writer, packing
from xver.store.store import open_store
from xver.sync import pull as pull_module
from xver.sync import remotes
from xver.sync.arranging import set_url
from xver.sync.fetch import fetch
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.copies import Source
from xver.upkeep.findings import Findings
from xver.upkeep.fsck import EVERYTHING, check, check_remote, verify
from xver.upkeep.rebuild import rebuild_index
from xver.upkeep.repair import repair
from xver.versioning.restoring import checkout
from xver.versioning.tracking import add

FIRST = {"data/a": b"first\n" * 100, "data/b": random.Random(1).randbytes(300_000), "note": b"1"}
SECOND = {"data/a": b"second\n" * 100, "data/c": random.Random(2).randbytes(300_000)}
ORIGIN = Remote("origin", "../remote")


class Trial:
    """One world, made of copies of the pristine one: repositories and a remote whose storage may be wrapped."""

    def __init__(self, folder: Path, pristine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.remote = folder / "remote"
        self.wrap: Callable[[Storage], Storage] = lambda inner: inner
        self._pristine = pristine
        for module in (remotes, pull_module):
            monkeypatch.setattr(module, "locate", self._locate)

    def repo(self, name: str) -> Repo:
        shutil.copytree(self._pristine / name, self.folder / name)
        return open_repo(self.folder / name)

    def arrange(self, name: str) -> None:
        """Put a state of the remote in its place."""
        shutil.copytree(self._pristine / name, self.remote)

    def heal(self) -> None:
        self.wrap = lambda inner: inner

    def head(self) -> Target | None:
        """Return the remote's branch; the remote is whole."""
        there = open_store(LocalStorage(self.remote), client="test")
        assert there.log.verify() == []
        assert there.lost_packs() == {}
        return there.log.refs.get(HEADS + "main")

    def _locate(self, url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
        return self.wrap(locate(url, base=base, endpoint_url=endpoint_url))


Wrap: TypeAlias = Callable[[Storage], FaultyStorage]
One: TypeAlias = Callable[[Trial, Wrap], None]


class Every(Protocol):
    """What runs a trial with call 1, 1 + step, 1 + 2 steps … failing."""

    def __call__(self, one: One, *, step: int = 1) -> int: ...


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ahead` is one commit ahead of the remote `older`, `behind` one behind `newer`; `fresh` has added nothing yet."""
    root = tmp_path_factory.mktemp("pristine")
    work = new_repo(root / "ahead", FIRST, remote=ORIGIN.url)
    push(work, ORIGIN)
    # By a relative address, as all is copied for each trial.
    set_url(clone(str(root / "remote"), root / "behind"), "origin", ORIGIN.url)
    shutil.copytree(root / "remote", root / "older")
    save(work, SECOND, "second")
    shutil.copytree(root / "ahead", root / "known")
    push(work, ORIGIN)
    shutil.move(root / "remote", root / "newer")
    shutil.rmtree(root / "ahead")
    shutil.move(root / "known", root / "ahead")
    write_tree(new_repo(root / "fresh").root, FIRST)
    return root


@pytest.fixture(params=[False, True], ids=["not-done", "answer-lost"])
def every_call(
    request: pytest.FixtureRequest, tmp_path: Path, pristine: Path, monkeypatch: pytest.MonkeyPatch
) -> Every:
    """Run a trial with call 1, 2, 3 … failing, until it makes fewer calls than that; return how often."""
    # Only a power cut could tell, and it is most of the time these tests take.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    def run(one: One, *, step: int = 1) -> int:
        n = 1 - step
        while True:
            n += step
            made: list[FaultyStorage] = []

            def wrap(inner: Storage, n: int = n, made: list[FaultyStorage] = made) -> FaultyStorage:
                # The calls of all storages of one operation are counted together.
                at = n - sum(len(storage.calls) for storage in made)
                made.append(FaultyStorage(inner, fail_at=at, loses_answer=request.param))
                return made[-1]

            trial = Trial(tmp_path / str(n), pristine, monkeypatch)
            one(trial, wrap)
            shutil.rmtree(trial.folder)
            if not any(storage.fired for storage in made):
                return n

    return run


def test_add(every_call: Every) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        repo = trial.repo("fresh")
        repo.storage = wrap(repo.storage)  # type: ignore[assignment]
        with suppress(TransientStorageError):
            add(repo, ["data", "note"])
        assert check(reopened(repo)).problems == ()
        add(reopened(repo), ["data", "note"])
        after = reopened(repo)
        assert check(after).problems == ()
        assert set(after.lock.entries) == {"data", "note"}
        assert read_tree(repo.root) == FIRST

    assert every_call(one) > 5


def test_push(every_call: Every) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        trial.arrange("older")
        old, repo = trial.head(), trial.repo("ahead")
        trial.wrap = wrap
        with suppress(TransientStorageError):
            push(repo, ORIGIN)
        trial.heal()
        new = repo.store.log.refs[HEADS + "main"]
        assert trial.head() in (old, new)
        assert check(reopened(repo)).problems == ()
        push(reopened(repo), ORIGIN)
        assert trial.head() == new
        clone(str(trial.remote), trial.folder / "copy")
        assert read_tree(trial.folder / "copy") == FIRST | SECOND

    assert every_call(one) > 5


def test_first_push(every_call: Every) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        repo = trial.repo("ahead")
        shutil.rmtree(repo.cache)
        trial.wrap = wrap
        with suppress(TransientStorageError):
            push(repo, ORIGIN)
        trial.heal()
        push(reopened(repo), ORIGIN)
        assert trial.head() == repo.store.log.refs[HEADS + "main"]
        clone(str(trial.remote), trial.folder / "copy")
        assert read_tree(trial.folder / "copy") == FIRST | SECOND

    assert every_call(one) > 15


@pytest.mark.parametrize("side", ["here", "there"])
def test_fetch(every_call: Every, side: str) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        trial.arrange("newer")
        repo = trial.repo("behind")
        if side == "here":
            repo.storage = wrap(repo.storage)  # type: ignore[assignment]
        else:
            trial.wrap = wrap
        with suppress(TransientStorageError):
            fetch(repo, ORIGIN)
        trial.heal()
        again = reopened(repo)
        assert check(again).problems == ()
        fetch(again, ORIGIN)
        assert again.store.log.refs["remotes/origin/main"] == trial.head()
        assert check(reopened(repo)).problems == ()

    assert every_call(one) > 5


def test_clone(every_call: Every) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        trial.arrange("newer")
        trial.wrap = wrap
        copy = trial.folder / "copy"
        with suppress(TransientStorageError):
            clone(str(trial.remote), copy)
        trial.heal()
        if copy.exists():
            begun = open_repo(copy)
            assert check(begun).problems == ()
            pull_module.pull(begun, begun.settings.remotes["origin"])
        else:
            clone(str(trial.remote), copy)
        assert read_tree(copy) == FIRST | SECOND
        assert check(open_repo(copy)).problems == ()

    assert every_call(one) > 8


def there_whole(repo: Repo) -> None:
    """The remote is, to its last frame."""
    with remotes.open_remote_afresh(repo, ORIGIN) as there:
        assert check_remote(there, sample=EVERYTHING).problems == ()


def test_remote_fsck_and_push_verify_take_no_outage_for_damage(every_call: Every) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        trial.arrange("newer")
        repo = trial.repo("behind")
        trial.wrap = wrap
        with suppress(TransientStorageError), remotes.open_remote_afresh(repo, ORIGIN) as there:
            assert check_remote(there, sample=EVERYTHING).problems == ()
            assert verify(there, there.log.refs.values()).problems == ()

    assert every_call(one) > 20


@pytest.mark.parametrize(
    ("harm", "side", "step"),
    [
        ("packs", "here", 5),
        ("packs", "there", 1),
        pytest.param("packs", "here", 1, marks=pytest.mark.soak),
        pytest.param("index", "here", 1, marks=pytest.mark.soak),
        pytest.param("index", "there", 1, marks=pytest.mark.soak),
    ],
)
def test_repair(every_call: Every, harm: str, side: str, step: int) -> None:
    """The store that is mended fails, or the one that copies come from."""

    def one(trial: Trial, wrap: Wrap) -> None:
        trial.arrange("newer")
        repo = trial.repo("ahead")
        push(repo, ORIGIN)
        store = Path(repo.storage.url)
        if harm == "packs":
            for path in sorted((store / "packs").glob("*"))[:2]:
                path.write_bytes(path.read_bytes()[:-1])
        else:
            spoil_indexes(store)

        def mend(again: Repo) -> Findings:
            with remotes.open_remote_afresh(again, ORIGIN) as there:
                sources = [Source("origin", there)]
                return repair(again.store, partial(check, again), sources, may_be_elsewhere=False)[1]

        broken = reopened(repo)
        if side == "here":
            broken.storage = wrap(broken.storage)  # type: ignore[assignment]
        else:
            trial.wrap = wrap
        with suppress(TransientStorageError):
            assert mend(broken).problems == ()
        trial.heal()
        assert mend(reopened(repo)).problems == ()
        assert check(reopened(repo)).problems == ()
        checkout(reopened(repo), force=True)
        assert read_tree(repo.root) == FIRST | SECOND

    assert every_call(one, step=step) > 8


def spoil_indexes(store: Path) -> None:
    """Give the store an index that is a file, and damage that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "INLINE_MAX", 10)
        opened = open_store(LocalStorage(store), client="test")
        rebuild_index(opened)
    for path in (store / "index").glob("*"):
        path.write_bytes(path.read_bytes()[:-1])


def test_rebuild_index(every_call: Every) -> None:
    def one(trial: Trial, wrap: Wrap) -> None:
        repo = trial.repo("ahead")
        spoil_indexes(Path(repo.storage.url))
        broken = reopened(repo)
        broken.storage = wrap(broken.storage)  # type: ignore[assignment]
        with suppress(TransientStorageError):
            rebuild_index(broken.store)
        rebuild_index(reopened(repo).store)
        assert check(reopened(repo)).problems == ()

    assert every_call(one) > 5


def test_a_push_that_goes_on_after_a_cut(every_call: Every, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the second push fails, whose first left packs behind; the third proves what it says."""
    monkeypatch.setattr(pack_writer, "DATA_PACK_SIZE", 60_000)
    monkeypatch.setattr(packing, "_BATCH", 10_000)

    def one(trial: Trial, wrap: Wrap) -> None:
        repo = trial.repo("ahead")
        shutil.rmtree(repo.cache, ignore_errors=True)
        left = [4]

        def cuts(method: str, key: str) -> None:
            left[0] -= key.endswith(".data")
            if left[0] == 0:
                raise TransientStorageError("injected: the network is gone")

        trial.wrap = lambda inner: FaultyStorage(inner, before=cuts)
        with pytest.raises(TransientStorageError):
            push(repo, ORIGIN)
        trial.wrap = wrap
        with suppress(TransientStorageError):
            push(reopened(repo), ORIGIN)
        trial.heal()
        done = push(reopened(repo), ORIGIN)
        assert trial.head() == repo.store.log.refs[HEADS + "main"]
        with remotes.open_remote_afresh(repo, ORIGIN) as there:
            assert verify(there, done.targets).problems == ()
        there_whole(repo)

    assert every_call(one) > 15

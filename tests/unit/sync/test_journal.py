"""An interrupted transfer goes on with the packs it finished: little is sent twice, nothing wrong becomes live."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import xver
from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, reopened, save
from tests.support.trees import posix
from xver.errors import AlreadyExists, Conflict, TransientStorageError
from xver.model.ids import chunk_id
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.locate import locate
from xver.store import pack_writer, packing
from xver.store.log import Change
from xver.sync import remotes
from xver.sync.fetch import fetch_data
from xver.sync.journal import resumed
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.sync.remotes import open_remote, open_remote_afresh
from xver.upkeep.fsck import EVERYTHING, check, check_remote

ORIGIN = Remote("origin", "../remote")
PACK = 50_000
FILES = {f"data/{n:02}": random.Random(n).randbytes(20_000) for n in range(60)}
TOTAL = sum(map(len, FILES.values()))
IN_FLIGHT = 4
"""Packs at most that are open, or on their way, when a transfer is cut."""


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, "DATA_PACK_SIZE", PACK)
    monkeypatch.setattr(packing, "_BATCH", 10_000)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    new_repo(root / "work", FILES, remote=ORIGIN.url)
    return root


@pytest.fixture
def repo(pristine: Path, tmp_path: Path) -> Repo:
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return open_repo(tmp_path / "work")


def stored(folder: Path) -> int:
    """Return the bytes of all packs that ever arrived: nobody deletes any."""
    return sum(path.stat().st_size for path in (folder / "packs").glob("*.data"))


def journals(repo: Repo) -> list[Path]:
    return [path for path in (repo.cache / "journal").rglob("*") if path.is_file()]


class Cut:
    """Cuts the connection at the n-th pack, and calls what is `meanwhile` to happen when so many are left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self.meanwhile: dict[int, Callable[[], object]] = {}
        monkeypatch.setattr(remotes, "locate", self._locate)

    def _locate(self, url: str, *, base: Path, **options: str | None) -> Storage:
        return FaultyStorage(locate(url, base=base, endpoint_url=options.get("endpoint_url")), before=self._before)

    def _before(self, method: str, key: str) -> None:
        if method in ("put", "get") and key.endswith(".data"):
            self.left -= 1
            self.meanwhile.pop(self.left, lambda: None)()
            if self.left == 0:
                raise TransientStorageError("injected: the network is gone")


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Cut:
    return Cut(monkeypatch)


def whole(repo: Repo) -> None:
    """The remote is, byte by byte."""
    with open_remote_afresh(repo, ORIGIN) as there:
        assert check_remote(there, sample=EVERYTHING).damage == ()
    copy = clone(str(repo.root.parent / "remote"), repo.root.parent / "copy")
    assert read_tree(copy.root) == read_tree(repo.root)


@pytest.mark.parametrize("seed", range(4))
def test_a_push_that_is_cut_again_and_again_sends_each_pack_once(repo: Repo, cut: Cut, seed: int) -> None:
    rng = random.Random(seed)
    cuts = 0
    while True:
        cut.left = rng.randrange(IN_FLIGHT + 2, 12)
        try:
            push(reopened(repo), ORIGIN)
            break
        except TransientStorageError:
            cuts += 1
            assert journals(repo)
            assert cuts < 10
    assert cuts > 1
    cut.left = 0
    assert stored(repo.root.parent / "remote") < TOTAL + cuts * IN_FLIGHT * PACK + 60 * 100
    # Far less than all that was ever begun.
    assert stored(repo.root.parent / "remote") < 2 * TOTAL
    assert journals(repo) == []
    whole(repo)


def interrupted(repo: Repo, cut: Cut) -> int:
    """Push until nine packs are begun; return the bytes that arrived."""
    cut.left = 10
    with pytest.raises(TransientStorageError):
        push(reopened(repo), ORIGIN)
    cut.left = 0
    return stored(repo.root.parent / "remote")


def test_another_version_takes_over_what_it_needs(repo: Repo, cut: Cut) -> None:
    arrived = interrupted(repo, cut)
    save(repo, {"data/99": b"one more"}, "more")
    push(reopened(repo), ORIGIN)
    assert stored(repo.root.parent / "remote") < TOTAL + IN_FLIGHT * PACK
    assert arrived > 4 * PACK
    whole(repo)


def test_what_is_not_there_any_more_is_sent_again(repo: Repo, cut: Cut) -> None:
    interrupted(repo, cut)
    packs = sorted((repo.root.parent / "remote" / "packs").glob("*.data"))
    packs[0].unlink()
    packs[1].write_bytes(packs[1].read_bytes()[:-1])
    push(reopened(repo), ORIGIN)
    whole(repo)


@pytest.mark.parametrize("change", ["fence", "removed"])
def test_what_a_collection_may_delete_is_not_taken_over(repo: Repo, cut: Cut, change: str) -> None:
    interrupted(repo, cut)
    there = open_remote(repo, ORIGIN)
    packs = {stat.key for stat in there.storage.list("packs/")}
    if change == "fence":
        there.log.append(Change("collect", fence=there.log.n + 1))
    else:
        there.log.append(Change("collect", remove_packs=tuple(sorted(packs))))
    push(reopened(repo), ORIGIN)
    assert packs.isdisjoint(open_remote(repo, ORIGIN).log.live_packs())
    for name in packs:
        (repo.root.parent / "remote" / name).unlink()
    whole(repo)


@pytest.mark.parametrize("harm", ["torn", "noise", "empty", "gone"])
def test_a_journal_that_is_damaged_costs_bytes_and_no_data(repo: Repo, cut: Cut, harm: str) -> None:
    interrupted(repo, cut)
    (path,) = journals(repo)
    lines = path.read_bytes()
    assert lines.count(b"\n") > 4
    if harm == "gone":
        shutil.rmtree(repo.cache / "journal")
    else:
        path.write_bytes({"torn": lines[: len(lines) // 2], "noise": b"\xff\0" + lines, "empty": b""}[harm])
    push(reopened(repo), ORIGIN)
    assert journals(repo) == []
    whole(repo)


def test_two_pushes_that_take_over_the_same_packs(repo: Repo, cut: Cut) -> None:
    interrupted(repo, cut)
    saved = {path: path.read_bytes() for path in journals(repo)}
    push(reopened(repo), ORIGIN)
    for path, data in saved.items():
        path.write_bytes(data)
    save(repo, {"data/99": b"one more"}, "more")
    push(reopened(repo), ORIGIN)
    assert stored(repo.root.parent / "remote") < TOTAL + IN_FLIGHT * PACK
    whole(repo)


def test_a_push_whose_journal_another_took_over_goes_on_to_remember(repo: Repo, cut: Cut) -> None:
    taken: list[int] = []

    def another() -> None:
        with suppress(TransientStorageError), resumed(again := reopened(repo), open_remote(again, ORIGIN)) as uploaded:
            taken.extend(len(one.packs) for one in uploaded)
            raise TransientStorageError("injected: this one is cut as well")

    cut.left, cut.meanwhile = 20, {12: another}
    with pytest.raises(TransientStorageError):
        push(reopened(repo), ORIGIN)
    assert sum(taken) > 2
    cut.left = 0
    push(reopened(repo), ORIGIN)
    assert stored(repo.root.parent / "remote") < TOTAL + IN_FLIGHT * PACK
    assert journals(repo) == []
    whole(repo)


@pytest.mark.parametrize("seed", range(2))
def test_a_fetch_that_is_cut_again_and_again_keeps_what_it_has(repo: Repo, cut: Cut, seed: int) -> None:
    push(repo, ORIGIN)
    copy = clone(str(repo.root.parent / "remote"), repo.root.parent / "other", checks_out=False)
    entries = repo.lock.entries
    rng = random.Random(seed)
    cuts = 0
    while True:
        cut.left = rng.randrange(6, 12)
        again = reopened(copy)
        try:
            fetch_data(again, ORIGIN, entries, there=open_remote(again, ORIGIN))
            break
        except TransientStorageError:
            cuts += 1
            assert cuts < 10
    cut.left = 0
    assert stored(Path(copy.storage.url)) < TOTAL + cuts * IN_FLIGHT * PACK + 60 * 100
    assert journals(copy) == []
    assert check(reopened(copy)).damage == ()
    assert all(chunk_id(data) in reopened(copy).store for data in FILES.values())


def test_a_push_that_somebody_was_faster_than_goes_on_when_theirs_is_merged(repo: Repo, cut: Cut) -> None:
    push(repo, ORIGIN)
    other = clone(str(repo.root.parent / "remote"), repo.root.parent / "other")
    save(other, {"data/theirs": b"theirs"})
    fresh = {f"data/new-{n:02}": random.Random(f"new {n}").randbytes(20_000) for n in range(60)}
    save(repo, fresh)
    cut.left, cut.meanwhile = 1_000, {990: lambda: push(other, ORIGIN)}
    with pytest.raises(Conflict, match="not here"):
        push(repo, ORIGIN)
    assert cut.meanwhile == {}
    assert len(journals(repo)) == 1
    pull(repo, ORIGIN)
    push(reopened(repo), ORIGIN)
    assert stored(repo.root.parent / "remote") < 2 * TOTAL + 2 * PACK
    assert journals(repo) == []
    whole(repo)


def test_a_clone_that_is_cut_while_data_arrives_is_a_repository_and_pull_goes_on(repo: Repo, cut: Cut) -> None:
    push(repo, ORIGIN)
    cut.left = 8
    copy = repo.root.parent / "copy"
    with pytest.raises(TransientStorageError) as caught:
        clone(str(repo.root.parent / "remote"), copy)
    assert f"xver -C {copy} pull goes on" in (caught.value.hint or "")
    cut.left = 0
    with pytest.raises(AlreadyExists) as refused:
        clone(str(repo.root.parent / "remote"), copy)
    assert f"xver -C {copy} pull goes on" in (refused.value.hint or "")
    begun = open_repo(copy)
    assert check(begun).damage == ()
    pull(begun, begun.settings.remotes["origin"])
    assert read_tree(copy) == FILES
    assert check(open_repo(copy)).damage == ()


KILLED = f"""
import sys, xver.store.packing as packing, xver.store.pack_writer as pack_writer
pack_writer.DATA_PACK_SIZE, packing._BATCH = {PACK}, 10_000
from xver.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(xver.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, *words],
        cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def at_packs(remote: Path, process: subprocess.Popen[bytes], more: int) -> bool:
    """Wait until so many more packs have arrived; tell whether the process was still at it."""
    enough = len(list((remote / "packs").glob("*.data"))) + more
    while process.poll() is None:
        if len(list((remote / "packs").glob("*.data"))) >= enough:
            return True
        time.sleep(0.002)
    return False


@posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_push_whose_process_is_stopped_goes_on_where_it_was(repo: Repo, how: signal.Signals) -> None:
    remote = repo.root.parent / "remote"
    stops = 0
    for more in (3, 6, 2):
        process = start(repo.root, "-q", "push")
        if at_packs(remote, process, more):
            process.send_signal(how)
            stops += 1
        with suppress(subprocess.TimeoutExpired):
            _, errors = process.communicate(timeout=60)
        assert process.returncode in (-how, 130, 0), errors
    process = start(repo.root, "-q", "push", "--verify")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert stops > 0
    assert stored(remote) < TOTAL + stops * IN_FLIGHT * PACK + 60 * 100
    whole(repo)

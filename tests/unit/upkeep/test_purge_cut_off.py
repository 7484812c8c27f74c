"""A purge that was cut off once its tombstones were written: whoever packs again goes on, and erases what it left."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.repos import new_repo, read_tree, reopened, save
from tests.unit.sync.sides import ORIGIN
from xver.errors import Overtaken
from xver.format.codecs import Codec
from xver.model.ids import Kind, chunk_id
from xver.progress import Unit
from xver.repo import Repo
from xver.store.log import Change
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep.evict import evict, plan_eviction
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_here

DRAW = random.Random(11)
BASE = DRAW.randbytes(60_000)
TABLE = BASE[:30_000] + b"one more row" + BASE[30_000:]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Return one whose pack with `BASE` is mostly garbage, and where `TABLE` is a difference against that."""
    repo = new_repo(tmp_path / "work", remote=ORIGIN.url)
    with repo.store.packer() as packer:
        packer.put(Kind.CHUNK, BASE)
        for _ in range(3):
            packer.put(Kind.CHUNK, DRAW.randbytes(100_000))
        repo.store.move("garbage beside it", {}, packer.finish())
    save(repo, {"data/table": BASE})
    save(repo, {"data/table": TABLE})
    assert repo.store.locate(chunk_id(TABLE)).codec is Codec.DELTA
    return repo


def bury(repo: Repo, data: bytes) -> None:
    """Do what a purge does first."""
    reopened(repo).store.log.append(Change("purge", tombstones=(chunk_id(data).hex(),)))


class Buries:
    """Lets somebody purge once packs are packed again."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def start(self, label: str, total: int | None, unit: Unit) -> None:
        if label == "Packing again":
            bury(self._repo, BASE)

    def advance(self, n: int) -> None:
        return

    def finish(self) -> None:
        return


def test_a_collection_erases_it_and_writes_whole_what_is_stored_against_it(repo: Repo) -> None:
    bury(repo, BASE)
    again = reopened(repo)
    collect(again.store, marks_here(again), NONE)
    again = reopened(repo)
    assert chunk_id(BASE) not in again.store
    assert again.store.get(Kind.CHUNK, chunk_id(TABLE)) == TABLE
    assert check(again).problems == ()


def test_an_eviction_erases_it_and_keeps_what_was_not_pushed(repo: Repo) -> None:
    save(repo, {"other/a": DRAW.randbytes(50_000)})
    push(repo, ORIGIN)
    save(repo, {"data/table": TABLE + b"never pushed"})
    bury(repo, BASE)
    again = reopened(repo)
    there = open_remote(again, ORIGIN)
    evict(again, there, "origin", plan_eviction(again, there))
    again = reopened(repo)
    assert chunk_id(BASE) not in again.store
    assert again.store.get(Kind.CHUNK, chunk_id(TABLE + b"never pushed")) == TABLE + b"never pushed"
    assert check(again).problems == ()
    assert read_tree(again.root)["data/table"] == TABLE + b"never pushed"


def test_what_is_purged_while_a_collection_goes_on_is_left_to_the_next_one(repo: Repo) -> None:
    again = reopened(repo)
    with pytest.raises(Overtaken):
        collect(again.store, marks_here(again), NONE, meter=Buries(repo))
    assert reopened(repo).store.get(Kind.CHUNK, chunk_id(TABLE)) == TABLE
    again = reopened(repo)
    collect(again.store, marks_here(again), NONE)
    again = reopened(repo)
    assert chunk_id(BASE) not in again.store
    assert again.store.get(Kind.CHUNK, chunk_id(TABLE)) == TABLE
    assert check(again).problems == ()

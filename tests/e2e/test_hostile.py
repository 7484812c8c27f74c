"""Remotes made by somebody who means harm: refused in one line, nothing outside the folder, nothing half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.forge import Forger
from tests.support.repos import new_repo, read_tree
from xver.cli.app import main
from xver.cli.failures import EXIT_CODES
from xver.errors import CorruptData
from xver.format.lockfile import Lock, encode_lock
from xver.model.entries import Dataset, Entry, File
from xver.model.ids import ChunkId, chunk_id
from xver.model.paths import TrackedPath
from xver.settings import Remote
from xver.store.log import Change
from xver.sync.arranging import set_url
from xver.sync.pull import clone
from xver.sync.push import push

HONEST = {"data/a": b"honest", "data/b": b"content"}
CORRUPT = EXIT_CODES[CorruptData]


@dataclass
class World:
    """An honest remote with a clone of it, and a place that nothing may be written to."""

    root: Path
    capfd: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    @property
    def forger(self) -> Forger:
        return Forger(self.root / "remote")

    def run(self, *arguments: str, folder: str = ".") -> tuple[int, str]:
        self.capfd.readouterr()
        self.monkeypatch.chdir(self.root / folder)
        code = main(arguments)
        return code, self.capfd.readouterr().err

    def refused(self, *arguments: str, folder: str = ".", codes: Sequence[int] = (CORRUPT,)) -> str:
        """Run a command that has to be refused in one line with one of these codes and leave all as it was."""
        before = everything(self.root)
        errors = self.error(*arguments, folder=folder, codes=codes)
        assert everything(self.root) == before
        return errors

    def error(self, *arguments: str, folder: str = ".", codes: Sequence[int] = (CORRUPT,)) -> str:
        """Run a command that has to end with one of these codes and one line."""
        code, errors = self.run(*arguments, folder=folder)
        assert code in codes, errors
        lines = [line for line in errors.splitlines() if not line.startswith(("hint: ", "  "))]
        assert len(lines) == 1, errors
        assert lines[0].startswith("error: "), errors
        return errors


def everything(root: Path) -> dict[str, bytes | str]:
    """Return every file and link, but what xver keeps for itself."""
    found: dict[str, bytes | str] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".xver"]
        for name in [*names, *folders]:
            path = Path(folder, name)
            if path.is_symlink():
                found[str(path)] = f"-> {path.readlink()}"
            elif path.is_file():
                found[str(path)] = path.read_bytes()
            else:
                found[str(path)] = "a folder"
    return found


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an honest remote with a clone of it, and a place that nothing may be written to."""
    root = tmp_path_factory.mktemp("pristine")
    repo = new_repo(root / "work", HONEST, remote="../remote")
    push(repo, Remote("origin", "../remote"))
    # By a relative address, as the whole is copied for each test.
    set_url(clone(str(root / "remote"), root / "copy"), "origin", "../remote")
    (root / "outside").mkdir()
    (root / "outside" / "target").write_bytes(b"mine")
    return root


@pytest.fixture
def world(pristine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> World:
    # Only a power cut could tell.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    root = tmp_path / "world"
    shutil.copytree(pristine, root)
    return World(root, capfd, monkeypatch)


Rows: TypeAlias = Sequence[tuple[str, Entry]]
Lie: TypeAlias = Callable[[Forger], Rows]


def in_a_dataset(rows: Lie) -> Lie:
    return lambda forger: [("data", forger.listing(rows(forger)))]


def one_path(path: str) -> Lie:
    return lambda forger: [(path, forger.file(b"evil"))]


def through_a_link(forger: Forger) -> Rows:
    between = [(f"a-{n}", forger.file(b"x")) for n in range(3)]
    return [("a", forger.link(b"../../outside")), *between, ("a/target", forger.file(b"evil"))]


def wrong_size(forger: Forger) -> Rows:
    return [("a", File(forger.file(b"four").id, 5, bytes(16)))]


def two_sizes(forger: Forger) -> Rows:
    return [("a", forger.file(b"four")), ("b", File(chunk_id(b"four"), 5, bytes(16)))]


def a_listing_as_file(forger: Forger) -> Rows:
    inner = forger.listing([("a", forger.file(b"1"))])
    return [("a", File(ChunkId(inner.id), 70, bytes(16)))]


def a_chunk_as_node(forger: Forger) -> Rows:
    return [("a", File(forger.file(b"four").id, 1 << 40, bytes(16), bytes(32)))]


def a_claim(*, size: int | None = None, count: int | None = None) -> Lie:
    return lambda forger: [("data", forger.listing([("a", forger.file(b"1"))], size=size, count=count))]


def a_dataset_of_another_size(forger: Forger) -> Rows:
    return [("data", Dataset(forger.listing([("a", forger.file(b"1"))]).id, 1 << 40, 1))]


PATHS = ["../x", "../../outside/target", "/etc/x", "a/../../x", ".git/hooks/x", ".GIT/config", "a/.git/x", ".xver/HEAD",
         "a//b", "./a", "a/.", ".g\u200cit/x", "GIT~1/x", "a\0b", "x" * 5000]  # fmt: skip
LIES: dict[str, Lie] = {
    **{f"path {path[:24]!r}": in_a_dataset(one_path(path)) for path in PATHS},
    **{f"tracked {path[:24]!r}": one_path(path) for path in PATHS},
    "rows out of order": in_a_dataset(lambda forger: [("b", forger.file(b"1")), ("a", forger.file(b"2"))]),
    "a path twice": in_a_dataset(lambda forger: [("a", forger.file(b"1")), ("a", forger.file(b"2"))]),
    "through a link": in_a_dataset(through_a_link),
    "through a tracked link": through_a_link,
    "bytes of another id": in_a_dataset(lambda forger: [("a", forger.file(b"evil", id=chunk_id(b"good")))]),
    "a size that is not the content's": in_a_dataset(wrong_size),
    "two sizes of one content": in_a_dataset(two_sizes),
    "an empty file with content": in_a_dataset(lambda forger: [("a", File(forger.file(b"four").id, 0, bytes(16)))]),
    "a listing passed for a file": in_a_dataset(a_listing_as_file),
    "a chunk passed for a large file": in_a_dataset(a_chunk_as_node),
    "more rows than there are": a_claim(count=3),
    "more bytes than there are": a_claim(size=1 << 40),
    "a dataset of another size": a_dataset_of_another_size,
}


@pytest.mark.parametrize("lie", LIES)
class TestLies:
    def test_clone(self, world: World, lie: str) -> None:
        forger = Forger(world.root / "evil")
        forger.publish(LIES[lie](forger))
        world.refused("clone", "evil", "new")
        assert not (world.root / "new").exists()

    def test_pull(self, world: World, lie: str) -> None:
        forger = world.forger
        forger.publish(LIES[lie](forger))
        world.refused("pull", folder="copy")
        world.refused("pull", "--no-checkout", folder="copy")
        assert read_tree(world.root / "copy") == HONEST


# What a lock says of a listing's size is only shown; a checkout goes by the listing.
@pytest.mark.parametrize("lie", [lie for lie in LIES if lie != "a dataset of another size"])
def test_checkout(world: World, lie: str) -> None:
    """The hostile objects are in the local store already, and `xver.lock` names them."""
    copy = world.root / "copy"
    forger = Forger(copy / ".xver" / "store")
    rows = LIES[lie](forger)
    forger.store.log.append(Change("forge", add_index=(forger.index(),)))
    lock = Lock(forger.store.repository, {TrackedPath(path): entry for path, entry in rows})
    (copy / "xver.lock").write_bytes(encode_lock(lock))
    before = everything(world.root)
    world.error("checkout", folder="copy")
    # What the store has may have given way before content turned out to be damaged; nothing is where none was.
    after = everything(world.root)
    assert after.keys() <= before.keys()
    assert all(after[name] == before[name] for name in before if not name.startswith(str(copy / "data")))

"""An `add` of a large dataset that has not changed asks for none of its files, and never when that could be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.repos import reopened, save, write_tree
from tests.support.trees import later
from xver.errors import Unreadable
from xver.model.entries import File
from xver.model.ids import ListingId
from xver.model.paths import TrackedPath
from xver.repo import Repo
from xver.settings import Remote
from xver.store.content import read_content
from xver.store.index import StoreIndex
from xver.store.listings import read_listing
from xver.store.log import Change
from xver.store.whole_listings import WholeListings
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep.evict import evict, plan_eviction
from xver.upkeep.gc import NONE, collect, marks_of
from xver.versioning import tracking
from xver.versioning.tracking import add
from xver.worktree.reading import read_file

FILES = {"d/a": b"1" * 50_000, "d/s/b": b"2" * 300_000}
ORIGIN = Remote("origin", "../remote")


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_LARGE", 2)


@pytest.fixture
def large(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    save(repo, {"other": b"a commit that keeps nothing of d"})
    write_tree(repo.root, FILES)
    with later(monkeypatch):
        add(repo, ["d"])
        yield reopened(repo)


def listing(repo: Repo) -> ListingId:
    id = repo.lock.entries[TrackedPath("d")].id  # type: ignore[union-attr]
    assert isinstance(id, bytes)
    return ListingId(id)


def test_no_file_of_it_is_asked_for(large: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {row.entry.id for row in read_listing(large.store, listing(large)) if isinstance(row.entry, File)}
    asked: list[bytes] = []
    holds = StoreIndex.__contains__

    def counting(index: StoreIndex, one: bytes) -> bool:
        asked.append(one)
        return holds(index, one)

    monkeypatch.setattr(StoreIndex, "__contains__", counting)
    add(large, ["d"])
    assert listing(large) in asked
    assert ids.isdisjoint(asked)
    (Path(large.storage.url) / "whole.json").unlink()
    add(reopened(large), ["d"])
    assert not ids.isdisjoint(asked)


def nothing_kept_it(repo: Repo) -> None:
    """No ref keeps it for a moment, in which somebody collects; the stat index knows the files throughout."""
    repo.store.move("let go", dict.fromkeys(repo.store.log.refs))
    collect(repo.store, marks_of(repo.store), NONE)


def packs_are_removed(repo: Repo) -> None:
    """As a collection may do it that leaves the index that lists them, and its name, as they are."""
    repo.store.log.append(Change("collect", remove_packs=tuple(repo.store.log.live_packs())))


def the_store_is_another(repo: Repo) -> None:
    """A new store in the place of the old one, into which somebody put the old file."""
    note = (Path(repo.storage.url) / "whole.json").read_bytes()
    for path in sorted(Path(repo.storage.url).rglob("*"), reverse=True):
        if path.is_file() and path.name != "xver.json":
            path.unlink()
    (Path(repo.storage.url) / "whole.json").write_bytes(note)


@pytest.mark.parametrize("ruin", [nothing_kept_it, packs_are_removed, the_store_is_another])
def test_what_is_not_here_any_more_is_stored_again(large: Repo, ruin: Callable[[Repo], None]) -> None:
    assert listing(large) in WholeListings(large.store)
    ruin(large)
    repo = reopened(large)
    assert listing(repo) not in WholeListings(repo.store)
    add(repo, ["d"])
    rows = {f"d/{row.path}": row.entry for row in read_listing(repo.store, listing(repo))}
    for path, data in FILES.items():
        entry = rows[path]
        assert isinstance(entry, File)
        assert b"".join(read_content(repo.store, entry.id, entry.size)) == data


def test_what_a_remote_keeps_is_not_here(large: Repo) -> None:
    save(large, {})
    push(large, ORIGIN)
    there = open_remote(large, ORIGIN)
    evict(large, there, "origin", plan_eviction(large, there))
    repo = reopened(large)
    assert listing(repo) not in WholeListings(repo.store)
    add(repo, ["d"])
    assert listing(repo) not in WholeListings(repo.store)


def test_what_could_not_be_read_was_not_seen(large: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays as it is tracked; whether its content is here nobody asked."""

    def reads(path: str, packer: object, **known: object) -> object:
        if path.endswith("a"):
            raise Unreadable(path, "Permission denied")
        return read_file(path, packer, **known)  # type: ignore[arg-type]

    monkeypatch.setattr(tracking.Here, "read", staticmethod(reads))
    (large.root / "d" / "a").write_bytes(b"changed")
    (large.root / "d" / "s" / "b").write_bytes(b"changed, too")
    skipped: list[str] = []
    add(large, ["d"], skip=lambda what, _: skipped.append(what))
    assert skipped == ["d/a"]
    assert listing(large) not in WholeListings(reopened(large).store)


def test_a_damaged_note_is_none(large: Repo) -> None:
    note = Path(large.storage.url) / "whole.json"
    for damage in (b"", b"{", b"[]", b'{"collected":1,"indexes":1}', note.read_bytes().replace(b"listings", b"things")):
        note.write_bytes(damage)
        assert listing(large) not in WholeListings(reopened(large).store)
    add(reopened(large), ["d"])
    assert listing(large) in WholeListings(reopened(large).store)

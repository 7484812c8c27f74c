"""Differences on their way: they stay differences where the other side has, or gets, what they are based on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.histories import EDITS, Edit, assert_sound, deltas, edited, table
from tests.support.repos import new_repo, read_tree, reopened, save
from tests.unit.sync.sides import ORIGIN
from xver.errors import Incomplete
from xver.format.codecs import Codec
from xver.history.reach import Edge
from xver.model.entries import File
from xver.model.ids import Kind, chunk_id
from xver.storage.memory import MemoryStorage
from xver.store.content import read_all
from xver.store.store import Store, create_store
from xver.sync.fetch import fetch, fetch_data
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import open_remote, open_remote_afresh
from xver.sync.transfer import Transfer, copy_objects
from xver.upkeep.copies import Source
from xver.upkeep.fsck import check_remote
from xver.upkeep.repair import repair
from xver.versioning.branches import switch
from xver.versioning.versions import entries_at, find_entry

OLD = table(60_000, 1)
NEW = OLD[:20_000] + b"another line\n" + OLD[20_000:]
NEWER = NEW.replace(b"oak", b"fir", 3)


def put(store: Store, data: bytes, near: bytes = b"", *, anew: bool = False) -> None:
    with store.packer(anew=anew) as packer:
        packer.put(Kind.CHUNK, data, near=[chunk_id(near)])
        store.move("test", {}, packer.finish())


def copy(source: Store, target: Store, *wanted: bytes) -> None:
    edges = [Edge(Kind.CHUNK, chunk_id(data), size=len(data)) for data in wanted]
    copied = copy_objects(source, target, edges, Transfer("copy"))
    target.move("copy", {}, copied.index)


@pytest.fixture
def source() -> Store:
    store = create_store(MemoryStorage(), client="source")
    put(store, OLD)
    put(store, NEW, near=OLD)
    put(store, NEWER, near=NEW)
    assert len(deltas(store)) == 2
    return store


@pytest.fixture
def target() -> Store:
    return create_store(MemoryStorage(), client="target")


def test_a_delta_goes_as_it_is_with_its_base_in_any_order(source: Store, target: Store) -> None:
    copy(source, target, NEWER, NEW, OLD)
    assert {place.id for place in deltas(target)} == {chunk_id(NEW), chunk_id(NEWER)}
    assert_sound(target)


def test_a_delta_goes_as_it_is_where_its_base_is(source: Store, target: Store) -> None:
    copy(source, target, OLD)
    copy(source, target, NEW)
    assert [place.id for place in deltas(target)] == [chunk_id(NEW)]
    assert_sound(target)


def test_a_delta_goes_whole_where_its_base_is_not(source: Store, target: Store) -> None:
    copy(source, target, NEW, NEWER)
    assert deltas(target) == []
    assert target.get(Kind.CHUNK, chunk_id(NEWER)) == NEWER
    assert chunk_id(OLD) not in target


def test_a_delta_goes_whole_where_its_base_is_a_delta_itself(source: Store, target: Store) -> None:
    # The other side stores our base against something of its own.
    other = OLD.replace(b"ash", b"fir", 2)
    put(target, other)
    put(target, OLD, near=other)
    copy(source, target, NEW)
    assert [place.id for place in deltas(target)] == [chunk_id(OLD)]
    assert_sound(target)


def test_a_base_of_the_same_copy_that_goes_whole_is_one(source: Store, target: Store) -> None:
    # Here the source has NEW whole as well, and NEWEST against that.
    put(source, NEW, anew=True)
    newest = NEW + b"the end\n"
    put(source, newest, near=NEW)
    copy(source, target, newest, NEW)
    assert_sound(target)
    assert target.get(Kind.CHUNK, chunk_id(newest)) == newest


def test_a_push_of_edits_is_as_small_as_they_are_and_a_clone_keeps_them(tmp_path: Path) -> None:
    first = table(600_000)
    repo = new_repo(tmp_path / "here", {"data/t.csv": first}, remote=str(tmp_path / "remote"))
    origin = repo.settings.remotes["origin"]
    push(repo, origin)
    second = edited(first, Edit("scattered edits", 0, 0, 1))
    save(repo, {"data/t.csv": second})
    assert push(repo, origin).size < 20_000
    assert deltas(open_remote(repo, origin))
    other = clone(str(tmp_path / "remote"), tmp_path / "other")
    assert read_tree(other.root) == {"data/t.csv": second}
    assert_sound(other.store)


def test_a_pull_after_an_edit_is_as_small_as_the_edit(tmp_path: Path) -> None:
    first = table(600_000)
    repo = new_repo(tmp_path / "here", {"data/t.csv": first}, remote=str(tmp_path / "remote"))
    origin = repo.settings.remotes["origin"]
    push(repo, origin)
    other = clone(str(tmp_path / "remote"), tmp_path / "other")
    save(repo, {"data/t.csv": edited(first, Edit("scattered edits", 0, 0, 1))})
    push(repo, origin)
    there = open_remote(other, origin)
    assert fetch(other, origin, there=there).size < 5_000
    entries = entries_at(other, "origin/main")
    assert fetch_data(other, origin, entries, there=there) < 20_000
    assert deltas(other.store)
    assert_sound(other.store)


@given(edits=st.lists(EDITS, min_size=2, max_size=5))
@settings(max_examples=4)
def test_every_version_reads_back_here_from_the_remote_and_from_a_clone(
    edits: list[Edit], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("history")
    data = table(400_000)
    repo = new_repo(folder / "here", remote=str(folder / "remote"))
    origin = repo.settings.remotes["origin"]
    versions = {save(repo, {"data/t": data, "data/other": b"1"}): data}
    for number, edit in enumerate(edits):
        data = edited(data, edit)
        versions[save(repo, {"data/t": data, "data/other": b"%d" % number})] = data
        push(repo, origin)
    other = clone(str(folder / "remote"), folder / "other")
    there = open_remote(other, origin)
    for commit, expected in versions.items():
        entries = entries_at(other, commit)
        fetch_data(other, origin, entries, there=there)
        entry = find_entry(repo.store, entries, "data/t")
        assert isinstance(entry, File)
        for store in (reopened(repo).store, there, other.store):
            assert read_all(store, entry.id, entry.size) == expected
    for store in (reopened(repo).store, there, other.store):
        assert_sound(store)


def test_a_push_that_heals_does_not_pass_over_differences_against_what_was_lost(tmp_path: Path) -> None:
    """What comes back as a difference itself is no base: others that need it whole are told of, and mended."""
    theirs = new_repo(tmp_path / "theirs", {"d/a": OLD}, remote=ORIGIN.url)
    push(theirs, ORIGIN)
    put(theirs.store, NEW, near=OLD)
    save(theirs, {"d/b": NEW})
    push(theirs, ORIGIN)
    there = open_remote(theirs, ORIGIN)
    lost, kept = (there.locate(chunk_id(one)) for one in (OLD, NEW))
    assert (lost.codec is Codec.DELTA, kept.codec is Codec.DELTA) == (False, True)
    ours = new_repo(tmp_path / "ours", remote=ORIGIN.url, like=theirs)
    put(ours.store, NEWER)
    put(ours.store, OLD, near=NEWER)
    save(ours, {"d/a": OLD, "d/b": NEW, "d/c": NEWER})
    switch(ours, "ours", new=True)
    (tmp_path / "remote" / lost.container.name).unlink()
    with pytest.raises(Incomplete, match="as differences against them") as caught:
        push(reopened(ours), ORIGIN)
    assert caught.value.failures == (kept.container.name,)
    assert caught.value.hint == "xver push --repair"
    with open_remote_afresh(ours, ORIGIN) as there:
        _, left = repair(there, partial(check_remote, there), [Source("ours", ours.store)])
    assert left.damage == ()
    push(reopened(ours), ORIGIN)
    assert open_remote(theirs, ORIGIN).get(Kind.CHUNK, chunk_id(NEW)) == NEW

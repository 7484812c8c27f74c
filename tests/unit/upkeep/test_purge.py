"""Purging: the bytes are in no file afterwards, in no form; all that is not purged is whole; nothing comes back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, save, write_tree
from xver.errors import InvalidInput, NotFound, Purged, XverError
from xver.format.codecs import Codec
from xver.format.packs import TAIL_SIZE, decode_footer, footer_size
from xver.history.reach import reach, target_edge
from xver.model.ids import EMPTY_ID, Kind, chunk_id
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.base import Part, Storage
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage
from xver.store import replacing
from xver.store.log import Change
from xver.store.store import Store, open_store
from xver.sync.fetch import fetch
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep import purging
from xver.upkeep.fsck import check
from xver.upkeep.gc import marks_of
from xver.upkeep.purge import erase
from xver.upkeep.purging import Place, followed, named
from xver.upkeep.rebuild import rebuild_index
from xver.upkeep.traces import contents_of, find, reached
from xver.versioning.logs import log
from xver.versioning.purged import purged_paths
from xver.versioning.tracking import add

RNG = random.Random(7)
SECRET = RNG.randbytes(5_000)
LARGE = RNG.randbytes(900_000)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work", remote="../remote")


def purge(
    repo: Repo, *what: str, remote: bool = False, keep: Sequence[str] = (), follow: str | None = None
) -> dict[str, object]:
    places = [Place("here", repo.store, repo)]
    if remote:
        places.append(Place("origin", open_remote(repo, origin(repo))))
    if follow is None:
        wanted = named(repo, places, what, keep, start=repo.root)
    else:
        wanted = followed(repo, open_remote(repo, repo.settings.remotes[follow]))
    record, _ = purging.purge(repo, places, wanted)
    return record


def stored_ids(storage: Storage) -> set[bytes]:
    """Return the ids of all frames in all packs that are there, live or not."""
    found = set()
    for stat in storage.list("packs/"):
        length = footer_size(storage.get(stat.key, Part(-TAIL_SIZE, TAIL_SIZE)))
        found |= {frame.id for frame in decode_footer(storage.get(stat.key, Part(-length, length)), stat.size)}
    return found


def is_anywhere(storage: Storage, data: bytes) -> bool:
    """Tell whether a piece of incompressible data lies anywhere in the files of a store."""
    pieces = [data[at : at + 64] for at in range(0, len(data) - 64, 4096)]
    return any(piece in storage.get(stat.key) for stat in storage.list("") for piece in pieces)


def assert_whole(store: Store) -> None:
    """Read every object of a store."""
    for id in set(store.index.ids()):
        place = store.locate(id)
        store.get(place.kind, id)


def there(repo: Repo) -> Store:
    return open_store(LocalStorage(repo.root.parent / "remote"), client="test")


def origin(repo: Repo) -> Remote:
    return repo.settings.remotes["origin"]


def test_every_version_of_a_path_is_in_no_file_any_more(repo: Repo) -> None:
    secrets = [RNG.randbytes(3_000), RNG.randbytes(700_000)]
    for n, data in enumerate(secrets):
        save(repo, {"data/secret": data, "data/other": f"other {n}".encode(), "note": b"x"})
    assert all(is_anywhere(repo.storage, data) for data in secrets)
    record = purge(repo, "data/secret")
    assert not any(is_anywhere(repo.storage, data) for data in secrets)
    assert len(record["contents"]) == 2  # type: ignore[arg-type]
    fresh = Repo(repo.places)
    assert set(stored_ids(repo.storage)) == set(fresh.store.index.ids())
    assert_whole(fresh.store)
    assert check(fresh).problems == ()
    assert [one.message for one in log(fresh)] == ["a version", "a version"]
    assert list(purged_paths(fresh)) == ["data/secret"]


def test_deltas_against_what_is_purged_are_written_whole(repo: Repo) -> None:
    first = RNG.randbytes(60_000)
    second = first[:30_000] + b"one more row" + first[30_000:]
    save(repo, {"data/table": first})
    save(repo, {"data/table": second})
    place = repo.store.locate(chunk_id(second))
    assert place.codec is Codec.DELTA, "this test needs a delta to prove anything"
    purge(repo, f"b3:{chunk_id(first).hex()}")
    fresh = Repo(repo.places)
    assert fresh.store.locate(chunk_id(second)).codec is not Codec.DELTA
    assert fresh.store.get(place.kind, chunk_id(second)) == second
    assert chunk_id(first) not in stored_ids(repo.storage)


def test_a_delta_that_is_purged_goes_and_its_base_stays(repo: Repo) -> None:
    first = RNG.randbytes(60_000)
    second = first[:30_000] + b"one more row" + first[30_000:]
    save(repo, {"data/table": first})
    save(repo, {"data/table": second})
    purge(repo, f"b3:{chunk_id(second).hex()}")
    assert chunk_id(second) not in stored_ids(repo.storage)
    assert_whole(Repo(repo.places).store)
    assert chunk_id(first) in Repo(repo.places).store


def test_what_others_need_stays_and_is_told(repo: Repo) -> None:
    save(repo, {"data/secret": LARGE, "data/copy": LARGE[:400_000] + b"more", "data/same": SECRET, "data/x": SECRET})
    record = purge(repo, "data/secret", "data/x")
    fresh = Repo(repo.places)
    entries = fresh.lock.entries
    assert chunk_id(SECRET) in fresh.store, "the same content under another path was not named"
    for path in ("data/copy", "data/same"):
        for id in contents_of(fresh.store, entries, path):
            assert id in fresh.store
    used = {one["used_by"] for one in record["shared"]}  # type: ignore[attr-defined]
    assert used == {"data/copy", "data/same"}
    assert_whole(fresh.store)
    assert check(fresh).problems == ()


def test_by_id_it_goes_under_every_name_and_chunks_of_others_stay(repo: Repo) -> None:
    small = LARGE[:200_000]
    save(repo, {"data/one": small, "data/two": small, "data/three": SECRET})
    purge(repo, f"b3:{chunk_id(small).hex()}")
    fresh = Repo(repo.places)
    assert chunk_id(small) not in stored_ids(repo.storage)
    assert sorted(purged_paths(fresh)) == ["data/one", "data/two"]
    assert chunk_id(SECRET) in fresh.store


@pytest.mark.parametrize("merged", [False, True], ids=["two indexes", "one index"])
def test_what_two_stored_at_once_goes_from_both_packs(
    repo: Repo, merged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [RNG.randbytes(9_000) for _ in range(2)]
    writers = [open_store(repo.store.storage, client=f"writer {number}") for number in range(2)]
    indexes = []
    for writer, data in zip(writers, own, strict=True):
        with writer.packer() as packer:
            packer.put(Kind.CHUNK, SECRET)
            packer.put(Kind.CHUNK, data)
            indexes.append(packer.finish())
    if merged:
        monkeypatch.setattr(replacing, "_MERGE_AT", 2)
    for writer, index in zip(writers, indexes, strict=True):
        writer.move("test", {}, index)
    save(repo, {"secret": SECRET, "one": own[0], "two": own[1]})
    held = [name for name in repo.store.log.live_packs() if SECRET[:64] in repo.store.storage.get(name)]
    assert len(held) == 2
    purge(repo, "secret")
    assert not is_anywhere(repo.store.storage, SECRET)
    assert chunk_id(SECRET) not in stored_ids(repo.store.storage)
    assert check(repo).problems == ()


def test_a_version_can_be_spared(repo: Repo) -> None:
    rows = [RNG.randbytes(40_000) for _ in range(20)]
    person = RNG.randbytes(40_000)
    save(repo, {"data/people": b"".join([*rows[:10], person, *rows[10:]])})
    save(repo, {"data/people": b"".join(rows)})
    purge(repo, "data/people", keep=["HEAD"])
    assert not is_anywhere(repo.storage, person[8_000:32_000])
    fresh = Repo(repo.places)
    assert list(purged_paths(fresh)) == []
    assert (
        check(
            fresh,
        ).problems
        == ()
    )
    (repo.root / "data" / "people").unlink()
    pull_free = Repo(repo.places)
    from xver.versioning.restoring import checkout

    checkout(pull_free)
    assert read_tree(repo.root)["data/people"] == b"".join(rows)


def test_what_was_purged_cannot_be_added_again_not_even_as_a_part(repo: Repo) -> None:
    save(repo, {"data/secret": LARGE, "data/other": b"1"})
    purge(repo, "data/secret")
    fresh = Repo(repo.places)
    write_tree(fresh.root, {"data/again": LARGE})
    with pytest.raises(Purged, match="again was purged"):
        add(fresh, ["data"])
    write_tree(fresh.root, {"data/again": LARGE + b"and more"})
    with pytest.raises(Purged):
        add(fresh, ["data"])
    (fresh.root / "data" / "again").unlink()
    (fresh.root / "data" / "secret").unlink()
    add(fresh, ["data"])
    assert not is_anywhere(fresh.storage, LARGE)


def test_a_remote_and_everybody_who_has_it(repo: Repo) -> None:
    save(repo, {"data/secret": SECRET, "data/other": b"1"})
    push(repo, origin(repo))
    other = clone(str(repo.root.parent / "remote"), repo.root.parent / "other")
    purge(repo, "data/secret", remote=True)
    assert not is_anywhere(there(repo).storage, SECRET)
    assert_whole(there(repo))
    # Another clone still has it, is told, and never sends it again.
    assert fetch(other, origin(other)).purged == 1
    save(other, {"data/new": b"2"})
    push(other, origin(other))
    assert not is_anywhere(there(repo).storage, SECRET)
    purge(Repo(other.places), follow="origin")
    assert not is_anywhere(other.storage, SECRET)
    assert fetch(Repo(other.places), origin(other)).purged == 0
    third = clone(str(repo.root.parent / "remote"), repo.root.parent / "third")
    assert read_tree(third.root) == {"data/other": b"1", "data/new": b"2"}
    assert list(purged_paths(third)) == ["data/secret"]
    assert check(third).problems == ()
    pull(third, origin(third))


def test_a_push_that_is_under_way_does_not_bring_it_back(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    save(repo, {"data/secret": SECRET, "data/other": b"1"})
    push(repo, origin(repo))
    other = clone(str(repo.root.parent / "remote"), repo.root.parent / "other")
    save(other, {"data/again": SECRET[::-1], "data/moved": SECRET})
    gone = [SECRET, SECRET[::-1]]
    ids = [chunk_id(data) for data in gone]
    real = Store.commit
    done: list[int] = []

    def commit(self: Store, change: Change, **options: object) -> int:
        if not done and change.operation.startswith("push"):
            done.append(1)
            # Everything is uploaded, and the entry is about to be created.
            store = there(repo)
            erase(store, lambda: ids, marks_of(store))
        return real(self, change, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "commit", commit)
    push(other, origin(other))
    assert done
    assert not any(is_anywhere(there(repo).storage, data) for data in gone)
    assert not stored_ids(there(repo).storage) & set(ids)
    assert_whole(there(repo))
    assert check(clone(str(repo.root.parent / "remote"), repo.root.parent / "third")).problems == ()


def _erase_secret(store: Store) -> None:
    erase(store, lambda: reached(store, find(store, ["data/secret"])).erased, marks_of(store))


def test_wherever_it_breaks_off_the_next_one_ends_it(repo: Repo) -> None:
    save(repo, {"data/secret": SECRET, "data/other": b"1" * 100})
    save(repo, {"data/secret": SECRET[::-1] + LARGE[:300_000], "data/other": LARGE[300_000:600_000]})
    files = {stat.key: repo.storage.get(stat.key) for stat in repo.storage.list("")}
    n, fired = 0, True
    while fired:
        n += 1
        inner = MemoryStorage()
        for key, data in files.items():
            inner.put(key, data)
        faulty = FaultyStorage(inner, fail_at=n, loses_answer=n % 2 == 0)
        try:
            _erase_secret(open_store(faulty, client="test"))
        except XverError:
            assert_whole(open_store(inner, client="test"))
        fired = faulty.fired
        _erase_secret(open_store(inner, client="test"))
        assert not is_anywhere(inner, SECRET)
        assert not is_anywhere(inner, SECRET[::-1])
        store = open_store(inner, client="test")
        assert stored_ids(inner) == set(store.index.ids())
        assert_whole(store)
        reach(store, [target_edge(target) for target in store.log.refs.values()])
    assert n > 10


def test_indexes_made_anew_after_a_purge_that_broke_off_list_what_deltas_need(repo: Repo) -> None:
    first = RNG.randbytes(60_000)
    second = first[:30_000] + b"one more row" + first[30_000:]
    save(repo, {"data/table": first})
    save(repo, {"data/table": second})
    assert repo.store.locate(chunk_id(second)).codec is Codec.DELTA, "this test needs a delta to prove anything"
    files = {stat.key: repo.storage.get(stat.key) for stat in repo.storage.list("")}

    def erase_first(store: Store) -> None:
        erase(store, lambda: reached(store, find(store, [], [chunk_id(first)])).erased, marks_of(store))

    n, fired, halves = 0, True, 0
    while fired:
        n += 1
        inner = MemoryStorage()
        for key, data in files.items():
            inner.put(key, data)
        faulty = FaultyStorage(inner, fail_at=n, loses_answer=n % 2 == 0)
        with suppress(XverError):
            erase_first(open_store(faulty, client="test"))
        fired = faulty.fired
        rebuild_index(open_store(inner, client="test"))
        store = open_store(inner, client="test")
        assert store.get(Kind.CHUNK, chunk_id(second)) == second
        halves += bool(store.log.tombstones) and chunk_id(first) in store
        erase_first(store)
        assert open_store(inner, client="test").get(Kind.CHUNK, chunk_id(second)) == second
        assert chunk_id(first) not in stored_ids(inner)
    assert halves > 0


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_purged_all_else_stays_whole(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    repo = new_repo(tmp_path / "work")
    base = rng.randbytes(400_000)
    for n in range(5):
        files = {}
        for name in rng.sample("abcdef", 3):
            at = rng.randrange(len(base))
            data = rng.choice([base[:at], base[at:] + base[:at], rng.randbytes(2_000), base[: at // 8], b"same"])
            files[f"data/{rng.choice(['s/', ''])}{name}"] = data
        for path in files:
            (repo.root / path.replace("/s/", "/")).unlink(missing_ok=True)
        save(repo, {**files, "data/n": str(n).encode()})
    versions = [one.id for one in log(repo)]
    doomed = rng.choice(["data/a", "data/s", "data/b", "data/c", "data/n"])
    from xver.versioning.versions import entries_at

    before = {v: {p: contents_of(repo.store, entries_at(repo, v), p) for p in ("data",)} for v in versions}
    named = {v: contents_of(repo.store, entries_at(repo, v), doomed) for v in versions}
    try:
        purge(repo, doomed)
    except NotFound:
        assert not any(named.values())
        return
    fresh = Repo(repo.places)
    assert_whole(fresh.store)
    assert check(fresh).problems == ()
    all_named = set().union(*named.values())
    for version in versions:
        for id in before[version]["data"] - all_named - {EMPTY_ID}:
            assert id in fresh.store


def test_what_is_not_there_or_no_content_is_refused(repo: Repo) -> None:
    save(repo, {"data/a": b"1"})
    with pytest.raises(NotFound):
        purge(repo, "data/nothing")
    with pytest.raises(NotFound):
        purge(repo, "b3:0123456789")
    with pytest.raises(InvalidInput, match="too short"):
        purge(repo, "b3:0123")
    with pytest.raises(InvalidInput, match="only content"):
        purge(repo, f"b3:{repo.store.log.refs['heads/main'].id.hex()}")
    with pytest.raises(InvalidInput, match="whole repository"):
        purge(repo, ".")
    assert repo.store.log.tombstones == set()

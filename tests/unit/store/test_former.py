"""A new version against the one before: what changed costs its difference, wherever it moved to."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.histories import EDITS, Edit, assert_sound, deltas, edited, table
from xver.format.codecs import Codec
from xver.format.listings import Row
from xver.model.entries import Dataset, File
from xver.model.ids import Kind, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store import former
from xver.store.content import Content, put_bytes, put_stream, read_all
from xver.store.listings import RowFinder, put_listing, read_listing
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.store import Store, create_store

TABLE = table(2_000_000)
LINE = TABLE.index(b"\n", 1_000_000) + 1


def transfer(store: Store, work: Callable[[Packer], Content]) -> tuple[Content, int]:
    """Do one transfer; return what was stored and the bytes its packs and index took."""
    with store.packer() as packer:
        content = work(packer)
        index = packer.finish()
    if index is None:
        return content, 0
    store.commit(Change("test", add_index=(index,)))
    return content, sum(index.packs.values()) + index.size


def version(store: Store, data: bytes, before: Content | None = None) -> tuple[Content, int]:
    stood = None if before is None else (before.id, before.size)
    return transfer(store, lambda packer: put_bytes(packer, data, before=lambda: stood))


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        (lambda data: data + table(5_000, 9), 10_000),
        (lambda data: edited(data, Edit("scattered edits", 0, 0, 1)), 12_000),
        (lambda data: data[:LINE] + data[LINE + 100_000 :], 5_000),
        (lambda data: data[:LINE] + b"one more line\n" + data[LINE:], 5_000),
        (lambda data: b"one more line\n" + data, 5_000),
        (lambda data: b"".join(b"%d\n" % at for at in range(300)) + data, 6_000),
        (lambda data: data[LINE : LINE + 400_000] + data[:LINE] + data[LINE + 400_000 :], 8_000),
        (lambda data: data[1_900_000:] + data[:1_900_000], 8_000),
        (lambda data: data[LINE:LINE + 300_000] * 2 + data, 8_000),
        (lambda data: data[:200_000], 3_000),
        (lambda data: data[: len(data) // 2], 4_000),
    ],
    ids=[
        "append",
        "scattered edits",
        "delete",
        "insert",
        "insert in front",
        "insert some lines in front",
        "move a block to the front",
        "rotate",
        "a copy of a block",
        "shrink to one chunk",
        "cut off",
    ],
)  # fmt: skip
def test_a_change_costs_its_difference(store: Store, change: Callable[[bytes], bytes], limit: int) -> None:
    before, whole = version(store, TABLE)
    data = change(TABLE)
    after, size = version(store, data, before)
    assert read_all(store, after.id, after.size) == data
    assert whole > 500_000
    assert size < limit
    assert_sound(store)


def test_a_file_of_one_chunk_takes_the_one_before(store: Store) -> None:
    before, _ = version(store, TABLE[:100_000])
    _, size = version(store, TABLE[:50_000] + b"new\n" + TABLE[50_000:100_000], before)
    assert size < 2_500


def test_a_file_that_grows_from_one_chunk_takes_it(store: Store) -> None:
    before, _ = version(store, TABLE[:200_000])
    _, alone = version(create_store(MemoryStorage(), client="test"), TABLE[:400_000])
    _, size = version(store, TABLE[:400_000], before)
    assert size < alone * 0.8
    assert deltas(store)


def test_without_a_version_before_nothing_is_a_delta(store: Store) -> None:
    version(store, TABLE)
    version(store, b"one more line\n" + TABLE)
    assert deltas(store) == []


def test_what_is_not_here_of_the_version_before_gives_no_hints(store: Store) -> None:
    elsewhere = create_store(MemoryStorage(), client="test")
    before, _ = version(elsewhere, TABLE)
    after, _ = version(store, b"one more line\n" + TABLE, before)
    assert read_all(store, after.id, after.size) == b"one more line\n" + TABLE
    assert deltas(store) == []


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_what_is_unchanged_and_not_here_is_stored(store: Store, size: int) -> None:
    data = TABLE[:size]
    before, _ = version(store, data)
    lost = {store.locate(id).container.name for id in store.index.ids() if store.locate(id).kind is Kind.CHUNK}
    store.index.avoid(frozenset(lost))
    after, _ = version(store, data, before)
    assert after == before
    assert read_all(store, after.id, after.size) == data


def test_nodes_of_a_long_file_are_deltas_too(store: Store) -> None:
    noise = random.Random(3)
    # So many chunks that there are two levels of nodes.
    data = b"".join(noise.randbytes(65_536) for _ in range(150))
    chunks = [data[at : at + 16_384] for at in range(0, len(data), 16_384)]

    def put(parts: list[bytes], before: tuple[bytes, int] | None) -> Callable[[Packer], Content]:
        def work(packer: Packer) -> Content:
            return put_stream(packer, parts, before=lambda: before)

        return work

    first, _ = transfer(store, put(chunks, None))
    changed = [*chunks[:300], noise.randbytes(16_384), *chunks[300:]]
    second, size = transfer(store, put(changed, (first.id, first.size)))
    assert read_all(store, second.id, second.size) == b"".join(changed)
    assert any(place.kind is Kind.NODE for place in deltas(store))
    assert size < 300_000


def test_the_version_before_is_walked_as_far_as_needed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # With a window of a few chunks hints are right as long as what moved moved within it.
    monkeypatch.setattr(former, "_AHEAD", 8)
    monkeypatch.setattr(former, "_BEHIND", 4)
    before, _ = version(store, TABLE)
    data = edited(b"one more line\n" + TABLE, Edit("scattered edits", 0, 0, 1))
    after, size = version(store, data, before)
    assert read_all(store, after.id, after.size) == data
    assert size < 20_000


def test_what_occurs_twice_does_not_mislead(store: Store) -> None:
    zeros = bytes(3_000_000)
    data = TABLE[:1_000_000] + zeros + TABLE[1_000_000:]
    before, _ = version(store, data)
    changed = data.replace(b"oak", b"fir", 40)[:-100_000] + b"the end\n"
    after, size = version(store, changed, before)
    assert read_all(store, after.id, after.size) == changed
    assert size < 12_000


@given(edits=st.lists(EDITS, min_size=1, max_size=6))
@settings(max_examples=12)
def test_every_version_of_any_history_reads_back(edits: list[Edit]) -> None:
    store = create_store(MemoryStorage(), client="test")
    data = TABLE[:700_000]
    content, _ = version(store, data)
    versions = {content: data}
    for edit in edits:
        data = edited(data, edit)
        content, _ = version(store, data, content)
        versions[content] = data
    for one, bytes_ in versions.items():
        assert read_all(store, one.id, one.size) == bytes_
    assert_sound(store)


def rows(number: int, changed: Iterable[int] = ()) -> list[Row]:
    contents = {at: b"%d" % at for at in range(number)} | {at: b"other %d" % at for at in changed}
    entries = {TrackedPath(f"img/{at:06}.png"): data for at, data in contents.items()}
    return [Row(path, File(chunk_id(data), len(data), fingerprint(data))) for path, data in entries.items()]


def listed(store: Store, found: list[Row], before: Dataset | None = None) -> tuple[Dataset, int]:
    with store.packer() as packer:
        dataset = put_listing(packer, found, before=before)
        index = packer.finish()
    assert index is not None
    store.commit(Change("test", add_index=(index,)))
    return dataset, sum(index.packs.values()) + index.size


def test_one_changed_row_of_many_costs_its_difference(store: Store) -> None:
    first, whole = listed(store, rows(20_000))
    assert whole > 900_000
    for at in (0, 10_000, 19_999):
        second, size = listed(store, rows(20_000, [at]), first)
        assert list(read_listing(store, second.id)) == rows(20_000, [at])
        assert size < 2_500
    assert {place.kind for place in deltas(store)} == {Kind.BLOCK, Kind.LISTING}


def test_rows_that_come_and_go_cost_their_difference(store: Store) -> None:
    all_rows = rows(20_000)
    first, _ = listed(store, all_rows)
    fewer = all_rows[:5_000] + all_rows[5_300:]
    second, size = listed(store, fewer, first)
    assert size < 4_000
    _, size = listed(store, [*rows(20_000, [3]), *rows(20_010)[20_000:]], second)
    assert size < 40_000
    assert_sound(store)


def test_rows_are_found_one_by_one(store: Store) -> None:
    dataset, _ = listed(store, rows(5_000))
    finder = RowFinder(store.get, dataset.id)
    wanted = random.Random(1).sample(rows(5_000), 50)
    assert [finder.find(row.path) for row in wanted] == [row.entry for row in wanted]
    for path in ("", "a", "img/000001.pn", "img/000001.png/x", "zzz"):
        assert finder.find(path) is None
    empty = put_listing(None, [])
    with store.packer() as packer:
        assert put_listing(packer, []) == empty
        store.move("test", {}, packer.finish())
    assert RowFinder(store.get, empty.id).find("a") is None


def test_the_groups_of_floats_are_read_back(store: Store) -> None:
    draw = random.Random(1)
    data = struct.pack("<200000f", *(draw.gauss(0, 0.02) for _ in range(200_000)))
    content, size = version(store, data)
    assert read_all(store, content.id, content.size) == data
    assert size < len(data) * 0.88
    codecs = {store.locate(id).codec for id in store.index.ids() if store.locate(id).kind is Kind.CHUNK}
    assert codecs == {Codec.GROUPED}

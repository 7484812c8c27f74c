"""The bytes of format version 1, of every kind of structure, with their ids.

`golden.txt` holds them. They may change, together with docs/format.md, until the format is frozen (at the end of part 2
of the project), and never afterwards: what is stored today has to be read for ever. To write them anew on purpose:

    XVER_WRITE_GOLDEN=1 python -m pytest tests/format/test_golden.py
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from tests.support import samples
from xver.format.codecs import Codec, delta_bases
from xver.format.indexes import PackIndex
from xver.format.listing_builder import ListingBuilder
from xver.format.listings import Row, decode_block, decode_index
from xver.format.lockfile import decode_lock
from xver.format.log_entries import decode_checkpoint, decode_entry, encode_checkpoint, encode_entry
from xver.format.nodes import decode_node, encode_node
from xver.format.packs import TAIL_SIZE, decode_footer, decode_frame, footer_size
from xver.format.runs import decode_run, encode_run
from xver.format.snapshots import decode_snapshot, encode_snapshot
from xver.model.entries import Dataset
from xver.model.ids import BlockId, Kind, ListingId, chunk_id, object_id
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.store import MARKER, create_store

FILE: Final = Path(__file__).with_name("golden.txt")
SWITCH: Final = "XVER_WRITE_GOLDEN"
HEADER: Final = "# Bytes of format version 1; tests/format/test_golden.py says when they may change.\n"
WIDTH: Final = 112
BYTES: Final[dict[str, bytes]] = {
    "chunk": samples.CHUNK,
    "node": samples.NODE,
    "block": samples.BLOCK,
    "listing": samples.LISTING,
    "snapshot": samples.SNAPSHOT,
    "run": samples.RUN,
    "import": samples.IMPORT,
    "pack": samples.PACK,
    "index": samples.INDEX,
    "log entry": samples.ENTRY,
    "checkpoint": samples.CHECKPOINT,
    "xver.json": samples.MARKER,
    "xver.lock": samples.LOCK,
}


def listing_of(number: int) -> Dataset:
    """Identify a listing of this many rows, of the kinds of the samples in turn."""
    entries = list(samples.ENTRIES.values())
    builder = ListingBuilder(
        lambda data, *_: BlockId(object_id(Kind.BLOCK, data)), lambda data: ListingId(object_id(Kind.LISTING, data))
    )
    builder.add_all(Row(TrackedPath(f"{at:06}"), entries[at % len(entries)]) for at in range(number))
    return builder.finish()


IDS: Final[dict[str, str]] = {
    "chunk id": chunk_id(samples.CHUNK).hex(),
    "node id": object_id(Kind.NODE, samples.NODE).hex(),
    "block id": object_id(Kind.BLOCK, samples.BLOCK).hex(),
    "listing index id": object_id(Kind.LISTING, samples.LISTING).hex(),
    "snapshot id": object_id(Kind.SNAPSHOT, samples.SNAPSHOT).hex(),
    "run id": object_id(Kind.RUN, samples.RUN).hex(),
    "id of an empty listing": listing_of(0).id.hex(),
    "id of a listing of 10,000 rows": listing_of(10_000).id.hex(),
}


def written() -> str:
    parts = [HEADER]
    for name, id in IDS.items():
        parts.append(f"\n{name}\n  {id}\n")
    for name, data in BYTES.items():
        digits = data.hex()
        lines = [digits[at : at + WIDTH] for at in range(0, len(digits), WIDTH)]
        parts.append(f"\nbytes of {name}\n" + "".join(f"  {line}\n" for line in lines))
    return "".join(parts)


def golden() -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in FILE.read_text(encoding="ascii").splitlines():
        if line.startswith("  "):
            found[name] += line.strip()
        elif line and not line.startswith("#"):
            name = line
            assert name not in found
            found[name] = ""
    return found


@pytest.fixture(scope="module", autouse=True)
def write_golden_bytes_when_told_to() -> None:
    if os.environ.get(SWITCH) == "1":
        FILE.write_text(written(), encoding="ascii", newline="\n")


def test_the_golden_file_names_every_structure_and_nothing_else() -> None:
    assert set(golden()) == {*IDS, *(f"bytes of {name}" for name in BYTES)}


@pytest.mark.parametrize("name", IDS)
def test_an_id_is_what_it_always_was(name: str) -> None:
    assert IDS[name] == golden()[name]


@pytest.mark.parametrize("name", BYTES)
def test_bytes_are_written_as_they_always_were(name: str) -> None:
    assert BYTES[name].hex() == golden()[f"bytes of {name}"]


def old(name: str) -> bytes:
    return bytes.fromhex(golden()[f"bytes of {name}"])


def test_old_objects_are_read_and_written_alike() -> None:
    node = decode_node(old("node"))
    assert encode_node(node.level, node.children) == old("node")
    assert decode_block(old("block")) == samples.ROWS
    assert decode_index(old("listing")).children[0].id.hex() == golden()["block id"]
    assert encode_snapshot(decode_snapshot(old("snapshot"))) == old("snapshot")
    assert encode_run(decode_run(old("run"))) == old("run")
    assert encode_run(decode_run(old("import"))) == old("import")
    assert encode_entry(decode_entry(old("log entry"))) == old("log entry")
    assert encode_checkpoint(decode_checkpoint(old("checkpoint"))) == old("checkpoint")
    assert dict(decode_lock(old("xver.lock")).entries) == samples.ENTRIES


def test_an_old_pack_gives_an_object_by_each_codec() -> None:
    pack = old("pack")
    frames = decode_footer(pack[-footer_size(pack[-TAIL_SIZE:]) :], len(pack))
    assert [frame.codec for frame in frames] == [Codec.ZSTD, Codec.DELTA, Codec.RAW, Codec.GROUPED]
    found: dict[bytes, bytes] = {}
    for one in frames:
        stored = pack[one.offset : one.offset + one.stored]
        bases = b"".join(found[id] for id in delta_bases(stored)) if one.codec is Codec.DELTA else None
        found[one.id] = bytes(
            decode_frame(stored, id=one.id, kind=one.kind, codec=one.codec, raw=one.raw, dictionary=bases)
        )
    assert list(found.values()) == [samples.CHUNK, samples.EDITED, samples.NODE, samples.FLOATS]


def test_an_old_index_finds_what_its_pack_holds() -> None:
    index = PackIndex(old("index"))
    index.verify()
    places = [index.find(frame.id) for frame in samples.FRAMES]
    assert [place and (place.offset, place.stored, place.raw, place.kind, place.codec) for place in places] == [
        (one.offset, one.stored, one.raw, one.kind, one.codec) for one in samples.FRAMES
    ]
    assert index.bases(chunk_id(samples.EDITED)) == (samples.CHUNK_ID,)


def test_a_store_is_marked_as_it_always_was() -> None:
    storage = MemoryStorage()
    create_store(storage, client="test", repository="5d0c8c1e-0000-4000-8000-000000000000")
    assert storage.get(MARKER) == old("xver.json")


def test_golden_bytes_are_written_only_when_told_to() -> None:
    assert os.environ.get(SWITCH) in (None, "", "0"), "written: run once more without the switch"

"""A valid value of every kind of structure, encoded: the seeds of hostile bytes, and what the golden bytes pin."""

from __future__ import annotations

import struct
from typing import Final

from xver.format.canonical import encode_json
from xver.format.codecs import Codec, encode_delta
from xver.format.indexes import Container, Place, encode_index
from xver.format.listings import Child, Row, encode_block
from xver.format.listings import encode_index as encode_listing_index
from xver.format.lockfile import Lock, encode_lock
from xver.format.log_entries import Checkpoint, LiveIndex, LogEntry, encode_checkpoint, encode_entry
from xver.format.nodes import encode_node
from xver.format.packs import HEADER, Frame, encode_footer
from xver.format.runs import encode_run
from xver.format.snapshots import encode_snapshot
from xver.model.entries import CHUNK_MAX, Dataset, Entry, External, File, Link
from xver.model.ids import (
    EMPTY_ID,
    BlockId,
    ChunkId,
    Kind,
    ListingId,
    SnapshotId,
    checksum,
    chunk_id,
    fingerprint,
    object_id,
)
from xver.model.paths import TrackedPath
from xver.model.refs import Target, TargetKind
from xver.model.runs import Attachment, Code, Evidence, Input, Metric, Output, Run, Source, State, Status
from xver.model.snapshots import Author, Snapshot

CHUNK: Final = b"id,label\n" + b"".join(b"%d,cat\n" % at for at in range(100))
EDITED: Final = CHUNK.replace(b"\n50,cat\n", b"\n50,dog\n")
CHUNK_ID: Final = chunk_id(CHUNK)
# Compressed bytes depend on the version of the zstd library: these are kept, not made anew.
ZSTD: Final = bytes.fromhex(
    "28b52ffd60bb01cd030072071414c0251d2eb0be35d2ea73494a29534ad62bfe0c01a32803f9ffffff7f7777777767666666665655555555"
    "454444444464dbb66db76ddbb6244992e4ccccccccfcacc8e58ca20c44188400500812180462a821fcfa6fd04b7510227ec202850a8c24c8"
    "3e626c11628710760f828039f8c0c7e0892355"
)
DELTA: Final = bytes.fromhex("28b52ffd60bb0175000018646f67020055409d2e5faa0002")

FLOATS: Final = b"".join(struct.pack("<f", (at - 32) * 0.37) for at in range(64))
GROUPED: Final = bytes.fromhex(
    "043e0000003e000000400000002300000028b52ffd2040ad010002440c11e0e968155e472abcc22778013e95aaf40ec34443011e322f476c"
    "2dd2cfe54d1bd8f459df895533b9724387a042850d070028b52ffd2040ad010002440c11e0e9aaacc3799554399ae84a6025e1c11dc38acd"
    "0186223f246a3ed6a9e6cb16b4ece9d28b67aba0735281e08c8b8d06003d37312b251f19140e0802f8ece0d5c9bdb1a5998e826c553d250e"
    "ecbd8e3dbd00bd3d8ebdec0e253d556c828e99a5b1bdc9d5e0ecf802080e14191f252b313728b52ffd2040d5000080c1c0bfbfbfbfbe003e"
    "3f3f3f3f40414104100004eeb2dfc606"
)


def _id(number: int) -> bytes:
    return bytes([number]) * 32


NODE: Final = encode_node(1, [(CHUNK_ID, len(CHUNK)), (_id(2), CHUNK_MAX), (_id(3), 1)])
ENTRIES: Final[dict[TrackedPath, Entry]] = {
    TrackedPath(".hidden"): File(EMPTY_ID, 0, fingerprint(b"")),
    TrackedPath('a "b"\n'): File(CHUNK_ID, len(CHUNK), fingerprint(CHUNK)),
    TrackedPath("data/raw"): Dataset(ListingId(_id(4)), 812, 3),
    TrackedPath("model.bin"): File(ChunkId(_id(5)), CHUNK_MAX + 1, bytes(range(16)), sha256=bytes(range(32))),
    TrackedPath("run.sh"): File(ChunkId(_id(6)), 7, bytes(range(16)), executable=True),
    TrackedPath("to"): Link(ChunkId(_id(7)), 4),
    TrackedPath("url"): External("https://example.com/é", '"v1"', 9),
    TrackedPath("\u00fc/e\u0301"): File(ChunkId(_id(8)), 1, bytes(16)),
}
ROWS: Final = [Row(path, ENTRIES[path]) for path in sorted(ENTRIES, key=str.encode)]
BLOCK: Final = encode_block(ROWS)
LISTING: Final = encode_listing_index(
    1,
    [
        Child(ROWS[0].path.encode(), len(ROWS), sum(row.entry.size for row in ROWS), object_id(Kind.BLOCK, BLOCK)),
        Child("\u00ff".encode(), 128, 5000, BlockId(_id(9))),
    ],
)
SNAPSHOT: Final = encode_snapshot(
    Snapshot(
        root=ListingId(object_id(Kind.LISTING, LISTING)),
        parents=(SnapshotId(_id(10)), SnapshotId(_id(11))),
        author=Author("Ada Łovelace", "ada@example.com"),
        time=1_700_000_000,
        offset=-90,
        message="raw data\n\nwith a body\n",
        git="5c1e0aa0" * 5,
    )
)
RUN: Final = encode_run(
    Run(
        ulid="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        name="brisk-heron-17",
        status=Status.OK,
        command=("python", "train.py", "--lr", "0.01"),
        directory="src",
        started=1_700_000_000_123,
        duration=31_000,
        user="ada",
        host="engine",
        exit_code=0,
        parent="01BX5ZZKBKACTAV9WEVGEMMVRZ",
        code=Code(
            "5c1e0aa0" * 5, "main", True, Attachment(CHUNK_ID, 9), {"train.py": Attachment(CHUNK_ID, 5)}, "git@x:y"
        ),
        environment={"python": "3.12.1"},
        packages={"numpy": "2.0.0"},
        params={"lr": 0.01, "epochs": 3, "name": "é", "debug": False, "seed": None},
        metrics={"loss": Metric(0.5, 9.0, 0.25, float("inf"), 10)},
        series=Attachment(CHUNK_ID, 11),
        tags=("best",),
        note="two\nlines",
        inputs=(
            Input("data/raw", _id(12), 812, Evidence.WATCHED, State.STABLE, "data", 3, 2, Attachment(CHUNK_ID, 6)),
        ),
        outputs=(Output("models", _id(13), 99, Evidence.COMPARED, True, 1, 1, Attachment(CHUNK_ID, 7), _id(14)),),
        capture=("watched", "audited"),
        notes=("3 connections to example.com",),
    )
)

IMPORT: Final = encode_run(
    Run(
        ulid="01ARZ3NDEKTSV4RRFFQ69G5FAW",
        name="brisk-heron-18",
        status=Status.OK,
        command=("xver", "import", "s3://bucket/raw", "data/raw"),
        directory=".",
        started=1_700_000_000_456,
        duration=3_000,
        user="ada",
        host="engine",
        outputs=(Output("data/raw", _id(13), 99, Evidence.IMPORTED, True, 1),),
        sources=(Source("data/raw", "s3://bucket/raw", "5f2", "a day", "https://host:9000", Attachment(CHUNK_ID, 8)),),
    )
)


def _pack() -> tuple[bytes, list[Frame]]:
    delta = encode_delta([CHUNK_ID], DELTA)
    stored = [
        (CHUNK_ID, Kind.CHUNK, Codec.ZSTD, ZSTD, len(CHUNK), 0),
        (chunk_id(EDITED), Kind.CHUNK, Codec.DELTA, delta, len(EDITED), 1),
        (object_id(Kind.NODE, NODE), Kind.NODE, Codec.RAW, NODE, len(NODE), 0),
        (chunk_id(FLOATS), Kind.CHUNK, Codec.GROUPED, GROUPED, len(FLOATS), 0),
    ]
    frames, body = [], HEADER
    for id, kind, codec, data, raw, bases in stored:
        frames.append(Frame(id, len(body), len(data), raw, kind, codec, bases, checksum(data)))
        body += data
    return body + encode_footer(frames), frames


PACK, FRAMES = _pack()
CONTAINER: Final = Container("packs/17.9f3a5c2b00d1e4f8-0.data", len(PACK), checksum(PACK))
INDEX: Final = encode_index(
    [Place(one.id, CONTAINER, one.offset, one.stored, one.raw, one.kind, one.codec) for one in FRAMES],
    {chunk_id(EDITED): (CHUNK_ID,)},
)
LIVE: Final = LiveIndex(
    "index/17.9f3a5c2b00d1e4f8", len(INDEX), checksum(INDEX), {CONTAINER.name: CONTAINER.size}, inline=INDEX[:30]
)
SNAPSHOT_ID: Final = object_id(Kind.SNAPSHOT, SNAPSHOT)
ENTRY: Final = encode_entry(
    LogEntry(
        n=18,
        prev="ab" * 32,
        nonce="00112233",
        operation="push",
        client="0f",
        author="Ada Łovelace",
        time=1_700_000_000,
        refs={
            "heads/main": (Target(TargetKind.SNAPSHOT, _id(10)), Target(TargetKind.SNAPSHOT, SNAPSHOT_ID)),
            "tags/old": (Target(TargetKind.CONTENT, CHUNK_ID), None),
            "runs/01ARZ3NDEKTSV4RRFFQ69G5FAV": (None, Target(TargetKind.RUN, object_id(Kind.RUN, RUN))),
        },
        add_index=(LIVE,),
        remove_index=("index/3.aa",),
        remove_packs=("packs/3.aa-0.data",),
        fence=7,
        tombstones=("cd" * 32,),
        checkpoint=(17, "ef" * 32),
        moved_to="s3://bucket/new",
    )
)
CHECKPOINT: Final = encode_checkpoint(
    Checkpoint(
        n=17,
        digest="ab" * 32,
        refs={"heads/main": Target(TargetKind.SNAPSHOT, SNAPSHOT_ID), "lock/9": Target(TargetKind.LISTING, _id(4))},
        indexes={LIVE.name: LIVE},
        removed=frozenset({"packs/3.aa-0.data"}),
        fence=7,
        tombstones=frozenset({"cd" * 32}),
    )
)
MARKER: Final = encode_json(
    {
        "algorithms": {"cut": "fastcdc-2020:16-64-256", "fingerprint": "xxh3-128", "id": "blake3"},
        "format": 1,
        "repository": "5d0c8c1e-0000-4000-8000-000000000000",
    }
)
LOCK: Final = encode_lock(Lock("5d0c8c1e-0000-4000-8000-000000000000", ENTRIES))

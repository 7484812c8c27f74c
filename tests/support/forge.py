"""A forger's tools: remotes that say what no honest writer would, made with the format's own encoders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.repos import SOMEBODY
from xver.format.canonical import encode_json
from xver.format.codecs import Codec
from xver.format.indexes import Container, Place, encode_index
from xver.format.listings import Child, Row, encode_block
from xver.format.listings import encode_index as encode_listing
from xver.format.log_entries import LiveIndex
from xver.format.packs import HEADER, Frame, encode_footer
from xver.format.snapshots import encode_snapshot
from xver.model.entries import Dataset, Entry, File, Link
from xver.model.ids import Kind, ListingId, SnapshotId, checksum, chunk_id, fingerprint, object_id
from xver.model.paths import TrackedPath
from xver.model.refs import HEADS, Target, TargetKind
from xver.model.snapshots import Snapshot
from xver.storage.local import LocalStorage
from xver.store.log import Change
from xver.store.store import Store, create_store, open_store


class Forger:
    """Writes into a store in a folder, an honest one or a new one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = LocalStorage(folder)
        self.store: Store = create_store(self.storage, client="forger")
        self._packs = 0
        self._objects: list[tuple[Kind, bytes, bytes]] = []

    def put(self, kind: Kind, data: bytes, id: bytes | None = None) -> bytes:
        """Put an object into the next pack, under another id where one is given."""
        id = id or object_id(kind, data)
        self._objects.append((kind, data, id))
        return id

    def file(self, data: bytes, *, id: bytes | None = None) -> File:
        """Store a small file."""
        self.put(Kind.CHUNK, data, id)
        return File(id or chunk_id(data), len(data), fingerprint(data))  # type: ignore[arg-type]

    def link(self, target: bytes) -> Link:
        """Store a link."""
        self.put(Kind.CHUNK, target)
        return Link(chunk_id(target), len(target))

    def listing(
        self, rows: Sequence[tuple[str, Entry]], *, size: int | None = None, count: int | None = None
    ) -> Dataset:
        """Store a listing of rows as they are given, in one block; `size` and `count` are what it claims to hold."""
        size = sum(entry.size for _, entry in rows) if size is None else size
        count = len(rows) if count is None else count
        block = self.put(Kind.BLOCK, encode_block([Row(TrackedPath(path), entry) for path, entry in rows]))
        index = encode_listing(1, [Child(rows[0][0].encode(), count, size, block)])
        return Dataset(ListingId(self.put(Kind.LISTING, index)), size, count)

    def publish(
        self, tracked: Sequence[tuple[str, Entry]], *, forge: Callable[[bytearray], None] | None = None
    ) -> None:
        """Make a commit of tracked paths the head of `main`, after what is there; `forge` edits the pack's bytes."""
        self.store = open_store(self.storage, client="forger")
        before = self.store.log.refs.get(HEADS + "main")
        root = self.listing(tracked).id
        parents = () if before is None else (SnapshotId(before.id),)
        snapshot = self.put(Kind.SNAPSHOT, encode_snapshot(Snapshot(root, parents, SOMEBODY, 1, 0, "forged", None)))
        target = Target(TargetKind.SNAPSHOT, snapshot)
        self.store.log.append(Change("forge", refs={HEADS + "main": (before, target)}, add_index=(self.index(forge),)))

    def index(self, forge: Callable[[bytearray], None] | None = None) -> LiveIndex:
        """Write the pack of what was put so far, and return its index."""
        self._packs += 1
        stem = f"{self.store.log.n}.f0f0{self._packs}"
        name = f"packs/{stem}-0.data"
        frames, body = [], bytearray(HEADER)
        for kind, data, id in self._objects:
            frames.append(Frame(id, len(body), len(data), len(data), kind, Codec.RAW, 0, checksum(data)))
            body += data
        body += encode_footer(frames)
        container = Container(name, len(body), checksum(bytes(body)))
        places = [Place(one.id, container, one.offset, one.stored, one.raw, one.kind, one.codec) for one in frames]
        self._objects.clear()
        if forge is not None:
            forge(body)
        self.storage.put(name, bytes(body))
        data = encode_index(places, {})
        return LiveIndex(f"index/{stem}", len(data), checksum(data), {name: container.size}, data)

    def edit_json(self, key: str, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change a record in place."""
        record = json.loads(self.storage.get(key))
        edit(record)
        self.storage.put(key, encode_json(record))

    def last_entry(self) -> str:
        """Return the key of the newest log entry."""
        return max(stat.key for stat in self.storage.list("log/"))

"""Snapshots and listings in memory, made from words."""

from __future__ import annotations

from collections.abc import Mapping

from xver.format.listings import Row
from xver.format.snapshots import encode_snapshot
from xver.model.entries import Dataset, Entry, File
from xver.model.ids import Kind, SnapshotId, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.model.refs import Target, TargetKind
from xver.model.snapshots import Author, Snapshot
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.store import Store

ADA = Author("Ada", "ada@example.org")


def file_of(data: bytes) -> File:
    return File(chunk_id(data), len(data), fingerprint(data))


def put_files(store: Store, files: Mapping[str, bytes]) -> Dataset:
    """Store files and the listing of them."""
    with store.packer() as packer:
        for data in files.values():
            if data:
                packer.put(Kind.CHUNK, data)
        rows = [Row(TrackedPath(path), file_of(files[path])) for path in sorted(files, key=str.encode)]
        dataset = put_listing(packer, rows)
        index = packer.finish()
    store.move("files", {}, index)
    return dataset


def put_snapshot(
    store: Store,
    *parents: SnapshotId,
    tracked: Mapping[str, Entry] | None = None,
    time: int = 0,
    message: str = "a version",
    ref: str | None = None,
    git: str | None = None,
) -> SnapshotId:
    """Store a snapshot; `ref` is to point to it."""
    with store.packer() as packer:
        rows = [Row(TrackedPath(path), entry) for path, entry in sorted((tracked or {}).items())]
        root = put_listing(packer, rows).id
        data = encode_snapshot(Snapshot(root, parents, ADA, time, 0, message, git))
        id = SnapshotId(packer.put(Kind.SNAPSHOT, data))
        index = packer.finish()
    refs = {} if ref is None else {ref: (store.log.refs.get(ref), Target(TargetKind.SNAPSHOT, id))}
    store.commit(Change("snapshot", refs=refs, add_index=() if index is None else (index,)))
    return id

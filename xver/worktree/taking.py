"""The files of one directory into content: only what the stat index does not know is read, and what resists stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from xver.errors import Changing, ContentNotFound, CorruptData, Purged, Unreadable
from xver.model.entries import CHUNK_MAX, Dataset, Entry, File, Link
from xver.model.ids import EMPTY_ID, ID_SIZE
from xver.progress import SILENT, Meter
from xver.store.content import Before
from xver.store.listings import RowFinder
from xver.store.packing import Packer
from xver.worktree.compare import same_bytes
from xver.worktree.kinds import is_kind
from xver.worktree.members import Members
from xver.worktree.reading import Reading
from xver.worktree.rechecking import renewed, unlike
from xver.worktree.records import DirectoryRecord, Known, RecordBuilder
from xver.worktree.scan import Directory
from xver.worktree.stats import NO_STAT
from xver.worktree.steady import Skip

Former: TypeAlias = "Callable[[str], Entry | None]"


class Read(Protocol):
    """What reads a file and sees to it that its content is stored, as `read_file` does."""

    def __call__(
        self, path: str, packer: Packer | None, *, stat: bytes | None = None, before: Before | None = None
    ) -> Reading:
        """Return what the file is; raises like `read_file`."""


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes the directories of the tracked path `path` below `root`.

    `former` tells what stood at a path below it before: of what changed since, only the difference is stored. `members`
    tells what is tracked now, and `skip` hears of what cannot be read: that stays as it is tracked, or is left out.
    `has_all`: the store has all content that the records name which it is given. `meter` counts what is compared of
    large files.
    """

    root: Path
    path: str
    packer: Packer | None
    former: Former
    members: Members
    read: Read
    skip: Skip
    has_all: bool = False
    meter: Meter = SILENT

    def take(self, directory: Directory, before: DirectoryRecord | None) -> tuple[DirectoryRecord, int]:
        """Return the record of a directory, `before` being the one in the stat index, and how many files were read.

        Raises:
            Unreadable, Changing: a file cannot be read, and `skip` does not take it, or it is all there is.
        """
        folder = folder_of(self._top, directory)
        is_same, others = False, frozenset[bytes]()
        if before is not None:
            after, is_same = renewed(folder, directory, before)
            others = frozenset() if is_same else unlike(before, after, directory)
            before = after
        if before is not None and is_same and self._holds_all(before):
            return before, 0
        recorded = {} if before is None else before.by_name()
        fresh = RecordBuilder()
        count = 0
        for name, stat in zip(directory.names, directory.stats, strict=True):
            seen, known = recorded.get(name, (NO_STAT, None))
            path, inner = file_of(self._top, folder, name), os.fsdecode(name)
            inner = f"{directory.path}/{inner}" if directory.path else inner
            try:
                if known is not None and name not in others and self._holds(known.id, known.size):
                    # Touched, most often: to compare it costs a tenth of cutting it again.
                    same, now = (True, stat) if seen == stat else same_bytes(path, stat, known, self.meter)
                    if same:
                        fresh.add(name, now, known)
                        continue
                reading = self.read(path, self.packer, stat=stat, before=partial(self._stood, known, inner))
            except Purged as error:
                raise Purged(error.id, entry=error.entry, url=error.url, path=path) from error
            except (Unreadable, Changing) as error:
                if (kept := self._kept(inner, error)) is not None:
                    fresh.add(name, NO_STAT, kept)
                continue
            count += 1
            found = reading.known
            if known is not None and is_kind(found.kind, known.kind):
                found = found._replace(kind=known.kind)
            fresh.add(name, reading.stat, found)
        return fresh.build(), count

    def pass_over(self, directory: Directory, error: Unreadable) -> Iterator[tuple[str, DirectoryRecord]]:
        """Return what is tracked in and below a directory that cannot be read; raises as `take`."""
        if not directory.path and not any(self.members.below("")):
            raise error
        self.skip(f"{self.path}/{directory.path}".rstrip("/"), error)
        return self.members.below(directory.path)

    def _kept(self, inner: str, error: Unreadable | Changing) -> Known | None:
        """Return what is tracked at a path that cannot be read: it is not known to be another, so it stays."""
        if not inner and self.members.find(inner) is None:
            raise error
        self.skip(f"{self.path}/{inner}".rstrip("/"), error)
        return self.members.find(inner)

    @property
    def _top(self) -> str:
        return os.path.join(self.root, self.path)

    def _stood(self, known: Known | None, path: str) -> tuple[bytes, int] | None:
        """Return the id and size of the content that stood at a path before, None if none of it is here."""
        if known is not None and known.size and self.packer is not None and known.id in self.packer:
            return known.id, known.size
        try:
            entry = self.former(path)
        except (CorruptData, ContentNotFound):
            # What is not here, or damaged, is nothing that a difference can be stored to; `fsck` tells of it.
            return None
        return (entry.id, entry.size) if isinstance(entry, File | Link) and entry.size else None

    def _holds_all(self, record: DirectoryRecord) -> bool:
        if self.packer is None or self.has_all:
            return True
        ids = [record.ids[at : at + ID_SIZE] for at in range(0, len(record.ids), ID_SIZE)]
        sizes = list(record.each_size())
        if max(sizes, default=0) <= CHUNK_MAX:
            return self.packer.holds_all(set(ids) - {EMPTY_ID})
        return all(self._holds(id_, size) for id_, size in zip(ids, sizes, strict=True))

    def _holds(self, id: bytes, size: int) -> bool:
        """Tell whether content need not be stored: it is, a remote keeps it, there is none, or nobody stores any."""
        if self.packer is None or self.has_all or id == EMPTY_ID:
            return True
        return self.packer.holds(id, whole=size > CHUNK_MAX)


def former_of(packer: Packer | None, before: Entry | None) -> Former:
    """Return what tells what was tracked at a path before (below the dataset; "" is a file tracked by itself)."""
    if packer is None or packer.bases is None or before is None:
        return lambda _: None
    if not isinstance(before, Dataset):
        return lambda path: None if path else before
    return RowFinder(packer.bases.read, before.id).find


def folder_of(top: str, directory: Directory) -> str:
    """Return the path of a directory, by that of the tracked path."""
    return os.path.join(top, directory.path) if directory.path else top


def file_of(top: str, folder: str, name: bytes) -> str:
    """Return the path of a file in a folder; the empty name is the tracked path's own."""
    return os.path.join(folder, os.fsdecode(name)) if name else top

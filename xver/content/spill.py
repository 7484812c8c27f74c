"""Records of 64-bit words, more than memory holds: kept in a temporary file, cut into partitions by a hash.

    add(records) ... ──> block: 1,000,000 records sorted by partition ──> file   | p0 | p1 | p2 … | p0 | p1 | p2 … |
    partition(p)     <── the piece of p in each block                                block 1           block 2

Two spills of the same number of partitions are joined a partition at a time. What fits into one block never touches the
disk. The file has no name, so that a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import numpy as np
import numpy.typing as npt

from xver.content.hashing import Hashes

PARTITIONS: Final = 256
_BLOCK: Final = 32 * 1024 * 1024
"""Bytes of a block: about three times as much is in memory while one is written."""


class Spill:
    """Records of `width` words each, the first of which is a hash that says in which partition they belong.

    Use it as a context. Records come back in the order in which they were added.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.width = width
        self._folder = folder
        self._most = max(1, _BLOCK // (8 * width))
        self._waiting: list[Hashes] = []
        self._count = 0
        self._file: IO[bytes] | None = None
        self._blocks: list[tuple[int, npt.NDArray[np.int64]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def is_on_disk(self) -> bool:
        """Whether there is at least one full block."""
        return self._file is not None

    def add(self, *columns: Hashes) -> None:
        """Append records, given by their columns."""
        records = np.stack(columns, axis=1)
        assert records.shape[1] == self.width
        self._waiting.append(records)
        self._count += len(records)
        if self._count >= self._most:
            self._write()

    def partition(self, number: int | None) -> Hashes:
        """Return the records of a partition, a row each; None: all there are, of a spill that is not on the disk."""
        parts = []
        if self._file is not None:
            for begin, ends in self._blocks:
                assert number is not None
                low, high = (int(ends[number - 1]) if number else 0), int(ends[number])
                self._file.seek(begin + low * 8 * self.width)
                data = self._file.read((high - low) * 8 * self.width)
                parts.append(np.frombuffer(data, np.uint64).reshape(-1, self.width))
        parts += [records if number is None else records[_partition_of(records) == number] for records in self._waiting]
        return np.concatenate(parts) if parts else np.empty((0, self.width), np.uint64)

    def _write(self) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="diff-")  # noqa: SIM115 - closed by __exit__
        records = np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
        numbers = _partition_of(records)
        begin = self._file.seek(0, os.SEEK_END)
        # A stable sort of bytes is a radix sort.
        self._file.write(records[np.argsort(numbers, kind="stable")].data)
        self._blocks.append((begin, np.cumsum(np.bincount(numbers, minlength=PARTITIONS))))


def joined(before: Spill, after: Spill) -> Iterator[tuple[Hashes, Hashes]]:
    """Yield the records of both, a partition at a time, or all at once where they are in memory."""
    if not before.is_on_disk and not after.is_on_disk:
        yield before.partition(None), after.partition(None)
        return
    for number in range(PARTITIONS):
        yield before.partition(number), after.partition(number)


def _partition_of(records: Hashes) -> npt.NDArray[np.uint8]:
    return (records[:, 0] >> np.uint64(56)).astype(np.uint8)

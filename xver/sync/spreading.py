"""Spread heavy loops over workers: they cut, identify, compress and upload, straight to the remote if one is named.

    client   scan ─► tasks ─►                                 ─► rows ─► listing, log entries, xver.lock
    workers                   read, cut, pack, upload ─► index

The client reads no content. What it gets back is judged (`arrivals`), made live in the target's log, and only then
named by a ref: at a remote `clones/<work tree>/lock`, which keeps it until a push leads there.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

from xver.errors import Changing, Collected, Conflict, CorruptData
from xver.format.listings import Row
from xver.model.entries import CHUNK_MAX, Entry
from xver.model.ids import NodeId
from xver.model.paths import TrackedPath
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.base import Stat as StorageStat
from xver.store.content import Before, is_here
from xver.store.packing import Packer
from xver.store.store import Store
from xver.sync.arrivals import Arrivals, bring_nodes
from xver.sync.clones import Keeper
from xver.sync.executors import Crew, crew
from xver.sync.remotes import open_or_create_remote
from xver.sync.sources import Bucket, Folder, Item, Read, Source, item_of, paths_of
from xver.sync.tasks import Take, Taken, local_address, remote_address, split, take, this_process
from xver.versioning.tracking import AddResult, add_rows
from xver.versioning.tracking import add as add_here
from xver.worktree.kinds import is_kind, kind_of_stat
from xver.worktree.reading import Reading, read_file
from xver.worktree.records import entry_of
from xver.worktree.stats import Stat, pack_stat, settled, unpack_stat
from xver.worktree.steady import Skip, refuse

_ATTEMPTS: Final = 3
_SECOND_NS: Final = 1_000_000_000


def add(
    repo: Repo,
    paths: Sequence[str],
    *,
    to: Remote | None = None,
    executor: str | Executor = "threads",
    rehash: bool = False,
    force: bool = False,
    skip: Skip = refuse,
    meter: Meter = SILENT,
) -> AddResult:
    """Take files and folders under version control as `tracking.add` does, their content read by workers.

    With `to`, content goes straight to that remote, which promises it; the local store gets listings and nodes. The
    ids, the listing and `xver.lock` are those of any other add. `executor` is what a person writes, or an executor.

    Raises:
        WorkersFailed: workers cannot be reached, do not fit, or died too often.
        Conflict: the remote is collected faster than this.
        CorruptData: a worker's answer does not hold.
        XverError: what `tracking.add` and `open_or_create_remote` raise.
    """
    return _persistently(
        repo,
        to,
        executor,
        lambda reader: add_here(repo, paths, rehash=rehash, force=force, reader=reader, skip=skip, meter=meter),
    )


def add_bucket(
    repo: Repo,
    source: Bucket,
    path: str,
    *,
    to: Remote | None = None,
    executor: str | Executor = "threads",
    meter: Meter = SILENT,
) -> AddResult:
    """Track the objects below an address as the dataset `path`, without a copy of them on this disk.

    Workers read them, with their own credentials for both sides. Keys become paths.

    Raises:
        InvalidInput: a key that no path can be, nothing below the address, or something at `path` already.
        Conflict: an object was changed or deleted meanwhile.
        XverError: as for `add`.
    """

    def track(reader: _Spread) -> AddResult:
        found = source.list()
        names = paths_of(source.url, found)
        items = [Item(key, found[key].size) for key in names.values()]
        meter.start("Adding", len(items), "files")

        def rows(packer: Packer) -> Iterator[Row]:
            by_path = iter(names)
            for _, taken in reader.take(source, items):
                packer.added += taken.new
                meter.advance(len(taken.readings))
                yield from (Row(next(by_path), entry_of(_reading(one).known)) for one in taken.readings)
            _refuse_changed(source, found)

        result = add_rows(repo, path, rows, reader=reader)
        meter.finish()
        return result

    return _persistently(repo, to, executor, track)


def _persistently(
    repo: Repo, to: Remote | None, executor: str | Executor, track: Callable[[_Spread], AddResult]
) -> AddResult:
    """Add by workers; again from the start when a collection at the remote took something it relied on."""
    with crew(executor) as workers, repo.held():
        for _ in range(_ATTEMPTS):
            there = None if to is None else open_or_create_remote(repo, to)
            reader = _Spread(repo, workers, there, to)
            try:
                result = track(reader)
            except Collected:
                if there is None:
                    raise
                continue
            finally:
                reader.close()
            return AddResult(result.added, result.stored + reader.arrivals.size)
    raise Conflict("the remote is cleaned up faster than this add", hint="xver add again")


def _refuse_changed(source: Bucket, before: Mapping[str, StorageStat]) -> None:
    now = source.list()
    changed = next((key for key, stat in before.items() if key not in now or _differ(now[key], stat)), None)
    if changed is not None:
        raise Conflict(f"{source.url}/{changed} changes while it is read", hint="wait until it is done, then add again")


def _differ(one: StorageStat, other: StorageStat) -> bool:
    return (one.size, one.version) != (other.size, other.version)


class _Spread:
    """Reads the files of one `add` by workers; a `tracking.Reader`."""

    def __init__(self, repo: Repo, workers: Crew, there: Store | None, remote: Remote | None) -> None:
        self._repo = repo
        self._workers = workers
        self._there = there
        self._keeper = None if there is None or remote is None else Keeper(repo, there, remote)
        target = repo.store if there is None else there
        self._address = (
            local_address(repo)
            if there is None or remote is None
            else remote_address(repo, remote, there, is_near=workers.is_near)
        )
        self.arrivals = Arrivals(target, "add", is_local=there is None)
        self._results = self.take(Folder(os.fspath(repo.root)), ())
        self._begun: dict[str, int] = {}
        self._readings: dict[str, tuple[Read, int]] = {}
        self._large: list[tuple[bytes, str]] = []
        self._sent: set[bytes] = set()

    def expect(self, files: Iterator[tuple[str, bytes]]) -> None:
        self._results = self.take(Folder(os.fspath(self._repo.root)), (item_of(*one) for one in files))

    def lacks(self, id: bytes, size: int) -> bool:
        # What another remote keeps, say.
        return self._there is not None and id not in self._there and not is_here(self._repo.store, NodeId(id), size)

    def take(self, source: Source, items: Iterable[Item]) -> Generator[tuple[Take, Taken]]:
        """Yield what workers made of files, judged and accepted, a task at a time and in order."""
        tasks = (self._task(source, part) for part in split(items, lambda one: one.size))
        with contextlib.closing(self._workers.map(take, tasks)) as results:
            for task, taken in results:
                self._judge(task, taken)
                yield task, taken

    def read(
        self, path: str, packer: Packer | None, *, stat: bytes | None = None, before: Before | None = None
    ) -> Reading:
        # Workers make no differences: what stood there before is not where they are.
        while path not in self._readings:
            result = next(self._results, None)
            if result is None:
                # It came between the two looks at the folder; what is here goes to the remote in the end as well.
                return read_file(path, packer, stat=stat, before=before)
            task, taken = result
            if packer is not None:
                packer.added += taken.new
            begun = self._begun.pop(task.nonce)
            self._readings |= {
                one.path: (reading, begun) for one, reading in zip(task.files, taken.readings, strict=True)
            }
        reading, begun = self._readings.pop(path)
        return _as_here(path, _reading(reading), stat, begun)

    def settle(self, packer: Packer, entries: Mapping[TrackedPath, Entry], fresh: Collection[TrackedPath]) -> None:
        for _ in self._results:
            continue
        self.arrivals.commit()
        if self._there is not None and self._keeper is not None:
            self._sent.update(bring_nodes(self._there, self.arrivals, packer, self._large))
            self._keeper.prepare(packer, entries, fresh)

    def keep(self) -> None:
        if self._keeper is not None:
            self._keeper.keep(self._sent)

    def close(self) -> None:
        """Give out no more tasks."""
        self._results.close()

    def _task(self, source: Source, files: tuple[Item, ...]) -> Take:
        task = Take(this_process(), source, files, self._address)
        self._begun[task.nonce] = time.time_ns()
        return task

    def _judge(self, task: Take, taken: Taken) -> None:
        if len(taken.readings) != len(task.files):
            raise CorruptData(f"{taken.worker} answered for {len(taken.readings)} of {len(task.files)} files")
        read = zip(taken.readings, task.files, strict=True)
        stored = [(one.known, item.path) for one, item in read if isinstance(one, Reading) and one.known.size]
        self.arrivals.accept(taken.worker, taken.index, ((known.id, path) for known, path in stored))
        self._large += [(known.id, path) for known, path in stored if known.size > CHUNK_MAX]
        self._sent.update(known.id for known, _ in stored if known.size <= CHUNK_MAX)


def _reading(read: Read) -> Reading:
    if not isinstance(read, Reading):
        raise read
    return read


def _as_here(path: str, reading: Reading, stat: bytes | None, begun: int) -> Reading:
    """Return a worker's reading as this machine may record it.

    The file is the one that is here if all of its stat is as here, or, read over a shared file system that numbers
    files otherwise, its size, kind and second of change. Times are compared with our clock before the task began.

    Raises:
        Conflict: it is not, or no longer, the file that is here.
    """
    now = stat
    if reading.seen != stat:
        try:
            now = pack_stat(os.lstat(path))
        except OSError:
            now = None
        if now is None or not _is_same(unpack_stat(now), unpack_stat(reading.seen)):
            raise Changing(path)
    assert now is not None
    return Reading(reading.known, settled(now, begun), now)


def _is_same(here: Stat, there: Stat) -> bool:
    same_kind = is_kind(kind_of_stat(here.mode), kind_of_stat(there.mode))
    return same_kind and here.size == there.size and here.mtime // _SECOND_NS == there.mtime // _SECOND_NS

"""Move a remote to another address: the same log and the same packs there, then a last entry here that says where.

    packs ─► indexes ─► checkpoints ─► log, entry by entry ─► marker ─► compared ─► `moved_to` in the old log

Everything is copied as it is, so every clone goes on where it was: log entries are the same, digests and all. What is
there already is not copied again. The last entry is created only where the copy is of the very state before it; who
pushed meanwhile is copied too. From then on nobody writes at the old address, which keeps all it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from xver.errors import Conflict, CorruptData, InvalidInput, NotFound, Overtaken, RepositoryNotFound
from xver.model.ids import checksum
from xver.progress import SILENT, Meter
from xver.repo import Repo, client_name
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.cached import CachedStorage
from xver.storage.locate import locate
from xver.store.log import Change, entry_key, follows
from xver.store.store import MARKER, Store, open_store, repository_at
from xver.sync.arranging import set_url
from xver.sync.remotes import open_remote, probe

_AT_A_TIME: Final = 3
_ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True)
class Moved:
    """A finished move: the new address, packs and bytes copied by this call, entries of the log."""

    url: str
    packs: int
    size: int
    entries: int


def move(repo: Repo, remote: Remote, url: str, *, endpoint_url: str | None = None, meter: Meter = SILENT) -> Moved:
    """Copy a remote whole to a new address, leave word at the old one, and use the new one here from now on.

    Raises:
        Conflict: something else is at the new address, or the remote has moved elsewhere already.
        CorruptData: a pack is damaged: nothing damaged is taken along.
        StorageError: the new storage cannot tell two writers apart, or one of both fails; run it again to go on.
    """
    target = locate(url, base=repo.root, endpoint_url=endpoint_url)
    there = open_remote(repo, remote)
    done = move_store(there, target, meter=meter)
    set_url(repo, remote.name, url, endpoint_url)
    return done


def move_store(old: Store, target: Storage, *, meter: Meter = SILENT) -> Moved:
    """Copy a store whole, compare, and append the entry that says where it went; raises like `move`."""
    if target.url == old.storage.url:
        raise InvalidInput("that is where it is")
    _require_room(old, target)
    packs = size = 0
    for _ in range(_ATTEMPTS):
        old.refresh()
        if old.log.moved_to is not None:
            if old.log.moved_to != target.url:
                raise Conflict(f"it has moved to {old.log.moved_to} already", hint="move it from there")
            _compare(old, target, entries=old.log.n - 1)
            return Moved(target.url, packs, size, old.log.n - 1)
        copied, bytes_ = _copy(old, target, meter)
        packs, size = packs + copied, size + bytes_
        _compare(old, target, entries=old.log.n)
        n = old.log.n
        try:
            old.log.append(Change(f"move to {target.url}", moved_to=target.url), check=follows(n))
        except Overtaken:
            continue
        return Moved(target.url, packs, size, n)
    raise Conflict("others push faster than this copies", hint="run it again")


def _require_room(old: Store, target: Storage) -> None:
    try:
        there = repository_at(target)
    except RepositoryNotFound:
        probe(target)
        return
    if there != old.repository:
        raise Conflict(f"{target.url} holds another repository", hint="give this one a place of its own")


def _copy(old: Store, target: Storage, meter: Meter) -> tuple[int, int]:
    """Copy what the target lacks of the present state; return packs and bytes."""
    source = old.storage.inner if isinstance(old.storage, CachedStorage) else old.storage
    sums = {
        container.name: container.checksum
        for live in old.log.indexes.values()
        for container in old.index.open(live).containers
    }
    live = old.log.live_packs()
    there = {stat.key: stat.size for prefix in ("packs/", "index/") for stat in target.list(prefix)}
    lacking = [name for name, size in live.items() if there.get(name) != size]
    meter.start("Moving", sum(live[name] for name in lacking), "B")

    def bring(name: str) -> int:
        data = source.get(name)
        if len(data) != live[name] or checksum(data) != sums[name]:
            raise CorruptData(f"{name} of {old.storage.url} is damaged", hint="xver push --repair, then move it")
        target.put(name, data)
        return len(data)

    size = 0
    with ThreadPoolExecutor(_AT_A_TIME, "move") as pool:
        for length in pool.map(bring, lacking):
            size += length
            meter.advance(length)
    meter.finish()
    for index in old.log.indexes.values():
        if index.inline is None and there.get(index.name) != index.size:
            target.put(index.name, bytes(old.storage.view(index.name)))
    known = {stat.key for stat in target.list("checkpoints/")}
    for stat in old.storage.list("checkpoints/"):
        if stat.key not in known:
            target.put(stat.key, old.storage.get(stat.key))
    _copy_log(old, target)
    _copy_once(old.storage, target, ["README.txt", MARKER])
    return len(lacking), size


def _copy_log(old: Store, target: Storage) -> None:
    there = {stat.key for stat in target.list("log/")}
    for n in range(old.log.n):
        key = entry_key(n)
        if key in there and entry_key(n + 1) in there:
            continue  # the next one names its digest, and the last is compared
        body = old.storage.get(key)
        if not target.create(key, body) and target.get(key) != body:
            raise Conflict(f"{target.url} has a history of its own", hint="give this one a place of its own")


def _copy_once(source: Storage, target: Storage, keys: Iterable[str]) -> None:
    for key in keys:
        try:
            target.create(key, source.get(key))
        except NotFound:
            continue  # a README that somebody removed


def _compare(old: Store, target: Storage, *, entries: int) -> None:
    """Raise unless the copy has the same log up to so many entries, and every pack that it needs, whole."""
    copy = open_store(target, client=client_name())
    same = copy.log.n >= entries and target.get(entry_key(entries - 1)) == old.storage.get(entry_key(entries - 1))
    if not same:
        raise Conflict(f"{target.url} has a history of its own", hint="give this one a place of its own")
    if lost := sorted(copy.lost_packs()):
        raise CorruptData(f"{lost[0]} did not arrive whole at {target.url}", hint="run it again")
    for index in copy.log.indexes.values():
        copy.index.open(index)

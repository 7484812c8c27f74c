"""The numbered log: the only thing in a store that changes, by one create a change.

    log/0000000000  log/0000000001  log/0000000002 …      the state of a store is the fold of its entries

Of all writers that create entry n exactly one wins; the others read what it wrote, check again what they meant to
do, and try n + 1. Each entry names the digest of the one before, so history cannot be rewritten unseen. Protocol:
docs/format.md, "The log", rules R0 to R4.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from xver.errors import CorruptData, NotFound, RefConflict
from xver.format.log_entries import (
    Checkpoint,
    LiveIndex,
    LogEntry,
    decode_checkpoint,
    decode_entry,
    encode_checkpoint,
    encode_entry,
)
from xver.model.ids import digest_hex
from xver.model.refs import Target, parse_ref
from xver.storage.base import Storage

CHECKPOINT_EVERY: Final = 64
"""A checkpoint is written when this many entries follow the last one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry is to do. `refs` gives each ref's expected old value and its new one; None is "no such ref"."""

    operation: str
    refs: Mapping[str, tuple[Target | None, Target | None]] = field(default_factory=dict)
    add_index: tuple[LiveIndex, ...] = ()
    remove_index: tuple[str, ...] = ()
    remove_packs: tuple[str, ...] = ()
    fence: int | None = None


class Log:
    """The log of one store and its present state. One instance serves one thread.

    `refs` and `indexes` are the fold of the entries read so far, `n` their number; `refresh` reads what is new.
    """

    def __init__(self, storage: Storage, *, client: str, author: str = "") -> None:
        self._storage = storage
        self._client = client
        self._author = author
        self._checkpointed = 0
        self.n = 0
        self.digest: str | None = None
        self.refs: dict[str, Target] = {}
        self.indexes: dict[str, LiveIndex] = {}
        self.removed: set[str] = set()
        self.fence = 0
        self.tombstones: set[str] = set()

    def refresh(self) -> None:
        """Read the entries created since the last time.

        Raises:
            CorruptData: an entry does not follow the one before: the log was rewritten.
            UnsupportedFormat: an entry needs a newer xver.
        """
        if self.n == 0:
            self._start_from_checkpoint()
        while (data := self._read(self.n)) is not None:
            self._fold(data)

    def append(self, change: Change, *, check: Callable[[Log], None] | None = None) -> int:
        """Create the entry that makes `change`; return its number.

        Reads what others wrote first. `check` is called with the state that the entry would follow, each time
        anew after a lost race; what it raises ends the attempt with nothing changed.

        Raises:
            RefConflict: a ref has not the value that was expected.
        """
        for name in change.refs:
            parse_ref(name)
        while True:
            self.refresh()
            for name, (old, _) in change.refs.items():
                if self.refs.get(name) != old:
                    raise RefConflict(name, expected=_shown(old), actual=_shown(self.refs.get(name)))
            if check is not None:
                check(self)
            body = encode_entry(self._entry(change))
            if self._storage.create(entry_key(self.n), body):
                n = self.n
                self._fold(body)
                return n

    def refs_under(self, prefix: str) -> dict[str, Target]:
        """Return the refs below `prefix` (`heads/`), without it, sorted."""
        return {name[len(prefix) :]: self.refs[name] for name in sorted(self.refs) if name.startswith(prefix)}

    def entries(self) -> list[LogEntry]:
        """Return every entry, oldest first."""
        return [decode_entry(self._storage.get(entry_key(n))) for n in range(self.n)]

    def live_packs(self) -> dict[str, int]:
        """Return the live packs with their sizes in bytes."""
        packs = {name: size for index in self.indexes.values() for name, size in index.packs.items()}
        return {name: size for name, size in packs.items() if name not in self.removed}

    def _entry(self, change: Change) -> LogEntry:
        entry = LogEntry(
            n=self.n,
            prev=self.digest,
            nonce=os.urandom(8).hex(),
            operation=change.operation,
            client=self._client,
            author=self._author,
            time=int(time.time()),
            refs=change.refs,
            add_index=change.add_index,
            remove_index=change.remove_index,
            remove_packs=change.remove_packs,
            fence=change.fence,
        )
        if self.n - self._checkpointed < CHECKPOINT_EVERY:
            return entry
        body = encode_checkpoint(self._state())
        digest = digest_hex(body)
        self._storage.put(_checkpoint_key(self.n - 1, digest), body)
        return replace(entry, checkpoint=(self.n - 1, digest))

    def _state(self) -> Checkpoint:
        assert self.digest is not None
        return Checkpoint(
            n=self.n - 1,
            digest=self.digest,
            refs=self.refs,
            indexes=self.indexes,
            removed=frozenset(self.removed),
            fence=self.fence,
            tombstones=frozenset(self.tombstones),
        )

    def _read(self, n: int) -> bytes | None:
        try:
            return self._storage.get(entry_key(n))
        except NotFound:
            return None

    def _fold(self, data: bytes) -> None:
        entry = decode_entry(data)
        if entry.n != self.n or entry.prev != self.digest:
            raise CorruptData(
                f"the log of {self._storage.url} was rewritten: entry {self.n} does not follow the one before",
                hint="compare it with another clone; nothing was changed here",
            )
        for name, (_, new) in entry.refs.items():
            if new is None:
                self.refs.pop(name, None)
            else:
                self.refs[name] = new
        for gone in entry.remove_index:
            self.indexes.pop(gone, None)
        for index in entry.add_index:
            self.indexes[index.name] = index
        self.removed.update(entry.remove_packs)
        self.tombstones.update(entry.tombstones)
        if entry.fence is not None:
            self.fence = max(self.fence, entry.fence)
        listed = {name for index in self.indexes.values() for name in index.packs} if self.removed else set()
        self.removed = {name for name in self.removed if name in listed or pack_base(name) >= self.fence}
        if entry.checkpoint is not None:
            self._checkpointed = entry.n
        self.n += 1
        self.digest = digest_hex(data)

    def _start_from_checkpoint(self) -> None:
        """Take over the newest checkpoint that an entry names; a checkpoint that none names proves nothing."""
        found = {}
        for stat in self._storage.list("checkpoints/"):
            number, _, digest = stat.key.removeprefix("checkpoints/").partition(".")
            if number.isdigit():
                found[int(number)] = digest
        for n in sorted(found, reverse=True):
            named = self._read(n + 1)
            if named is None or decode_entry(named).checkpoint != (n, found[n]):
                continue
            body = self._storage.get(_checkpoint_key(n, found[n]))
            if digest_hex(body) != found[n]:
                raise CorruptData(f"checkpoint {n} of {self._storage.url} is damaged")
            state = decode_checkpoint(body)
            self.n, self.digest = state.n + 1, state.digest
            self.refs, self.indexes = dict(state.refs), dict(state.indexes)
            self.removed, self.fence, self.tombstones = set(state.removed), state.fence, set(state.tombstones)
            return


def entry_key(n: int) -> str:
    """Return the key of entry `n`."""
    return f"log/{n:010d}"


def pack_base(name: str) -> int:
    """Return the number of the first entry that the writer of a pack or an index had not read."""
    digits = name.rpartition("/")[2].partition(".")[0]
    if not digits.isdigit():
        raise CorruptData(f"no name of a pack: {name!r}")
    return int(digits)


def _checkpoint_key(n: int, digest: str) -> str:
    return f"checkpoints/{n:010d}.{digest}"


def _shown(target: Target | None) -> str | None:
    return None if target is None else f"b3:{target.id.hex()[:8]}"

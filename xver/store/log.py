"""The numbered log: the only thing in a store that changes, by one create a change.

    log/0000000000  log/0000000001  log/0000000002 …      the state of a store is the fold of its entries

Of all writers that create entry n exactly one wins; the others read what it wrote, check again what they meant to
do, and try n + 1. Each entry names the digest of the one before, so history cannot be rewritten unseen. Protocol:
docs/format.md, "The log", rules R0 to R4.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from xver.errors import (
    Collected,
    CorruptData,
    HasMoved,
    NotFound,
    Overtaken,
    RefConflict,
    TransientStorageError,
    XverError,
)
from xver.format.log_entries import (
    Checkpoint,
    LiveIndex,
    LogEntry,
    decode_checkpoint,
    decode_entry,
    encode_checkpoint,
    encode_entry,
)
from xver.format.packs import WHOLE_FEATURE, is_whole
from xver.model.ids import digest_hex
from xver.model.refs import Target, parse_ref
from xver.storage.base import Storage

CHECKPOINT_EVERY: Final = 64
"""A checkpoint is written when this many entries follow the last one."""
CHECKPOINTS_KEPT: Final = 2
"""A collection leaves the newest so many: readers start from the newest."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry is to do. `refs` gives each ref's expected old value and its new one; None is "no such ref"."""

    operation: str
    refs: Mapping[str, tuple[Target | None, Target | None]] = field(default_factory=dict)
    add_index: tuple[LiveIndex, ...] = ()
    remove_index: tuple[str, ...] = ()
    remove_packs: tuple[str, ...] = ()
    fence: int | None = None
    tombstones: tuple[str, ...] = ()
    moved_to: str | None = None
    require: tuple[str, ...] = ()


class Log:
    """The log of one store and its present state. One instance serves one thread, but for `refresh`.

    `refs` and `indexes` are the fold of the entries read so far, `n` their number; `refresh` reads what is new.
    """

    def __init__(self, storage: Storage, *, client: str, author: str = "") -> None:
        self._storage = storage
        self.url = storage.url
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
        self.require: set[str] = set()
        self.moved_to: str | None = None
        # Files that one thread opened are read in others, and each may find that a collection moved what it reads.
        self._refreshing = threading.RLock()
        self._collections: list[int] = []
        self._dropped: list[tuple[int, LiveIndex]] = []

    def refresh(self) -> None:
        """Read the entries created since the last time.

        Raises:
            CorruptData: an entry does not follow the one before: the log was rewritten.
            UnsupportedFormat: an entry needs a newer xver.
        """
        with self._refreshing:
            if self.n == 0:
                self._start_from_checkpoint()
            while (data := self._read(self.n)) is not None:
                self._fold(data)

    def append(self, change: Change, *, check: Callable[[Log], None] | None = None) -> int:
        """Create the entry that makes `change`; return its number.

        `check` is called with the state that the entry would follow, each time anew after a lost race, when what
        others wrote has been read; what it raises ends the attempt with nothing changed.

        Raises:
            HasMoved: the store is somewhere else now.
            RefConflict: a ref has not the value that was expected.
            Collected: a pack or index to be made live may have been deleted already (rule R1).
        """
        for name in change.refs:
            parse_ref(name)
        while True:
            if self.moved_to is not None:
                raise HasMoved(self.url, self.moved_to)
            for name, (old, _) in change.refs.items():
                if self.refs.get(name) != old:
                    raise RefConflict(name, expected=_shown(old), actual=_shown(self.refs.get(name)))
            self._check_added(change)
            n = self.n
            try:
                if check is not None:
                    check(self)
            except NotFound:
                # Perhaps of what is to be made live: a collection that came meanwhile may have taken it.
                self.refresh()
                if self.n == n:
                    raise
            if self.n != n:
                # To look at the store, the check had to read on in the log: all is judged anew.
                continue
            body = encode_entry(self._entry(change))
            if self._storage.create(entry_key(self.n), body):
                n = self.n
                self._fold(body)
                return n
            self.refresh()

    def refs_under(self, prefix: str) -> dict[str, Target]:
        """Return the refs below `prefix` (`heads/`), without it, sorted."""
        return {name[len(prefix) :]: self.refs[name] for name in sorted(self.refs) if name.startswith(prefix)}

    def entries(self) -> list[LogEntry]:
        """Return every entry, oldest first."""
        return [self.entry(n) for n in range(self.n)]

    def entry(self, n: int) -> LogEntry:
        """Return entry `n`, which has been read."""
        return decode_entry(self._storage.get(entry_key(n)))

    def buried_in(self, id: bytes) -> int:
        """Return the number of the entry that purged an object; it is a tombstone."""
        name = id.hex()
        return next((n for n in range(self.n - 1, -1, -1) if name in self.entry(n).tombstones), self.n)

    @property
    def collected(self) -> tuple[int, frozenset[str]]:
        """What collections did so far: while it is the same, whatever was live still is."""
        return self.fence, frozenset(self.removed)

    @property
    def was_collected(self) -> bool:
        """Tell whether any collection ever ran: since then an object may be here without what is below it."""
        return self.fence > 0 or bool(self.removed)

    def is_collected_since(self, n: int) -> bool:
        """Tell whether an entry from `n` on took packs away, as far as this instance has read them."""
        return bool(self._collections) and self._collections[-1] >= n

    def dropped_since(self, n: int) -> list[LiveIndex]:
        """Return the indexes that were live at some moment since entry `n` and are not any more, newest first."""
        return [live for number, live in reversed(self._dropped) if number >= n]

    def verify(self) -> list[str]:
        """Read the whole log again from its first entry; return what is wrong with it, a line each.

        The chain of digests, entries behind a gap, each checkpoint that an entry names, and whether the state we
        work with is the fold of all entries. Raises `TransientStorageError`: an outage says nothing of the log.
        """
        problems = []
        named: list[tuple[int, str]] = []
        whole = Log(self._storage, client=self._client)
        try:
            while whole.n < self.n and (data := self._read(whole.n)) is not None:
                if (checkpoint := decode_entry(data).checkpoint) is not None:
                    named.append(checkpoint)
                whole._fold(data)
        except TransientStorageError:
            raise
        except XverError as error:
            problems.append(f"{entry_key(whole.n)} is damaged: {error.message}")
        else:
            if whole.n < self.n:
                problems.append(f"{entry_key(whole.n)} is missing")
            elif whole._state() != self._state():
                problems.append("the log does not give the state that its checkpoint says")
        problems += [
            problem
            for number, checkpoint in enumerate(named)
            if (problem := self._check_checkpoint(*checkpoint, may_be_gone=number < len(named) - CHECKPOINTS_KEPT))
        ]
        beyond = [stat.key for stat in self._storage.list("log/") if stat.key > entry_key(self.n)]
        if beyond and self._read(self.n) is None:
            problems.append(f"{entry_key(self.n)} is missing: {len(beyond)} later entries are not read")
        return problems

    def mend_checkpoints(self) -> list[str]:
        """Write again each checkpoint that is damaged, from the entries before it; return their keys.

        A checkpoint is a function of these entries, and its name is the digest of its bytes: no other can take its
        place. An old one that a collection took away stays away. Raises `CorruptData` where the log itself is damaged.
        """
        bodies: list[tuple[int, str, bytes]] = []
        whole = Log(self._storage, client=self._client)
        while whole.n < self.n and (data := self._read(whole.n)) is not None:
            if (named := decode_entry(data).checkpoint) is not None:
                bodies.append((*named, encode_checkpoint(whole._state())))
            whole._fold(data)
        mended = []
        for number, (n, digest, body) in enumerate(bodies):
            may_be_gone = number < len(bodies) - CHECKPOINTS_KEPT
            is_bad = self._check_checkpoint(n, digest, may_be_gone=may_be_gone) is not None
            if is_bad and digest_hex(body) == digest:
                self._storage.put(_checkpoint_key(n, digest), body)
                mended.append(_checkpoint_key(n, digest))
        return mended

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
            tombstones=change.tombstones,
            moved_to=change.moved_to,
            require=(*change.require, *self._newly_required(change)),
        )
        if self.n - self._checkpointed < CHECKPOINT_EVERY:
            return entry
        body = encode_checkpoint(self._state())
        digest = digest_hex(body)
        self._storage.put(_checkpoint_key(self.n - 1, digest), body)
        return replace(entry, checkpoint=(self.n - 1, digest))

    def _newly_required(self, change: Change) -> tuple[str, ...]:
        """Return what readers have to know from this entry on for the packs that it makes live."""
        has_whole = any(is_whole(pack) for index in change.add_index for pack in index.packs)
        return (WHOLE_FEATURE,) if has_whole and WHOLE_FEATURE not in self.require else ()

    def _state(self) -> Checkpoint:
        return Checkpoint(
            n=self.n - 1,
            digest=self.digest or "",
            refs=self.refs,
            indexes=self.indexes,
            removed=frozenset(self.removed),
            fence=self.fence,
            tombstones=frozenset(self.tombstones),
            require=frozenset(self.require),
            moved_to=self.moved_to,
        )

    def _check_added(self, change: Change) -> None:
        if not self.fence and not self.removed:
            return
        listed = {name for live in self.indexes.values() for name in (live.name, *live.packs)}
        added = {name for index in change.add_index for name in (index.name, *index.packs)}
        gone = {name for name in added if name in self.removed or (name not in listed and pack_base(name) < self.fence)}
        if gone:
            raise Collected(self.url, packs=frozenset(gone))

    def _check_checkpoint(self, n: int, digest: str, *, may_be_gone: bool) -> str | None:
        key = _checkpoint_key(n, digest)
        try:
            is_whole = digest_hex(self._storage.get(key)) == digest
        except NotFound as error:
            return None if may_be_gone else f"{key} cannot be read: {error.message}"
        except TransientStorageError:
            raise
        except XverError as error:
            return f"{key} cannot be read: {error.message}"
        return None if is_whole else f"{key} is damaged"

    def _read(self, n: int) -> bytes | None:
        try:
            return self._storage.get(entry_key(n))
        except NotFound:
            return None

    def _fold(self, data: bytes) -> None:
        entry = decode_entry(data)
        if entry.n != self.n or entry.prev != self.digest:
            raise CorruptData(
                f"the log of {self.url} was rewritten: entry {self.n} does not follow the one before",
                hint="compare it with another clone; nothing was changed here",
            )
        for name, (_, new) in entry.refs.items():
            if new is None:
                self.refs.pop(name, None)
            else:
                self.refs[name] = new
        for gone in entry.remove_index:
            if (dropped := self.indexes.pop(gone, None)) is not None:
                self._dropped.append((entry.n, dropped))
        for index in entry.add_index:
            self.indexes[index.name] = index
        self.removed.update(entry.remove_packs)
        if entry.remove_packs:
            self._collections.append(entry.n)
        self.tombstones.update(entry.tombstones)
        self.require.update(entry.require)
        self.moved_to = entry.moved_to or self.moved_to
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
            if _NUMBER.fullmatch(number):
                found[int(number)] = digest
        for n in sorted(found, reverse=True):
            named = self._read(n + 1)
            if named is None or decode_entry(named).checkpoint != (n, found[n]):
                continue
            try:
                body = self._storage.get(_checkpoint_key(n, found[n]))
            except NotFound:
                continue  # a collection was faster: the log has all that it says
            if digest_hex(body) != found[n]:
                continue  # the log has all that it says; `verify` tells of it and `mend_checkpoints` makes it anew
            state = decode_checkpoint(body)
            self.n, self.digest = state.n + 1, state.digest
            self.refs, self.indexes = dict(state.refs), dict(state.indexes)
            self.removed, self.fence, self.tombstones = set(state.removed), state.fence, set(state.tombstones)
            self.require, self.moved_to = set(state.require), state.moved_to
            return


def entry_key(n: int) -> str:
    """Return the key of entry `n`."""
    return f"log/{n:010d}"


def follows(n: int) -> Callable[[Log], None]:
    """Return a check for `append`: it raises `Overtaken` unless the entry is to be number `n`."""

    def check(log: Log) -> None:
        if log.n != n:
            raise Overtaken(log.url)

    return check


def pack_base(name: str) -> int:
    """Return the number of the first entry that the writer of a pack or an index had not read."""
    digits = name.rpartition("/")[2].partition(".")[0]
    if not _NUMBER.fullmatch(digits):
        raise CorruptData(f"no name of a pack: {name!r}")
    return int(digits)


def _checkpoint_key(n: int, digest: str) -> str:
    return f"checkpoints/{n:010d}.{digest}"


def _shown(target: Target | None) -> str | None:
    return None if target is None else f"b3:{target.id.hex()[:8]}"

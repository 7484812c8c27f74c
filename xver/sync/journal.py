"""What an interrupted transfer has finished, so that the next one goes on with it: a line for each data pack.

    <cache>/journal/<target>/<transfer>      XXH3-64 of the rest, hex ␣ JSON: pack, footer, bases of deltas

A pack is written down when its upload was acknowledged and is taken over when rule R1 still allows it to become live.
A journal is a cache: who loses it sends again what it named.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final, TextIO

from xver.errors import CorruptData, UnsupportedFormat
from xver.format.indexes import Container, Place, encode_index
from xver.format.log_entries import INLINE_MAX, LiveIndex
from xver.model.ids import checksum, parse_hex
from xver.repo import Repo
from xver.store.log import pack_base
from xver.store.pack_writer import FinishedPack
from xver.store.replacing import put_index
from xver.store.store import Store

_DIGITS: Final = 16


@contextlib.contextmanager
def resumed(repo: Repo, target: Store) -> Iterator[list[LiveIndex]]:
    """While the block runs, write down each data pack that `target` gets; forget them all when it ends well.

    Gives the indexes of what an earlier transfer has finished: to be counted as uploaded, and made live with the rest.
    """
    journal = _Journal(_folder(repo, target))
    index = journal.take_over(target)
    target.on_data_pack = journal.record
    try:
        yield [] if index is None else [index]
    finally:
        target.on_data_pack = None
        journal.close()
    journal.forget()


class _Journal:
    """The journal of the transfers to one target; records from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{os.getpid()}-{os.urandom(4).hex()}"
        self._file: TextIO | None = None
        self._lock = threading.Lock()

    def record(self, pack: FinishedPack) -> None:
        """Write down a pack that is durable at the target."""
        line = _encode(pack)
        with self._lock:
            # Another transfer to this target may have taken over, and removed, what was written so far.
            if self._file is None or not self._path.exists():
                if self._file is not None:
                    self._file.close()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="ascii", newline="\n")
            self._file.write(line)
            # Not fsynced: of a power cut the transfer remembers less.
            self._file.flush()

    def take_over(self, target: Store) -> LiveIndex | None:
        """Return an index of the packs that may still become live, in this journal's name from now on."""
        before = self._files()
        packs = _usable(target, [pack for path in before for pack in _read(path)])
        for pack in packs:
            self.record(pack)
        for path in before:
            _remove(path)
        return _index(target, packs) if packs else None

    def close(self) -> None:
        """Close the file; what it says stays."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def forget(self) -> None:
        """Remove what was written down: it is live."""
        _remove(self._path)

    def _files(self) -> list[Path]:
        try:
            return sorted(self._folder.iterdir())
        except FileNotFoundError:
            return []


def _folder(repo: Repo, target: Store) -> Path:
    name = blake2b(target.storage.url.encode(), digest_size=8).hexdigest()
    return repo.cache / "journal" / name


def _usable(target: Store, packs: Iterable[FinishedPack]) -> list[FinishedPack]:
    """Return the packs that rule R1 lets become live: named by no entry yet, not to be deleted, there, and readable.

    What was purged meanwhile is in none of them.
    """
    fresh = {pack.container.name: pack for pack in packs}
    if not fresh:
        return []
    log = target.log
    listed = {name for live in log.indexes.values() for name in live.packs}
    sizes = {stat.key: stat.size for stat in target.storage.list("packs/")}
    usable = [
        pack
        for name, pack in sorted(fresh.items())
        if name not in listed
        and name not in log.removed
        and pack_base(name) >= log.fence
        and sizes.get(name) == pack.container.size
    ]
    held = {place.id for pack in usable for place in pack.places()}
    return [
        pack
        for pack in usable
        if all(base in held or base in target for bases in pack.bases.values() for base in bases)
        and not (log.tombstones and any(place.id.hex() in log.tombstones for place in pack.places()))
    ]


def _index(target: Store, packs: list[FinishedPack]) -> LiveIndex:
    def places() -> Iterator[Place]:
        for pack in packs:
            yield from pack.places()

    data = encode_index(places(), {id: bases for pack in packs for id, bases in pack.bases.items()})
    sizes = {pack.container.name: pack.container.size for pack in packs}
    return put_index(target.storage, target.log, data, sizes, inline=INLINE_MAX // 2)


def _encode(pack: FinishedPack) -> str:
    text = json.dumps(
        {
            "pack": pack.container.name,
            "size": pack.container.size,
            "checksum": pack.container.checksum,
            "footer": base64.b64encode(pack.footer).decode(),
            "bases": {id.hex(): [base.hex() for base in bases] for id, bases in pack.bases.items()},
        }
    )
    return f"{checksum(text.encode()):0{_DIGITS}x} {text}\n"


def _read(path: Path) -> list[FinishedPack]:
    """Return the packs that a file names; a line that was torn, and whatever follows it, names none."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            sum_, _, text = line.partition(" ")
            if sum_ != f"{checksum(text.encode()):0{_DIGITS}x}":
                break
            record = json.loads(text)
            pack = FinishedPack(
                Container(record["pack"], record["size"], record["checksum"]),
                base64.b64decode(record["footer"]),
                {parse_hex(id): tuple(map(parse_hex, bases)) for id, bases in record["bases"].items()},
            )
            try:
                list(pack.places())
            except (CorruptData, UnsupportedFormat):
                break
            found.append(pack)
    return found


def _remove(path: Path) -> None:
    # On Windows a file that another transfer still writes cannot go: it goes with that one.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)

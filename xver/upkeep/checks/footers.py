"""Footers against indexes, pack by pack: what an index says of a pack is what the pack says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xver.errors import CorruptData, NotFound, StorageError, TransientStorageError, UnsupportedFormat, XverError
from xver.format.codecs import Codec
from xver.format.indexes import PackIndex, Place, rank_of
from xver.format.packs import HEADER, TAIL_SIZE, Frame, check_header, decode_footer, footer_size, is_whole
from xver.model.ids import short_id
from xver.storage.base import Part, Storage
from xver.store.store import Store
from xver.upkeep.findings import Damage

DAMAGE: Final = (CorruptData, UnsupportedFormat, StorageError, NotFound)
"""What a read raises when bytes are not what they should be; a `TransientStorageError` says nothing about them."""

_DISAGREE: Final = "is damaged: the pack's footer and the index do not agree"
_AT_A_TIME: Final = 8
_GUESS: Final = 64 * 1024
"""Bytes from a pack's end in which its footer lies as a rule: a thousand frames."""


@dataclass(slots=True)
class PackReport:
    """One live pack: its rows by offset, its frames by id (none: no footer), what is wrong with it and its objects."""

    name: str
    places: list[Place]
    frames: dict[bytes, Frame]
    damage: list[Damage] = field(default_factory=list)
    bad: dict[bytes, str] = field(default_factory=dict)
    is_there: bool = True


def open_indexes(store: Store, damage: list[Damage]) -> dict[str, PackIndex]:
    """Return the live indexes that are whole, by name; what is wrong with the others goes to `damage`, if it is new."""
    found = {}
    known = {one.key for one in damage}
    for live in store.log.indexes.values():
        try:
            index = store.index.open(live)
            index.verify()
            found[live.name] = index
        except TransientStorageError:
            raise
        except DAMAGE as error:
            if live.name not in known:
                damage.append(Damage(live.name, f"cannot be used: {error.message}"))
    return found


def check_footers(
    store: Store, indexes: Mapping[str, PackIndex], sizes: Mapping[str, int], names: Sequence[str]
) -> Iterator[PackReport]:
    """Yield a report on each of the live packs `names`; `sizes` says what the storage lists below `packs/`."""
    live = store.log.live_packs()
    rows = {name: Counter(place.container.name for place in index.places()) for name, index in indexes.items()}
    checks_bases = len(indexes) == len(store.log.indexes)
    for at in range(0, len(names), _AT_A_TIME):
        group = names[at : at + _AT_A_TIME]
        footers = read_footers(store.storage, {name: sizes[name] for name in group if name in sizes})
        for name in group:
            pack = _Pack(name, live[name], sizes.get(name), footers.get(name))
            # Nothing here holds on to a report: of a pack of small objects it takes some fifty mebibytes.
            yield _check_pack(pack, indexes, rows, store if checks_bases else None)


def deltas_on(indexes: Iterable[PackIndex], bad: Container[bytes]) -> Iterator[tuple[Place, bytes]]:
    """Yield every delta that cannot be read because one of its bases is bad, with that base."""
    for index in indexes:
        for place in index.places():
            if place.codec is Codec.DELTA and place.id not in bad:
                base = next((one for one in index.bases(place.id) if one in bad), None)
                if base is not None:
                    yield place, base


def read_footers(storage: Storage, sizes: Mapping[str, int]) -> dict[str, bytes | XverError]:
    """Return the footer of each pack, or what is wrong with it; `sizes` gives each pack's size in bytes.

    Two short ranges a pack, all of them on their way together; a third where a footer is long. Decoded, that of a pack
    of small objects takes ten times the memory, so that is left to the caller.

    Raises:
        TransientStorageError: the storage cannot be asked now.
    """
    found: dict[str, bytes | XverError] = {}
    tails = _read(storage, [(name, Part(max(0, size - _GUESS), min(size, _GUESS))) for name, size in sizes.items()])
    heads = _read(storage, [(name, Part(0, min(size, len(HEADER)))) for name, size in sizes.items()])
    long: list[tuple[str, Part]] = []
    for name, size in sizes.items():
        head, tail = heads[name], tails[name]
        try:
            if isinstance(head, XverError) or isinstance(tail, XverError):
                raise head if isinstance(head, XverError) else tail  # type: ignore[misc]
            if not is_whole(name):
                check_header(head)
            length = footer_size(tail[-TAIL_SIZE:])
            if length > size:
                raise CorruptData("pack footer of the wrong size")
            if length > len(tail):
                long.append((name, Part(size - length, length)))
            else:
                found[name] = tail[len(tail) - length :]
        except DAMAGE as error:
            found[name] = error
    found |= _read(storage, long)
    return found


def frames_of(footer: bytes | XverError, name: str, size: int) -> list[Frame]:
    """Return the frames of a pack of `size` bytes from what `read_footers` gave for it; raises what it found."""
    if isinstance(footer, XverError):
        raise footer
    return decode_footer(footer, size, whole=is_whole(name))


def _read(storage: Storage, parts: list[tuple[str, Part]]) -> dict[str, bytes | XverError]:
    """Return the bytes of one part of each key, or what kept them from being read."""
    try:
        return dict(zip((key for key, _ in parts), map(bytes, storage.get_many(parts)), strict=True))
    except TransientStorageError:
        raise
    except DAMAGE:
        found: dict[str, bytes | XverError] = {}
    for key, part in parts:
        try:
            found[key] = storage.get(key, part)
        except TransientStorageError:
            raise
        except DAMAGE as error:
            found[key] = error
    return found


@dataclass(frozen=True, slots=True)
class _Pack:
    """A live pack: its size as `written`, as listed (None: it is not there), and what was read as its footer."""

    name: str
    written: int
    size: int | None
    footer: bytes | XverError | None


def _check_pack(
    pack: _Pack, indexes: Mapping[str, PackIndex], rows: Mapping[str, Counter[str]], store: Store | None
) -> PackReport:
    report = PackReport(pack.name, [], {}, is_there=pack.size is not None)
    if pack.size is None:
        report.damage.append(Damage(pack.name, "is missing"))
    elif pack.size != pack.written:
        report.damage.append(Damage(pack.name, f"has {pack.size:,} bytes where {pack.written:,} were written"))
    if pack.footer is not None and pack.size is not None:
        try:
            # A whole file may have a chunk twice: indexes name the first.
            report.frames = {one.id: one for one in reversed(frames_of(pack.footer, pack.name, pack.size))}
        except DAMAGE as error:
            if pack.size == pack.written:
                report.damage.append(Damage(pack.name, f"cannot be used: {error.message}"))
    for name, index in indexes.items():
        if rows[name][pack.name]:
            _compare(report, index, rows[name][pack.name])
    report.places.sort(key=lambda place: place.offset)
    if not report.is_there:
        report.bad |= {place.id: "is missing" for place in report.places}
    elif store is not None:
        _check_bases(store, report)
    return report


def _compare(report: PackReport, index: PackIndex, rows: int) -> None:
    """Take over the rows that an index has of the pack, `rows` of them, and compare each with its frame."""
    seen = 0
    for frame in report.frames.values():
        place = index.find(frame.id)
        if place is None or place.container.name != report.name:
            continue
        seen += 1
        report.places.append(place)
        if not _agree(place, frame) or (place.codec is Codec.DELTA and len(index.bases(place.id)) != frame.bases):
            report.bad[place.id] = _DISAGREE
    if seen == rows:
        return
    for place in index.places():
        if place.container.name == report.name and place.id not in report.frames:
            report.places.append(place)
            if report.frames:
                report.bad[place.id] = _DISAGREE


def _check_bases(store: Store, report: PackReport) -> None:
    for place in report.places:
        if place.codec is Codec.DELTA and place.id not in report.bad:
            for base in store.index.bases(place):
                found = store.index.find(base)
                if found is None or rank_of(found.codec):
                    report.bad[place.id] = f"is damaged: its base {short_id(base)} is missing"


def _agree(place: Place, frame: Frame) -> bool:
    return (frame.offset, frame.stored, frame.raw, frame.kind, frame.codec) == (
        place.offset,
        place.stored,
        place.raw,
        place.kind,
        place.codec,
    )

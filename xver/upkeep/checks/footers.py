"""Footers against indexes, pack by pack: what an index says of a pack is what the pack says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xver.errors import CorruptData, NotFound, StorageError, TransientStorageError, UnsupportedFormat, XverError
from xver.format.codecs import Codec
from xver.format.indexes import PackIndex, Place
from xver.format.packs import HEADER, TAIL_SIZE, Frame, check_header, decode_footer, footer_size
from xver.model.ids import short_id
from xver.storage.base import Part, Storage
from xver.store.store import Store
from xver.upkeep.findings import Damage

DAMAGE: Final = (CorruptData, UnsupportedFormat, StorageError, NotFound)
"""What a read raises when bytes are not what they should be; a `TransientStorageError` says nothing about them."""

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
    for at in range(0, len(names), _AT_A_TIME):
        group = names[at : at + _AT_A_TIME]
        footers = read_footers(store.storage, {name: sizes[name] for name in group if name in sizes})
        for name in group:
            listing = {key: index for key, index in indexes.items() if rows[key][name]}
            report = _check_pack(name, live[name], footers.get(name), sizes.get(name), listing, rows)
            if len(indexes) == len(store.log.indexes):
                _check_bases(store, report)
            yield report


def deltas_on(indexes: Iterable[PackIndex], bad: Container[bytes]) -> Iterator[tuple[Place, bytes]]:
    """Yield every delta that cannot be read because one of its bases is bad, with that base."""
    for index in indexes:
        for place in index.places():
            if place.codec is Codec.DELTA and place.id not in bad:
                base = next((one for one in index.bases(place.id) if one in bad), None)
                if base is not None:
                    yield place, base


def read_footers(storage: Storage, sizes: Mapping[str, int]) -> dict[str, list[Frame] | XverError]:
    """Return the frames of each pack, or what is wrong with it; `sizes` gives each pack's size in bytes.

    Two short ranges a pack, all of them on their way together; a third where a footer is long.

    Raises:
        TransientStorageError: the storage cannot be asked now.
    """
    found: dict[str, list[Frame] | XverError] = {}
    tails = _read(storage, [(name, Part(max(0, size - _GUESS), min(size, _GUESS))) for name, size in sizes.items()])
    heads = _read(storage, [(name, Part(0, min(size, len(HEADER)))) for name, size in sizes.items()])
    long: list[tuple[str, Part]] = []
    for name, size in sizes.items():
        head, tail = heads[name], tails[name]
        try:
            if isinstance(head, XverError) or isinstance(tail, XverError):
                raise head if isinstance(head, XverError) else tail  # type: ignore[misc]
            check_header(head)
            length = footer_size(tail[-TAIL_SIZE:])
            if length > size:
                raise CorruptData("pack footer of the wrong size")
            if length > len(tail):
                long.append((name, Part(size - length, length)))
            else:
                found[name] = decode_footer(tail[len(tail) - length :], size)
        except DAMAGE as error:
            found[name] = error
    for name, data in _read(storage, long).items():
        try:
            found[name] = data if isinstance(data, XverError) else decode_footer(data, sizes[name])
        except DAMAGE as error:
            found[name] = error
    return found


def _read(storage: Storage, parts: list[tuple[str, Part]]) -> dict[str, bytes | XverError]:
    """Return the bytes of one part of each key, or what kept them from being read."""
    try:
        return dict(zip((key for key, _ in parts), storage.get_many(parts), strict=True))
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


def _check_pack(
    name: str,
    written: int,
    footer: list[Frame] | XverError | None,
    size: int | None,
    indexes: Mapping[str, PackIndex],
    rows: Mapping[str, Counter[str]],
) -> PackReport:
    report = PackReport(name, [], {})
    if size is None:
        report.is_there = False
        report.damage.append(Damage(name, "is missing"))
    elif size != written:
        report.damage.append(Damage(name, f"has {size:,} bytes where {written:,} were written"))
    if isinstance(footer, list):
        report.frames = {frame.id: frame for frame in footer}
    elif isinstance(footer, XverError) and size == written:
        report.damage.append(Damage(name, f"cannot be used: {footer.message}"))
    places: dict[tuple[bytes, int], Place] = {}
    for key, index in indexes.items():
        seen = 0
        for frame in report.frames.values():
            place = index.find(frame.id)
            if place is None or place.container.name != name:
                continue
            seen += 1
            places[place.id, place.offset] = place
            if not _agree(place, frame) or (place.codec is Codec.DELTA and len(index.bases(place.id)) != frame.bases):
                report.bad[place.id] = "is damaged: the pack's footer and the index do not agree"
        if seen != rows[key][name]:
            for place in index.places():
                if place.container.name == name and place.id not in report.frames:
                    places[place.id, place.offset] = place
                    if report.frames:
                        report.bad[place.id] = "is damaged: the pack's footer and the index do not agree"
    report.places = sorted(places.values(), key=lambda place: place.offset)
    if not report.is_there:
        report.bad |= {place.id: "is missing" for place in report.places}
    return report


def _check_bases(store: Store, report: PackReport) -> None:
    for place in report.places:
        if place.codec is Codec.DELTA and place.id not in report.bad:
            for base in store.index.bases(place):
                found = store.index.find(base)
                if found is None or found.codec is Codec.DELTA:
                    report.bad[place.id] = f"is damaged: its base {short_id(base)} is missing"


def _agree(place: Place, frame: Frame) -> bool:
    return (frame.offset, frame.stored, frame.raw, frame.kind, frame.codec) == (
        place.offset,
        place.stored,
        place.raw,
        place.kind,
        place.codec,
    )

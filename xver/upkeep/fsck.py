"""Check a store: the log's chain, indexes, footers, and the id of every object in every live pack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xver.errors import ContentNotFound, CorruptData, NotFound, StorageError, UnsupportedFormat, XverError
from xver.format.indexes import Place
from xver.format.packs import HEADER, TAIL_SIZE, Frame, check_header, decode_footer, footer_size
from xver.history.reach import Edge, entry_edges, reach, target_edge
from xver.model.ids import Kind, checksum, short_id
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.storage.base import Part
from xver.store.store import Store

_NAMES: Final = {kind: kind.name.lower() for kind in Kind}
_CONTENT: Final = frozenset({Kind.CHUNK, Kind.NODE})
_DAMAGE: Final = (CorruptData, UnsupportedFormat, StorageError, NotFound)


@dataclass(frozen=True, slots=True)
class Findings:
    """Objects checked and their bytes, chunks that a remote holds and we do not, and what is wrong, a line each."""

    objects: int
    size: int
    promised: int
    problems: tuple[str, ...]


def check(repo: Repo, *, meter: Meter = SILENT) -> Findings:
    """Check everything in the local store, and that it holds what its refs and `xver.lock` reach."""
    store, lock = repo.store, repo.lock
    problems = store.log.verify()
    if lock.repository != store.repository:
        problems.append("xver.lock belongs to another repository than the store")
    may_be_elsewhere = bool(repo.settings.remotes)
    tracked = list(entry_edges(lock.entries))
    unfetched = [edge for edge in tracked if edge.id not in store] if _opens(store) else []
    if not may_be_elsewhere:
        problems += [_problem(edge, ContentNotFound(edge.id)) for edge in unfetched]
    edges = [target_edge(target) for target in store.log.refs.values()]
    edges += [edge for edge in tracked if edge not in unfetched]

    def note(edge: Edge, error: Exception) -> None:
        # Where only a part of a dataset was fetched its listing is here, and of other files not even their nodes.
        if not (may_be_elsewhere and edge.kind in _CONTENT and isinstance(error, ContentNotFound)):
            problems.append(_problem(edge, error))

    places = _places(store, problems)
    found = reach(store, edges, missing=note) if _opens(store) else {}
    lacking = [edge for edge in found.values() if edge.kind in _CONTENT and edge.id not in store]
    if not may_be_elsewhere:
        problems += [_problem(edge, ContentNotFound(edge.id)) for edge in lacking]
    meter.start("Checking", sum(map(len, places.values())), "objects")
    objects = size = 0
    sizes = {stat.key: stat.size for stat in store.storage.list("packs/")}
    for name, written in store.log.live_packs().items():
        rows = sorted(places.get(name, []), key=lambda place: place.offset)
        frames: dict[bytes, Frame] = {}
        if name not in sizes:
            problems.append(f"{name} is missing")
        elif sizes[name] != written:
            problems.append(f"{name} has {sizes[name]:,} bytes where {written:,} were written")
        else:
            frames = _read_footer(store, name, written, problems)
        for place, error, length in _check_objects(store, rows, frames):
            objects, size = objects + 1, size + length
            if error is not None:
                edge = found.get(place.id, Edge(place.kind, place.id))
                problems.append(f"{_problem(edge, error)} ({name})")
            meter.advance(1)
    meter.finish()
    promised = len({edge.id for edge in (*lacking, *unfetched)}) if may_be_elsewhere else 0
    return Findings(objects, size, promised, tuple(sorted(set(problems))))


def _opens(store: Store) -> bool:
    try:
        store.index.rows()
    except _DAMAGE:
        return False
    return True


def _places(store: Store, problems: list[str]) -> dict[str, list[Place]]:
    """Return the rows of all live indexes by pack."""
    places: dict[str, list[Place]] = defaultdict(list)
    for live in store.log.indexes.values():
        try:
            index = store.index.open(live)
            index.verify()
            for place in index.places():
                places[place.container.name].append(place)
        except _DAMAGE as error:
            problems.append(f"{live.name}: {error.message}")
    return places


def _read_footer(store: Store, name: str, size: int, problems: list[str]) -> dict[bytes, Frame]:
    """Return the frames of a pack, none if its header or footer is damaged."""
    try:
        check_header(store.storage.get(name, Part(0, len(HEADER))))
        length = footer_size(store.storage.get(name, Part(-TAIL_SIZE, TAIL_SIZE)))
        return {frame.id: frame for frame in decode_footer(store.storage.get(name, Part(-length, length)), size)}
    except _DAMAGE as error:
        problems.append(f"{name}: {error.message}")
        return {}


def _check_objects(
    store: Store, rows: list[Place], frames: dict[bytes, Frame]
) -> Iterator[tuple[Place, XverError | None, int]]:
    """Yield each object of a pack with what is wrong with it, and its size in bytes."""
    read = 0
    try:
        for place, stored in store.read_frames(rows):
            yield _check_object(store, place, stored, frames)
            read += 1
    except (StorageError, NotFound) as error:
        yield from ((place, error, 0) for place in rows[read:])


def _check_object(
    store: Store, place: Place, stored: memoryview, frames: dict[bytes, Frame]
) -> tuple[Place, XverError | None, int]:
    try:
        data = store.decode(place, stored)
        if frames:
            _compare(place, stored, frames.get(place.id))
    except _DAMAGE as error:
        return place, error, 0
    return place, None, len(data)


def _compare(place: Place, stored: memoryview, frame: Frame | None) -> None:
    if frame is None or (frame.offset, frame.stored, frame.raw, frame.kind, frame.codec) != (
        place.offset,
        place.stored,
        place.raw,
        place.kind,
        place.codec,
    ):
        raise CorruptData("the pack's footer and the index do not agree")
    if checksum(stored) != frame.checksum:
        raise CorruptData("its frame does not match its checksum")


def _problem(edge: Edge, error: Exception) -> str:
    where = f" of {edge.where}" if edge.where else ""
    kind = "is missing" if isinstance(error, ContentNotFound) else f"is damaged: {error}"
    return f"{_NAMES[edge.kind]} {short_id(edge.id)}{where} {kind}"

"""Copies of objects that other stores have: what a repair brings is taken from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xver.errors import TransientStorageError
from xver.model.ids import Kind
from xver.store.store import Store, Wanted
from xver.upkeep.checks.footers import DAMAGE


@dataclass(frozen=True, slots=True)
class Source:
    """A store to take copies from, by the name that people give it."""

    name: str
    store: Store


def copies_of(
    sources: Sequence[Source], wanted: list[tuple[bytes, Kind]]
) -> Iterator[tuple[Wanted, bytes | memoryview, str]]:
    """Yield each object that some source has whole, with that source's name; verified by the store it comes from."""
    left = dict(wanted)
    for source in sources:
        there = [Wanted(kind, id) for id, kind in left.items() if id in source.store]
        for one, data in _read(source.store, there):
            yield one, data, source.name
            del left[one.id]


def _read(store: Store, wanted: list[Wanted]) -> list[tuple[Wanted, bytes | memoryview]]:
    kinds = {one.id: one for one in wanted}
    try:
        return [(kinds[id], data) for id, data in store.get_many(wanted)]
    except TransientStorageError:
        raise
    except DAMAGE:
        found: list[tuple[Wanted, bytes | memoryview]] = []
    for one in wanted:
        try:
            found.append((one, store.get(one.kind, one.id)))
        except TransientStorageError:
            raise
        except DAMAGE:
            continue  # this copy is no better than ours; the next source may have a whole one
    return found

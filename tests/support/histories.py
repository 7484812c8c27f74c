"""Files as people change them: edits to draw, and what must hold of every store that keeps such versions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from xver.format.indexes import Place
from xver.model.ids import Kind
from xver.store.store import Store

KINDS: Final = ("append", "scattered edits", "delete", "insert", "insert in front", "move", "shrink", "grow", "rewrite")


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: its kind, where (a fraction of the file), how much (in bytes), and a seed for new bytes."""

    kind: str
    at: float
    size: int
    seed: int


EDITS: Final = st.builds(
    Edit,
    kind=st.sampled_from(KINDS),
    at=st.floats(0, 1),
    size=st.integers(1, 300_000),
    seed=st.integers(0, 1_000),
)


def table(size: int, seed: int = 0) -> bytes:
    """Return lines of a table, about `size` bytes, none of them twice."""
    draw = random.Random(seed)
    rows = (f"{seed},{at},{draw.random():.6f},{draw.choice(('oak', 'elm', 'ash'))}\n" for at in range(size // 22 + 1))
    return "".join(rows).encode()


def edited(data: bytes, edit: Edit) -> bytes:
    """Return the file after an edit."""
    at = int(len(data) * edit.at)
    fresh = table(edit.size, edit.seed + 1)
    match edit.kind:
        case "append":
            return data + fresh
        case "scattered edits":
            changed, draw = bytearray(data), random.Random(edit.seed)
            for _ in range(20 if len(data) > 100 else 0):
                place = draw.randrange(len(data) - 8)
                changed[place : place + 8] = b"%08d" % draw.randrange(10**8)
            return bytes(changed)
        case "delete":
            return data[:at] + data[at + edit.size :]
        case "insert":
            return data[:at] + fresh + data[at:]
        case "insert in front":
            return fresh + data
        case "move":
            block = data[at : at + edit.size]
            rest = data[:at] + data[at + edit.size :]
            place = len(rest) // (2 + edit.seed % 5)
            return rest[:place] + block + rest[place:]
        case "shrink":
            return data[: min(at, 200_000)]
        case "grow":
            return data + table(900_000, edit.seed + 2)
        case _:
            return table(len(data), edit.seed + 3)


def deltas(store: Store) -> list[Place]:
    """Return where each object lies that is stored as a delta and nowhere whole."""
    ids = set(store.index.ids())
    return [store.locate(id) for id in ids - store.index.find_whole(ids).keys()]


def assert_sound(store: Store) -> None:
    """Every object reads back, and every delta has one to three bases of its kind, here and whole."""
    for place in deltas(store):
        names = store.index.bases(place)
        bases = store.index.find_whole(names)
        assert 1 <= len(names) <= 3
        assert set(bases) == set(names)
        assert all(base.kind is place.kind for base in bases.values())
    for id in set(store.index.ids()):
        assert store.get(Kind(store.locate(id).kind), id)

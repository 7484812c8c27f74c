"""What a check found: one line for each thing that is wrong, and what was read to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xver.errors import ForeignChanged, NotFound, XverError
from xver.model.ids import Kind, short_id

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong, as one line (`str`).

    `key` is the object of the storage in which it is ("" where that is not known), `what` says what is wrong. Of a
    stored object `kind` and `id` are given, `path` where a ref leads to it (`REV:path`, or a path that `xver.lock`
    names), `more` how many more objects of that path are in the same way; `commits` are those that lose something,
    git's ids or ours, and `runs` those that used or made it, by name.
    """

    key: str
    what: str
    kind: Kind | None = None
    id: bytes | None = None
    path: str = ""
    more: int = 0
    commits: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.id is None or self.kind is None:
            return f"{self.key} {self.what}".strip()
        where = f" of {self.path}" if self.path else ""
        line = f"{self.kind.name.lower()} {short_id(self.id)}{where} {self.what}"
        line += f", and {self.more:,} more objects of it" if self.more else ""
        line += f" ({self.key})" if self.key else ""
        touched = [_named("commit", [id[:8] for id in self.commits]), _named("run", self.runs)]
        return "; ".join([line, *filter(None, touched)])


@dataclass(frozen=True, slots=True)
class Findings:
    """Of one check: `objects` whose bytes were compared with their ids, and their bytes.

    `promised` counts objects that a remote holds and we do not, `unread` the bytes as stored of the live packs whose
    content was not read, `packs` the live packs, and `sampled` how many of them were read where a share was asked
    for. `damage` is what is wrong, `damaged` the packs in which something is, `lost` what a ref leads to and no pack
    has. `unindexed`: an index cannot be used, so what refs lead to was not followed.
    """

    objects: int
    size: int
    promised: int
    unread: int
    packs: int
    sampled: int
    damage: tuple[Damage, ...]
    damaged: frozenset[str] = frozenset()
    lost: Mapping[bytes, Kind] = field(default_factory=dict)
    unindexed: bool = False

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, a line each."""
        return tuple(str(one) for one in self.damage)


def harm_of(error: XverError) -> str:
    """Return what an error that a read ended with says of the object, to stand behind its name."""
    if isinstance(error, ForeignChanged):
        return f"cannot be read: {error.path}, where it lies, {error.what}"
    if isinstance(error, NotFound):
        return "is missing"
    return f"is damaged: {error.message.rpartition(' is damaged: ')[2]}"


def _named(word: str, names: tuple[str, ...] | list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{word}{'s' if len(names) > 1 else ''} {', '.join(names[:_SHOWN])}{more}"

"""Refs: names in a store's log, and the typed ids they point to; the only roots of what is kept."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from xver.errors import InvalidInput
from xver.model.ids import parse_hex

HEADS: Final = "heads/"
TAGS: Final = "tags/"
SNAPSHOTS: Final = "snapshots/"
RUNS: Final = "runs/"
KEPT: Final = "kept/"
LOCK: Final = "lock/"
INFLIGHT: Final = "inflight/"
FORGOTTEN: Final = "forgotten/"
SHALLOW: Final = "shallow/"
CLONES: Final = "clones/"
"""At a remote, by work tree: what it sent there ahead of a push, and a push takes over."""
EVICTED: Final = "evicted/"

_NAME_MAX: Final = 512
# What git refuses in a branch name, and whatever else could not stand in a URL or on a command line.
_BAD: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|/\.|^[./-]|[./]$")


class TargetKind(enum.StrEnum):
    """What a ref points to; the word is part of the log's format."""

    SNAPSHOT = "snapshot"
    RUN = "run"
    LISTING = "listing"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Target:
    """What a ref points to, as the log writes it: `snapshot:<64 hex digits>`."""

    kind: TargetKind
    id: bytes

    def __str__(self) -> str:
        return f"{self.kind}:{self.id.hex()}"


def parse_target(text: str) -> Target:
    """Parse what `str(target)` gives; raises `InvalidInput` for anything else."""
    kind, colon, digits = text.partition(":")
    if not colon or kind not in TargetKind.__members__.values():
        raise InvalidInput(f"no target of a ref: {text[:80]!r}")
    return Target(TargetKind(kind), parse_hex(digits))


def parse_ref(name: str) -> str:
    """Return a valid name of a ref; raises `InvalidInput` for what git would refuse in a branch's."""
    if not name or len(name) > _NAME_MAX or _BAD.search(name) or name == "@":
        raise InvalidInput(
            f"not a name for a branch, tag or remote: {name[:80]!r}", hint="use letters, digits, '-', '_', '/'"
        )
    return name

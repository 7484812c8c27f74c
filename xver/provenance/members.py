"""Lists of a dataset's members, stored with a run as plain content: ids and names, which pin no bytes.

A line a member: its id in hex, its size in bytes, its path below the dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from xver.errors import CorruptData
from xver.model.ids import parse_hex
from xver.model.runs import Attachment
from xver.store.content import put_bytes
from xver.store.packing import Packer

_ESCAPE: Final = re.compile(r"\\([\\n])")


class Member(NamedTuple):
    """One file of a dataset."""

    id: bytes
    size: int
    path: str


def put_members(packer: Packer, members: Iterable[Member]) -> Attachment | None:
    """Store a list of members; None for no members."""
    text = "".join(f"{one.id.hex()} {one.size} {_escaped(one.path)}\n" for one in members)
    if not text:
        return None
    content = put_bytes(packer, text.encode())
    return Attachment(content.id, content.size)


def decode_members(data: bytes) -> list[Member]:
    """Return the members that `put_members` stored; raises `CorruptData` for anything else."""
    members = []
    try:
        for line in data.decode().split("\n")[:-1]:
            digits, size, path = line.split(" ", 2)
            members.append(Member(parse_hex(digits), int(size), _unescaped(path)))
    except ValueError as error:
        raise CorruptData(f"a run's list of members is damaged: {error}") from error
    return members


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(path: str) -> str:
    # In one pass: a backslash that stands before an n is not the start of a line end.
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else "\\", path)

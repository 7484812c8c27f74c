"""Which runs had to do with some content, and what was made from it, and from that: for the certificate of a purge.

Of a dataset that a run read or wrote only in part, the list that stands with the run tells of which files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from xver.errors import XverError
from xver.model.paths import is_below
from xver.model.runs import Attachment, Input, Output, Run
from xver.store.content import read_content
from xver.store.store import Store

_NAMED: Final = 20
"""Files of a dataset that are named one by one."""
Members: TypeAlias = Sequence[tuple[bytes, str]]
"""Ids and paths below a dataset."""
Listing: TypeAlias = Callable[[Attachment | None], Members | None]
"""Reads a run's list of members, None where there is none to be read."""


@dataclass(frozen=True, slots=True)
class Made:
    """Something that a run made from the content: where, its id, and by which run."""

    path: str
    id: bytes
    run: Run


@dataclass(slots=True)
class Touched:
    """The runs with what each did with the content, and what was made from it, both oldest first."""

    runs: list[tuple[Run, str]] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)


def touched_by(
    runs: Sequence[Run],
    contents: AbstractSet[bytes],
    datasets: AbstractSet[bytes],
    paths: Sequence[str],
    stores: Sequence[Store],
) -> Touched:
    """Return the runs that read, wrote, ran or kept some contents, or read what was made from them.

    `datasets` are those that had any of the contents; lists of members are read from `stores`.
    """
    found = Touched()
    made: dict[bytes, str] = {}

    def members(of: Attachment | None) -> Members | None:
        return None if of is None else _members(stores, of)

    for run in sorted(runs, key=lambda one: one.started):
        read = [name for one in run.inputs for name in _read(one, contents, datasets, paths, members)]
        derived = [name for one in run.inputs for name in _derived(one, made, members)] if made else []
        wrote = [name for one in run.outputs for name in _had(one, contents, datasets, members)]
        code = [path for path, one in run.code.files.items() if one.id in contents]
        kept = {one.id for one in run.attachments()} & contents - {run.code.files[path].id for path in code}
        said = [
            f"{word} {_listed(names)}{more}"
            for word, names, more in (
                ("read", read, ""),
                ("read", derived, ", made from it"),
                ("wrote", wrote, ""),
                ("ran", code, ", stored with its record"),
                ("stored", [f"b3:{id.hex()[:16]}" for id in sorted(kept)], " with its record"),
            )
            if names
        ]
        if said:
            found.runs.append((run, "; ".join(said)))
        if read or derived:
            for output in run.outputs:
                parts = [(id, f"{output.path}/{path}") for id, path in members(output.members) or ()]
                made |= {output.id: output.path, **dict(parts)}
                named = parts if 0 < len(parts) <= _NAMED else [(output.id, output.path)]
                found.made += [Made(path, id, run) for id, path in named]
    return found


def _read(
    one: Input, contents: Collection[bytes], datasets: Collection[bytes], paths: Sequence[str], members: Listing
) -> Iterator[str]:
    if any(is_below(one.path, path) for path in paths):
        yield one.path
    else:
        yield from _had(one, contents, datasets, members)


def _derived(one: Input, made: dict[bytes, str], members: Listing) -> Iterator[str]:
    listed = members(one.members)
    if listed is not None:
        yield from (f"{one.path}/{path}" for id, path in listed if id in made)
    elif one.id is not None and one.id in made:
        yield one.path


def _had(
    one: Input | Output, contents: Collection[bytes], datasets: Collection[bytes], members: Listing
) -> Iterator[str]:
    """Yield what of some contents a run read or wrote with this."""
    if one.id in contents:
        yield one.path
    elif one.id in datasets:
        listed = members(one.members)
        if listed is None:
            yield f"{one.path} (all of it)"
        else:
            yield from (f"{one.path}/{path}" for id, path in listed if id in contents)


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")


def _members(stores: Sequence[Store], of: Attachment) -> Members | None:
    """Return what a run's list names, a line `id size path` each; None where no store has it."""
    for store in stores:
        try:
            text = b"".join(read_content(store, of.id, of.size)).decode()
            lines = [line.split(" ", 2) for line in text.split("\n")[:-1]]
            return [(bytes.fromhex(id), path) for id, _, path in lines]
        except (XverError, ValueError):
            continue
    return None

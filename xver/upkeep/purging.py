"""Purge by name: words become contents, which are erased in each store, and one certificate tells of them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from xver.errors import InvalidInput, NotFound
from xver.model.ids import EMPTY_ID, parse_id
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.storage.cached import CachedStorage
from xver.store.kept import Kept
from xver.store.store import Store
from xver.upkeep.certificate import Purge, certificate, write
from xver.upkeep.checks.foreign import foreign_files
from xver.upkeep.gc import marks_here, marks_of
from xver.upkeep.purge import buried, erase
from xver.upkeep.traces import Reached, Traces, contents_of, find, reached
from xver.versioning.versions import entries_at

_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A store to purge in, by the name that people give it; `repo`: it is the own store of that repository."""

    name: str
    store: Store
    repo: Repo | None = None

    @property
    def mark(self) -> Callable[[Kept], None]:
        """What marks the objects to be kept there."""
        return marks_of(self.store) if self.repo is None else marks_here(self.repo)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be purged: paths and ids, but for the contents that are `spared`.

    `words` are those of a person, who has to be told where they name nothing.
    """

    paths: Sequence[str] = ()
    ids: Sequence[bytes] = ()
    spared: AbstractSet[bytes] = frozenset()
    words: Sequence[str] = ()


def named(repo: Repo, places: Sequence[Place], words: Sequence[str], kept: Sequence[str], *, start: Path) -> Wanted:
    """Return what some words name: paths, as seen from the folder `start`, and ids or the beginnings of ids.

    What the versions `kept` have at these paths is spared.

    Raises:
        NotFound: no store has an id.
        InvalidInput: a path is the whole repository, or an abbreviation is too short.
    """
    paths = [repo.relative(word, start=start) for word in words if not word.startswith("b3:")]
    if any(not path for path in paths):
        raise InvalidInput("the whole repository cannot be purged", hint="delete its store, and its remotes")
    ids = [_id(word, places) for word in words if word.startswith("b3:")]
    tops = [(entries_at(repo, rev), path) for rev in kept for path in paths]
    spared = {id for entries, path in tops for id in contents_of(repo.store, entries, path)}
    return Wanted(paths, ids, spared, words)


def followed(repo: Repo, there: Store) -> Wanted:
    """Return what is here of that which was purged at a remote."""
    return Wanted(ids=[id for id in map(bytes.fromhex, sorted(there.log.tombstones)) if id in repo.store])


def purge(
    repo: Repo, places: Sequence[Place], wanted: Wanted, *, dry_run: bool = False, meter: Meter = SILENT
) -> tuple[dict[str, Any], Path | None]:
    """Purge in every place, or only plan it; return the certificate, and where its text was written.

    Raises:
        NotFound: no version in any place has what was named.
        InvalidInput: an id is of no content.
        Incomplete, Overtaken: as `erase` does, with the places before purged.
    """

    def look(place: Place) -> tuple[Traces, Reached]:
        traces = find(place.store, wanted.paths, wanted.ids, spared=wanted.spared, repo=place.repo)
        return traces, reached(place.store, traces)

    found = {place.name: look(place) for place in places}
    if wanted.words and not any(traces.contents for traces, _ in found.values()):
        raise NotFound(f"no version has content of {', '.join(wanted.words)}", hint="xver log PATH")
    purges = [
        Purge(
            place.name,
            place.store,
            traces,
            there,
            buried(place.store, {*traces.contents, *there.erased}),
            foreign=foreign_files(place.store, there.erased),
        )
        for place in places
        for traces, there in [found[place.name]]
    ]
    if dry_run:
        return certificate(repo, wanted.paths, wanted.ids, purges), None
    done = []
    for place, one in zip(places, purges, strict=True):

        def again(place: Place = place) -> tuple[bytes, ...]:
            return look(place)[1].erased

        done.append(replace(one, erased=erase(place.store, again, place.mark, meter=meter)))
        if isinstance(place.store.storage, CachedStorage):
            place.store.storage.drop_packs()
    record = certificate(repo, wanted.paths, wanted.ids, done)
    return record, write(repo, record)


def _id(word: str, places: Sequence[Place]) -> bytes:
    digits = word.removeprefix("b3:")
    if len(digits) == 2 * len(EMPTY_ID):
        return parse_id(word)
    if len(digits) < _DIGITS:
        raise InvalidInput(f"{word} is too short to be sure of", hint=f"give {_DIGITS} digits or more")
    fitting = {id for place in places for id in place.store.index.ids() if id.hex().startswith(digits)}
    if len(fitting) != 1:
        listed = ", ".join(f"b3:{id.hex()[:20]}" for id in sorted(fitting)[:10])
        raise NotFound(
            f"{word} fits {len(fitting) or 'no'} objects{': ' if listed else ''}{listed}", hint="xver ls --json"
        )
    return fitting.pop()

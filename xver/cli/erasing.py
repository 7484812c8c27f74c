"""What `xver purge` does: names to contents, here and at remotes, each erased there, one certificate of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from xver.errors import InvalidInput, NotFound
from xver.model.ids import EMPTY_ID, parse_id
from xver.progress import Meter
from xver.repo import Repo
from xver.storage.cached import CachedStorage
from xver.store.kept import Kept
from xver.store.store import Store
from xver.sync.remotes import choose_remote, open_remote
from xver.upkeep.certificate import Purge, certificate, write
from xver.upkeep.gc import marks_here, marks_of
from xver.upkeep.purge import erase
from xver.upkeep.traces import Reached, Traces, contents_of, find, reached
from xver.versioning.versions import entries_at

_DIGITS = 8


class _Place(NamedTuple):
    name: str
    store: Store
    mark: Callable[[Kept], None]
    repo: Repo | None


def purge_all(
    repo: Repo,
    what: Sequence[str],
    remote_names: Sequence[str],
    kept_revs: Sequence[str],
    followed: str | None,
    *,
    dry_run: bool,
    start: Path,
    meter: Meter,
) -> tuple[dict[str, Any], Path | None]:
    """Purge, or only plan it; return the certificate and where its text was written.

    Raises:
        NotFound: no version has a path, or no store an id.
        InvalidInput: an id is of no content, or an abbreviation fits several.
    """
    places = [_Place("here", repo.store, marks_here(repo), repo)]
    for name in dict.fromkeys(remote_names):
        there = open_remote(repo, choose_remote(repo, name))
        places.append(_Place(name, there, marks_of(there), None))
    paths = [repo.relative(word, start=start) for word in what if not word.startswith("b3:")]
    if any(not path for path in paths):
        raise InvalidInput("the whole repository cannot be purged", hint="delete its store, and its remotes")
    ids = [_id(word, places) for word in what if word.startswith("b3:")]
    if followed is not None:
        theirs = open_remote(repo, choose_remote(repo, followed)).log.tombstones
        ids = [id for id in map(bytes.fromhex, sorted(theirs)) if id in repo.store]
    tops = [(entries_at(repo, rev), path) for rev in kept_revs for path in paths]
    spared = {id for entries, path in tops for id in contents_of(repo.store, entries, path)}

    def look(place: _Place) -> tuple[Traces, Reached]:
        traces = find(place.store, paths, ids, spared=spared, repo=place.repo)
        return traces, reached(place.store, traces)

    found = {place.name: look(place) for place in places}
    if followed is None and not any(traces.contents for traces, _ in found.values()):
        raise NotFound(f"no version has content of {', '.join(what)}", hint="xver log PATH")
    purges = [Purge(place.name, place.store, *found[place.name]) for place in places]
    if dry_run:
        return certificate(repo, paths, ids, purges), None
    done = []
    for place, one in zip(places, purges, strict=True):

        def again(place: _Place = place) -> tuple[bytes, ...]:
            return look(place)[1].erased

        done.append(replace(one, erased=erase(place.store, again, place.mark, meter=meter)))
        if isinstance(place.store.storage, CachedStorage):
            place.store.storage.drop_packs()
    record = certificate(repo, paths, ids, done)
    return record, write(repo, record)


def _id(word: str, places: Sequence[_Place]) -> bytes:
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

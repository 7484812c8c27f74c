"""Seal a run: everything known of it becomes one immutable record in the store, found by a ref of its own.

inflight/<ulid>  the record as it was when the run began, for what it had stored by then; goes when it is sealed
runs/<ulid>      the record: a root for what the run stored for itself (code, patch, series, lists of members)
kept/<ulid>      a listing of what else it keeps: inputs/… that no version held, outputs/…
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from xver.errors import CorruptData, InvalidInput, RunNotFound, UnsupportedFormat
from xver.format.canonical import encode_json
from xver.format.listings import Row
from xver.format.runs import decode_run, encode_run
from xver.model.entries import Entry
from xver.model.ids import Kind, RunId
from xver.model.paths import MAX_PATH, TrackedPath
from xver.model.refs import INFLIGHT, KEPT, RUNS, Target, TargetKind
from xver.model.runs import Attachment, Run
from xver.model.ulids import begun_at, is_ulid
from xver.provenance.bounds import within_bounds
from xver.provenance.events import FlightRecord
from xver.provenance.flight import Flight
from xver.provenance.metrics import encode_series, summarize
from xver.provenance.parameters import mask_parameters
from xver.provenance.secrets import mask
from xver.repo import Repo
from xver.store.content import put_bytes
from xver.store.listings import put_listing
from xver.store.packing import Packer

_DAY: Final = 86_400.0


def begin(repo: Repo, run: Run, unsaved: Mapping[TrackedPath, Entry], packer: Packer) -> Flight:
    """Begin a run in flight and keep what it has stored so far, its patch and the inputs that no version holds.

    `run` is what will be sealed if nothing more is ever heard of it.
    """
    run = within_bounds(run)
    record = encode_run(run)
    if unsaved or run.code.patch is not None:
        id = packer.put(Kind.RUN, record)
        refs: dict[str, Target | None] = {INFLIGHT + run.ulid: Target(TargetKind.RUN, id)}
        refs |= _kept(run, unsaved, {}, packer)
        repo.store.move(f"begin run {run.name}", refs, packer.finish())
    return Flight.begin(repo.runs / run.ulid, {"root": os.fspath(repo.root), "run": json.loads(record)})


def begun(flight: Flight) -> Run:
    """Return the run as it was known when it began.

    Raises:
        CorruptData: the flight was begun by something else.
    """
    record = flight.start.get("run")
    if not isinstance(record, dict) or record.get("ulid") != flight.folder.name:
        raise CorruptData(f"run in flight {flight.folder.name} says nothing of itself")
    try:
        return decode_run(encode_json(record))
    except InvalidInput as error:
        raise CorruptData(f"run in flight {flight.folder.name} is damaged: {error.message}") from error


def merge_events(run: Run, record: FlightRecord, packer: Packer) -> Run:
    """Return the run with what its processes logged: parameters, metrics, tags, notes."""
    points = record.points
    series = run.series
    if points:
        content = put_bytes(packer, encode_series(points))
        series = Attachment(content.id, content.size)
    problems = [f"events: {problem}" for problem in record.problems[:10]]
    if len(record.problems) > 10:
        problems.append(f"events: and {len(record.problems) - 10} more that could not be understood")
    return replace(
        run,
        params={**run.params, **mask_parameters(record.params)},
        metrics={**run.metrics, **summarize(points)},
        series=series,
        tags=tuple(dict.fromkeys([*run.tags, *record.tags])),
        note="\n".join(text for text in (run.note, mask(record.note)) if text),
        notes=(*run.notes, *problems),
    )


def seal(
    repo: Repo,
    flight: Flight,
    run: Run,
    packer: Packer,
    *,
    inputs: Mapping[TrackedPath, Entry],
    outputs: Mapping[TrackedPath, Entry],
) -> RunId:
    """Store the record with what it keeps, make it reachable, and remove the flight; return the record's id."""
    id = RunId(packer.put(Kind.RUN, encode_run(within_bounds(run))))
    refs: dict[str, Target | None] = {RUNS + run.ulid: Target(TargetKind.RUN, id), INFLIGHT + run.ulid: None}
    refs |= _kept(run, inputs, outputs, packer)
    repo.store.move(f"run {run.name}", refs, packer.finish())
    flight.remove()
    return id


def flights(repo: Repo) -> list[Flight]:
    """Return the runs in flight, oldest first; one whose beginning cannot be read is left out."""
    if not repo.runs.is_dir():
        return []
    found = []
    for folder in sorted(folder for folder in repo.runs.iterdir() if is_ulid(folder.name)):
        # Sealed this moment by another process, or damaged: nothing is known of what it was.
        with contextlib.suppress(RunNotFound, CorruptData, UnsupportedFormat):
            flight = Flight.open(folder)
            begun(flight)
            found.append(flight)
    return found


def drop_unbegun(repo: Repo, *, now: float | None = None) -> int:
    """Let go of what runs had stored that were killed before they began; return how many.

    Such a run has a ref `inflight/…` and no folder, and is older than a day: its command never ran.
    """
    before = (time.time() if now is None else now) - _DAY
    refs = repo.store.log.refs
    gone = [
        ulid
        for ulid in repo.store.log.refs_under(INFLIGHT)
        if is_ulid(ulid) and begun_at(ulid) < before and not (repo.runs / ulid).exists()
    ]
    names = [INFLIGHT + ulid for ulid in gone]
    names += [KEPT + ulid for ulid in gone if RUNS + ulid not in refs]
    repo.store.move("drop runs that never began", dict.fromkeys(names))
    return len(gone)


def neighbours(repo: Repo, run: Run) -> set[str]:
    """Return the other runs that go on in this work tree now, but for those that one outermost run called."""
    others = {flight.folder.name: flight for flight in flights(repo)}
    parents = {ulid: begun(flight).parent for ulid, flight in others.items()} | {run.ulid: run.parent}

    def outermost(ulid: str) -> str:
        for _ in parents:
            above = parents.get(ulid)
            if above is None:
                break
            ulid = above
        return ulid

    own = outermost(run.ulid)
    return {
        ulid
        for ulid, flight in others.items()
        if outermost(ulid) != own and flight.start.get("root") == os.fspath(repo.root) and flight.is_alive()
    }


def _kept(
    run: Run, inputs: Mapping[TrackedPath, Entry], outputs: Mapping[TrackedPath, Entry], packer: Packer
) -> dict[str, Target | None]:
    """Return the ref of what a run keeps; None takes away what it kept at its beginning."""
    kept = {TrackedPath(f"inputs/{path}"): entry for path, entry in inputs.items()}
    kept |= {TrackedPath(f"outputs/{path}"): entry for path, entry in outputs.items()}
    if not kept:
        return {KEPT + run.ulid: None}
    # A path of the greatest length has no room for the word in front; what lies in a kept folder is kept with it.
    paths = [path for path in kept if len(path.encode()) <= MAX_PATH and not any(one in kept for one in _above(path))]
    rows = [Row(path, kept[path]) for path in sorted(paths, key=str.encode)]
    return {KEPT + run.ulid: Target(TargetKind.LISTING, put_listing(packer, rows).id)}


def _above(path: str) -> list[TrackedPath]:
    parts = path.split("/")
    return [TrackedPath("/".join(parts[:length])) for length in range(1, len(parts))]

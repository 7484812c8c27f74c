"""Import and update: content from elsewhere is brought, tracked, and its origin sealed as a run.

    take ─► store, not live ─► one log entry: content, lock/<work tree>, runs/<ulid> ─► xver.lock ─► the disk

The run is a record like any other: it travels with push and fetch, `lineage` ends at its source, and an `update` in
any clone finds there what to ask for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from xver.errors import Collected, Conflict, InvalidInput, NotFound
from xver.format.log_entries import LiveIndex
from xver.format.runs import encode_run
from xver.intake.choosing import find_origin
from xver.intake.origin import Known, Origin, Taken, Wanted
from xver.model.entries import Dataset, Entry, entry_id
from xver.model.ids import Kind
from xver.model.paths import TrackedPath, typed
from xver.model.refs import RUNS, Target, TargetKind
from xver.model.runs import Evidence, Output, Run, Source, Status
from xver.progress import SILENT, Meter
from xver.provenance.bounds import within_bounds
from xver.provenance.programs import new_run
from xver.provenance.secrets import MASK, mask_address
from xver.repo import Repo
from xver.sync.journal import resumed
from xver.versioning.operations import noted
from xver.versioning.placing import place, require_free, require_own
from xver.versioning.runs import read_runs

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Import:
    """What a tracked path was imported as: by which run, and what that recorded of the source and its output."""

    run: Run
    output: Output
    source: Source

    @property
    def known(self) -> Known:
        """What an origin is to be asked with."""
        return Known(self.source, self.output.id, self.output.files)

    @property
    def is_reference(self) -> bool:
        """Whether only its listing was taken."""
        return not self.output.kept


@dataclass(frozen=True, slots=True)
class Brought:
    """What was taken in at a path: what stood there before and stands there now, from where, and bytes as stored."""

    path: TrackedPath
    before: Entry | None
    entry: Entry
    source: Source
    stored: int
    special: tuple[str, ...]


def import_data(repo: Repo, origin: Origin, path: str, *, start: Path, meter: Meter = SILENT) -> Brought:
    """Bring what an origin holds, track it as `path` (relative to the root) and write it there.

    `start` is the folder in which it was asked for.

    Raises:
        AlreadyExists: something is at `path`.
        InvalidInput: `path` can be no data, or the content cannot be tracked.
        NotFound, StorageError, Conflict: what the origin raises.
    """
    top = require_free(repo, path)
    brought = _bring(repo, origin, top, "import", start=start, check=require_free, meter=meter)
    assert brought is not None, "nothing is known of it, so all of it is new"
    return brought


def add_from(repo: Repo, origin: Origin, path: str, *, meter: Meter = SILENT) -> Brought:
    """Track what an origin holds as `path` and write it there; where it comes from is nobody else's business.

    What is tracked there already, and unchanged on the disk, is replaced.

    Raises:
        DirtyWorktree: what lies there has changes that are not added.
        XverError: as for `import_data`.
    """
    top = require_own(repo, path)
    brought = _bring(repo, origin, top, "add --as", start=None, check=require_own, meter=meter)
    assert brought is not None, "nothing is known of it, so all of it is new"
    return brought


def imports(repo: Repo) -> dict[TrackedPath, Import]:
    """Return what the tracked paths were imported as; those that were not are left out.

    The content decides: a path that was renamed, or went back to an earlier version, is what that was imported as. One
    that was changed here since is what was imported there last.
    """
    by_path: dict[str, Import] = {}
    by_id: dict[bytes, Import] = {}
    for run in reversed(read_runs(repo)):
        outputs = {one.path: one for one in run.outputs}
        for source in run.sources:
            if source.path in outputs:
                found = Import(run, outputs[source.path], source)
                by_path[source.path] = by_id[found.output.id] = found
    chosen: dict[TrackedPath, Import] = {}
    for top, entry in repo.lock.entries.items():
        id, found_there = entry_id(entry), by_path.get(top)
        if found_there is None or found_there.output.id != id:
            found_there = by_id.get(id or b"", found_there)
        if found_there is not None:
            chosen[top] = found_there
    return chosen


def is_as_imported(repo: Repo, top: TrackedPath, one: Import) -> bool:
    """Tell whether a tracked path still is what was imported there."""
    return entry_id(repo.lock.entries[top]) == one.output.id


def origin_of(one: Import, *, start: Path) -> Origin:
    """Return where to ask for a newer version.

    Raises:
        InvalidInput: the address held a secret, which is not recorded.
    """
    if MASK in one.source.uri:
        raise InvalidInput(
            f"the address of {one.source.path} held a secret, which is not kept",
            hint=f"xver update {typed(one.source.path)} --from ADDRESS",
        )
    return find_origin(one.source.uri, endpoint_url=one.source.endpoint_url, start=start, is_reference=one.is_reference)


def known_by(one: Import, origin: Origin) -> Known:
    """Return what an origin is to be asked with: another address has other names for versions."""
    if mask_address(origin.uri) == one.source.uri:
        return one.known
    return replace(one.known, source=replace(one.source, version="", modified="", members=None))


def update(
    repo: Repo, top: TrackedPath, one: Import, origin: Origin, *, start: Path, meter: Meter = SILENT
) -> Brought | None:
    """Take the version that an origin has now in place of what was imported; None where it is the same.

    Raises:
        DirtyWorktree: the path has changes that are not added.
        NotFound, StorageError, Conflict: what the origin raises.
    """
    require_own(repo, top)
    known = known_by(one, origin)
    return _bring(repo, origin, top, "update", start=start, check=require_own, known=known, meter=meter)


def _bring(
    repo: Repo,
    origin: Origin,
    top: TrackedPath,
    verb: str,
    *,
    start: Path | None,
    check: Callable[[Repo, str], TrackedPath],
    known: Known | None = None,
    meter: Meter,
) -> Brought | None:
    """Take from an origin and put in its place; with `start`, the folder it was asked for in, that is recorded."""
    before = repo.lock.entries.get(top)
    words = ("xver", verb, mask_address(origin.uri), top)
    run = None if start is None else new_run(repo, command=words, directory=str(start))
    for _ in range(_ATTEMPTS):
        try:
            with resumed(repo, repo.store) as uploaded:
                taken = origin.take(repo, Wanted(top, known, before, uploaded, meter))
                if taken is None:
                    return None
                with repo.held(), noted(repo, f"{verb} {top}", paths=[top]):
                    check(repo, top)
                    refs = {} if run is None else _sealed(repo, run, top, taken, uploaded)
                    place(repo, top, taken.entry, operation=verb, brought=uploaded, refs=refs, meter=meter)
                stored = sum(size for index in uploaded for size in index.packs.values())
                return Brought(top, before, taken.entry, taken.source, stored, taken.special)
        except Collected:
            # What it relied on was taken by a collection that ran meanwhile.
            repo.store.refresh()
    raise Conflict("the store is collected faster than this brings", hint="run it again")


def _sealed(repo: Repo, run: Run, top: TrackedPath, taken: Taken, uploaded: list[LiveIndex]) -> dict[str, Target]:
    """Store the record of an import; return the ref that keeps it."""
    entry = taken.entry
    id = entry_id(entry)
    if id is None:
        raise NotFound(f"{taken.source.uri} is known there, and not stored")
    files = entry.files if isinstance(entry, Dataset) else None
    output = Output(top, id, entry.size, Evidence.IMPORTED, kept=taken.is_stored, files=files)
    record = replace(
        run,
        status=Status.OK,
        duration=max(0, time.time_ns() // 1_000_000 - run.started),
        outputs=(output,),
        sources=(replace(taken.source, uri=mask_address(taken.source.uri)),),
    )
    with repo.store.packer() as packer:
        target = Target(TargetKind.RUN, packer.put(Kind.RUN, encode_run(within_bounds(record))))
        index = packer.finish()
    uploaded.extend([] if index is None else [index])
    return {RUNS + run.ulid: target}

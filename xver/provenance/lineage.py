"""Where a content comes from: from a file, dataset or run up to everything it was made of.

    content ─ made by ─► run ─ used ─► content ─ made by ─► run …

The answer is a tree of values. What is reached twice is told once, and named where it is met again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from xver.errors import ContentNotFound, InvalidInput, NotFound, RepositoryNotFound
from xver.model.entries import Dataset, Entry, File, Link, entry_id
from xver.model.ids import EMPTY_ID, Kind, ListingId, parse_id
from xver.model.paths import TrackedPath
from xver.model.runs import Input, Run
from xver.model.snapshots import Version
from xver.provenance.holders import Holders
from xver.provenance.makers import Makers, Making
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.versioning.runs import find_run, fitting_runs
from xver.versioning.state import compare_path
from xver.versioning.versions import find_entry
from xver.worktree.ignore import Ignore
from xver.worktree.ingest import ingest
from xver.worktree.reading import read_file
from xver.worktree.records import entry_of

MAX_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class Entity:
    """A content as it was met: what it was called there, its id (None: not known), size, files of a dataset.

    `commit` is the first version that holds it under any name.
    """

    path: str
    id: bytes | None
    size: int
    files: int | None = None
    commit: Version | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A content and the runs that made it, the most likely first; no run: it came from outside, or by hand.

    `others` are further runs that made the same bytes. `parts` tells for a dataset that no run made as a whole which
    runs made how many of its files.
    """

    entity: Entity
    made_by: Activity | None = None
    others: tuple[Run, ...] = ()
    parts: tuple[tuple[Activity, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Activity:
    """A run as a step of the way: what it used, and what was there before where it wrote only a part.

    `told`: what lies above it stands elsewhere in the answer. `cut`: it was not asked for (depth).
    """

    run: Run
    making: Making | None = None
    uses: tuple[Use, ...] = ()
    earlier: Node | None = None
    told: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """An input of a run, and where it comes from."""

    input: Input
    source: Node


def lineage(repo: Repo, word: str, *, start: Path, depth: int = MAX_DEPTH) -> Node | Activity:
    """Return where `word` comes from: a path (in the work tree or anywhere), a run, or a full id.

    The bytes decide: a file on the disk is asked about as it is now, whatever it is called and wherever it lies.
    `depth` is how many runs to go up at most.

    Raises:
        NotFound: no such path, run or id.
    """
    asking = _Asking(repo, depth)
    if os.path.lexists(start / word):
        return asking.node(_on_disk(repo, word, start, asking.holders), depth)
    if fitting_runs(repo, word):
        return asking.activity(find_run(repo, word), None, depth)
    return asking.node(_by_name(repo, word, start, asking.holders), depth)


class _Asking:
    """One question: what is known of all runs, and which were told already."""

    def __init__(self, repo: Repo, depth: int) -> None:
        if not 0 <= depth <= MAX_DEPTH:
            raise InvalidInput(f"a depth is 0 to {MAX_DEPTH}, not {depth}")
        self.repo = repo
        self.holders = Holders(repo)
        self.makers = Makers(repo)
        self._told: set[str] = set()

    def node(self, entity: Entity, depth: int, *, before: int | None = None) -> Node:
        id = entity.id
        if id is None or id == EMPTY_ID:
            return Node(entity)
        makings = self.makers.of(id, path=entity.path, before=before)
        if makings:
            first, *others = makings
            if entity.commit is None:
                # A stray copy: the commit that holds what the run wrote.
                entity = replace(entity, commit=self.holders.first(id, first.path))
            return Node(entity, self.activity(first.run, first, depth), tuple(one.run for one in others))
        if entity.files is None:
            return Node(entity)
        parts = self.makers.of_members(id, self._members(id), before=before)
        return Node(entity, parts=tuple((self.activity(making.run, making, depth), count) for making, count in parts))

    def activity(self, run: Run, making: Making | None, depth: int) -> Activity:
        if run.ulid in self._told:
            return Activity(run, making, told=True)
        if depth == 0:
            return Activity(run, making, cut=True)
        self._told.add(run.ulid)
        uses = tuple(Use(used, self.node(self._entity(used), depth - 1, before=run.started)) for used in run.inputs)
        return Activity(run, making, uses, self._earlier(run, making, depth))

    def _entity(self, used: Input) -> Entity:
        commit = None if used.id is None else self.holders.first(used.id, used.path)
        return Entity(used.path, used.id, used.size, used.files, commit)

    def _earlier(self, run: Run, making: Making | None, depth: int) -> Node | None:
        """Return what lay there before, for a dataset of which the run wrote only a part."""
        if making is None or making.member is not None:
            return None
        output = making.output
        if output.before is None or output.written is None or output.written == output.files:
            return None
        if any(used.path == output.path and used.id == output.before for used in run.inputs):
            return None
        entity = Entity(output.path, output.before, 0, 0, self.holders.first(output.before))
        return self.node(entity, depth - 1, before=run.started)

    def _members(self, id: bytes) -> Iterator[bytes]:
        try:
            for row in read_listing(self.repo.store, ListingId(id)):
                if isinstance(row.entry, File | Link):
                    yield row.entry.id
        except ContentNotFound:
            # A dataset that was never stored here: only its id is known.
            return


def _on_disk(repo: Repo, word: str, start: Path, holders: Holders) -> Entity:
    try:
        path = repo.relative(word, start=start)
    except (InvalidInput, RepositoryNotFound):
        # Outside of the work tree: only its bytes are known.
        return _read(start / word, word, holders)
    if not path:
        raise InvalidInput("the whole work tree has no one origin", hint="xver lineage models/model.pkl")
    entry = repo.lock.entries.get(TrackedPath(path))
    if entry is not None and compare_path(repo, TrackedPath(path), entry).is_clean:
        return _entity(path, entry, holders)
    return _read(repo.root / path, path, holders)


def _read(path: Path, name: str, holders: Holders) -> Entity:
    if path.is_dir() and not path.is_symlink():
        whole = path.resolve()
        entry = ingest(whole.parent, whole.name, None, record=None, ignore=Ignore(whole.parent)).entry
    else:
        entry = entry_of(read_file(os.fspath(path), None).known)
    return _entity(name, entry, holders)


def _by_name(repo: Repo, word: str, start: Path, holders: Holders) -> Entity:
    """Return a content by its id, or by the path of a tracked file that is not on the disk."""
    if word.startswith("b3:"):
        id = parse_id(word)
        place = repo.store.index.find(id)
        is_dataset = place is not None and place.kind is Kind.LISTING
        return Entity(word[:11], id, 0, 0 if is_dataset else None, holders.first(id))
    path = repo.relative(word, start=start)
    entry = find_entry(repo.store, repo.lock.entries, path)
    if entry is None:
        raise NotFound(f"no file, run or id is called {word}", hint="xver runs, or xver ls")
    return _entity(path, entry, holders)


def _entity(path: str, entry: Entry, holders: Holders) -> Entity:
    id = entry_id(entry)
    files = entry.files if isinstance(entry, Dataset) else None
    return Entity(path, id, entry.size, files, None if id is None else holders.first(id, path))

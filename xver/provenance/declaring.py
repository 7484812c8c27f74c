"""Inputs and outputs that a run names itself: identified when they are named, looked at again when it is sealed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from xver.errors import InvalidInput, XverError
from xver.model.entries import Dataset, Entry, entry_id
from xver.model.paths import TrackedPath, is_below, parse_path
from xver.model.runs import Evidence, Input, Output, State
from xver.provenance.events import DeclaredInput
from xver.provenance.members import Member, put_members
from xver.provenance.outputs import Written, folders_above
from xver.repo import Repo
from xver.store.packing import Packer
from xver.versioning.membership import rules
from xver.versioning.state import compare_path
from xver.versioning.versions import find_entry
from xver.worktree.ingest import ingest
from xver.worktree.reading import read_file
from xver.worktree.records import entry_of


def identify(repo: Repo, path: str) -> Input:
    """Return what lies at a path (relative to the root) now, as an input; reads it unless it is tracked and clean.

    Raises:
        InvalidInput: nothing is there, or it cannot be read.
    """
    parse_path(path)
    if not os.path.lexists(repo.root / path):
        raise InvalidInput(f"there is no {path}", hint="name an input before it is read, as it lies on the disk")
    top = next((one for one in repo.lock.entries if is_below(path, one)), None)
    if top is None:
        return _input(path, _look(repo, path), State.UNVERSIONED)
    if compare_path(repo, top, repo.lock.entries[top]).is_clean:
        entry = find_entry(repo.store, repo.lock.entries, path)
        if entry is not None:
            return _input(path, entry, State.STABLE)
    return _input(path, _look(repo, path), State.UNVERSIONED)


def declared_inputs(repo: Repo, declared: Iterable[DeclaredInput], *, known: Collection[str]) -> list[Input]:
    """Return the inputs that were named and not seen; `known` are the paths that were seen.

    One that changed since it was named says so; one that nobody looked at then is identified now.
    """
    found = []
    for one in declared:
        if one.path in known:
            continue
        now = _now(repo, one.path)
        if one.id is None:
            found.append(now or Input(one.path, None, 0, Evidence.DECLARED, State.BEFORE_UNKNOWN))
            continue
        same = now is not None and now.id is not None and now.id.hex() == one.id
        state = now.state if same and now is not None else State.CHANGED
        found.append(
            Input(one.path, bytes.fromhex(one.id), one.size, Evidence.DECLARED, state, files=one.files, read=one.files)
        )
    return found


def declared_outputs(repo: Repo, paths: Iterable[str], packer: Packer) -> Written:
    """Return the outputs that were named, kept with the run; one that is not there is a note."""
    found = Written()
    wanted = set(paths)
    for path in sorted(wanted):
        if any(one in wanted for one in folders_above(path)):
            continue
        try:
            taken = _take(repo, path, packer)
        except (XverError, OSError) as error:
            found.notes.append(f"{path} was named as an output and could not be taken in: {error}")
            continue
        output, entry = taken
        found.outputs.append(output)
        found.kept[parse_path(path)] = entry
    return found


def _take(repo: Repo, path: str, packer: Packer) -> tuple[Output, Entry]:
    if not (repo.root / path).is_dir() or (repo.root / path).is_symlink():
        known = read_file(os.path.join(repo.root, path), packer).known
        return Output(parse_path(path), known.id, known.size, Evidence.DECLARED, kept=True), entry_of(known)
    record = repo.stat_index.tree(path) if TrackedPath(path) in repo.lock.entries else None
    taken = ingest(repo.root, path, packer, record=record, ignore=rules(repo))
    assert isinstance(taken.entry, Dataset)
    members = [Member(known.id, known.size, name) for name, known in sorted(taken.record.files())]
    output = Output(
        path,
        taken.entry.id,
        taken.entry.size,
        Evidence.DECLARED,
        kept=True,
        files=taken.entry.files,
        written=len(members),
        members=put_members(packer, members),
    )
    return output, taken.entry


def _now(repo: Repo, path: str) -> Input | None:
    try:
        return identify(repo, path)
    except (XverError, OSError):
        return None


def _look(repo: Repo, path: str) -> Entry:
    if (repo.root / path).is_dir() and not (repo.root / path).is_symlink():
        return ingest(repo.root, path, None, record=None, ignore=rules(repo)).entry
    return entry_of(read_file(os.path.join(repo.root, path), None).known)


def _input(path: str, entry: Entry, state: State) -> Input:
    files = entry.files if isinstance(entry, Dataset) else None
    return Input(path, entry_id(entry), entry.size, Evidence.DECLARED, state, files=files, read=files)

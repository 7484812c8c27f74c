"""What a run read: opened files become inputs (tracked or not) and code, with the ids they had before use."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from xver.errors import InvalidInput, XverError
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, File, Link, entry_id
from xver.model.ids import ContentId
from xver.model.paths import PathSet, TrackedPath, parse_path
from xver.model.runs import Attachment, Evidence, Input, State
from xver.provenance.members import Member, put_members
from xver.provenance.observing import Before
from xver.provenance.tree import TreeState
from xver.repo import Repo
from xver.store.listings import put_listing, read_listing
from xver.store.packing import Packer
from xver.worktree.reading import read_file
from xver.worktree.records import entry_of

CODE_SUFFIXES: Final = frozenset(
    {".py", ".pyi", ".ipynb", ".r", ".jl", ".sh", ".sql", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".c", ".cc", ".cpp",
     ".cu", ".h", ".rs", ".go", ".java", ".scala", ".js", ".ts", ".lua", ".pl"}
)  # fmt: skip
_CODE_MAX: Final = 4_000_000
_GATHER_FROM: Final = 20
"""So many untracked files of one folder become one input: the record stays small, their list is stored beside it."""
_KEPT_FILES: Final = 10
"""Untracked inputs are stored up to this many times the size that the settings allow for one."""


@dataclass(slots=True)
class Read:
    """What a run read: inputs, the code files stored with it, entries to keep, and what could not be known."""

    inputs: list[Input] = field(default_factory=list)
    code: dict[str, Attachment] = field(default_factory=dict)
    kept: dict[TrackedPath, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Opened:
    """Files that were read, relative to the root, how that is known, and whether all that were read are there.

    Those read `again` were opened after they had been written.
    """

    paths: Collection[str]
    again: Collection[str]
    evidence: Evidence
    is_complete: bool


def inputs_of(
    repo: Repo,
    opened: Opened,
    *,
    before: Before,
    after: TreeState,
    written: Collection[str],
    code_paths: Collection[str],
    packer: Packer,
) -> Read:
    """Return what was read; `written` are the files that were written meanwhile, `code_paths` those git tracks.

    A file counts only if it was there before: what a run made itself is no input. Code is known by its suffix, git's
    or not. Never raises for a file that cannot be read: it is an input whose bytes are not known.
    """
    found = Read()
    tops = PathSet(before.tracked)
    members: dict[TrackedPath, list[str]] = {}
    plain: list[str] = []
    for path in sorted(opened.paths):
        if path not in before.tree.files or path in ("xver.lock", "xver.toml"):
            continue
        try:
            parse_path(path)
        except InvalidInput as error:
            found.notes.append(f"a file was read and cannot be recorded: {error.message}")
            continue
        top = tops.above(path)
        if top is not None:
            members.setdefault(top, []).append(path)
        elif _is_code(path) and _size(repo, path) <= _CODE_MAX:
            same = before.tree.files[path] == after.files.get(path)
            attachment = _store_code(repo, path, packer) if same else None
            if attachment is not None:
                found.code[path] = attachment
            else:
                found.notes.append(f"{path} was read and changed: it is not kept as the code that it was")
        else:
            plain.append(path)
    for top, paths in members.items():
        entry = before.tracked[top]
        if entry is not None:
            used = _tracked_input(repo, top, entry, paths, opened, before.tree, after, written, packer)
            if used is not None:
                found.inputs.append(used)
                if top in before.unsaved:
                    found.kept[top] = entry
    _plain_inputs(repo, plain, opened.evidence, before.tree, after, code_paths, packer, found)
    return found


def _is_code(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in CODE_SUFFIXES


def _tracked_input(
    repo: Repo,
    top: TrackedPath,
    entry: Entry,
    paths: Sequence[str],
    opened: Opened,
    before: TreeState,
    after: TreeState,
    written: Collection[str],
    packer: Packer,
) -> Input | None:
    # Changed and nobody seen to write it, or read once more after that: not all that was read has this id.
    moved = [path for path in paths if before.files[path] != after.files.get(path, before.files[path])]
    changed = any(path not in written or path in opened.again for path in moved)
    state = State.CHANGED if changed else State.STABLE
    if not isinstance(entry, Dataset):
        role = "code" if _is_code(top) else "data"
        return Input(top, entry_id(entry), entry.size, opened.evidence, state, role)
    if not opened.is_complete:
        # Which members were opened is not known for certain: the dataset was used.
        return Input(top, entry.id, entry.size, opened.evidence, state, files=entry.files)
    if len(paths) == entry.files:
        return Input(top, entry.id, entry.size, opened.evidence, state, files=entry.files, read=entry.files)
    inner = {path[len(top) + 1 :] for path in paths}
    used = [
        Member(row.entry.id, row.entry.size, row.path)
        for row in read_listing(repo.store, entry.id)
        if row.path in inner and isinstance(row.entry, File | Link)
    ]
    if not used:
        # Opened were only files that no version holds.
        return None
    members = put_members(packer, used)
    return Input(top, entry.id, entry.size, opened.evidence, state, files=entry.files, read=len(used), members=members)


def _plain_inputs(
    repo: Repo,
    paths: Iterable[str],
    evidence: Evidence,
    before: TreeState,
    after: TreeState,
    in_git: Collection[str],
    packer: Packer,
    found: Read,
) -> None:
    """Identify files that xver does not track on the spot; many of one folder are gathered into one input."""
    folders: dict[str, list[Row]] = {}
    allowed = repo.settings.store_untracked
    left = _KEPT_FILES * allowed
    for path in paths:
        # Its bytes are those before use only if its stat never moved.
        entry = None
        if after.files.get(path) == before.files[path]:
            entry = _identify(repo, path, packer if _size(repo, path) <= min(allowed, left) else None)
        if entry is None:
            found.inputs.append(Input(path, None, 0, evidence, State.BEFORE_UNKNOWN))
            continue
        if entry.size <= min(allowed, left):
            left -= entry.size
            found.kept[parse_path(path)] = entry
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(Row(parse_path(name), entry))
    for folder, rows in folders.items():
        if folder and len(rows) >= _GATHER_FROM:
            found.inputs.append(_gathered(folder, rows, evidence, packer))
            continue
        for row in rows:
            path = f"{folder}/{row.path}" if folder else row.path
            state = State.STABLE if path in in_git else State.UNVERSIONED
            found.inputs.append(Input(path, entry_id(row.entry), row.entry.size, evidence, state))


def _gathered(folder: str, rows: list[Row], evidence: Evidence, packer: Packer) -> Input:
    """Return many files as a dataset of those that were read; if that is all there are, it is the folder's own id."""
    rows.sort(key=lambda row: row.path.encode())
    dataset = put_listing(None, rows)
    members = put_members(packer, [Member(_id(row.entry), row.entry.size, row.path) for row in rows])
    return Input(
        folder, dataset.id, dataset.size, evidence, State.UNVERSIONED, files=len(rows), read=len(rows), members=members
    )


def _identify(repo: Repo, path: str, packer: Packer | None) -> File | Link | None:
    try:
        entry = entry_of(read_file(os.path.join(repo.root, path), packer).known)
    except (XverError, OSError):
        return None
    return entry if isinstance(entry, File | Link) else None


def _store_code(repo: Repo, path: str, packer: Packer) -> Attachment | None:
    entry = _identify(repo, path, packer)
    return None if entry is None else Attachment(entry.id, entry.size)


def _size(repo: Repo, path: str) -> int:
    try:
        return os.lstat(os.path.join(repo.root, path)).st_size
    except OSError:
        return 0


def _id(entry: Entry) -> ContentId:
    assert isinstance(entry, File | Link)
    return entry.id

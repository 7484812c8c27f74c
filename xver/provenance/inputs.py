"""What a run read: opened files become inputs (tracked or not) and code, with the ids they had before use."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from xver.errors import XverError
from xver.model.entries import Dataset, Entry, File, Link, entry_id
from xver.model.paths import TrackedPath, is_below
from xver.model.runs import Attachment, Evidence, Input, State
from xver.provenance.tree import TreeState, is_passing
from xver.repo import Repo
from xver.store.content import put_bytes
from xver.store.listings import read_listing
from xver.store.packing import Packer
from xver.worktree.reading import entry_of, read_file

CODE_SUFFIXES: Final = frozenset(
    {".py", ".pyi", ".ipynb", ".r", ".jl", ".sh", ".sql", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".c", ".cc", ".cpp",
     ".cu", ".h", ".rs", ".go", ".java", ".scala", ".js", ".ts", ".lua", ".pl"}
)  # fmt: skip
_CODE_MAX: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """What a run read: inputs, the code files stored with it, entries to keep, and what could not be known."""

    inputs: tuple[Input, ...]
    code: Mapping[str, Attachment]
    kept: Mapping[TrackedPath, Entry]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """The files that were opened for reading, relative to the root, and how that is known."""

    paths: Collection[str]
    evidence: Evidence


def inputs_of(
    repo: Repo,
    opened: Opened,
    *,
    before: TreeState,
    after: TreeState,
    written: Collection[str],
    tracked: Mapping[TrackedPath, Entry],
    code_paths: Collection[str],
    packer: Packer,
) -> Read:
    """Return what was read. `tracked` has the entries as they were on the disk when the run began.

    A file counts only if it was there before: what a run made itself is no input.
    """
    members: dict[TrackedPath, list[str]] = {}
    plain: list[str] = []
    code: dict[str, Attachment] = {}
    notes: list[str] = []
    for path in sorted(opened.paths):
        if path not in before.files or is_passing(path):
            continue
        top = next((one for one in tracked if is_below(path, one)), None)
        if top is not None:
            members.setdefault(top, []).append(path)
        elif path in code_paths or (repo.git is None and os.path.splitext(path)[1].lower() in CODE_SUFFIXES):
            attachment = _store_code(repo, path, packer)
            if attachment is not None:
                code[path] = attachment
        elif path not in ("xver.lock", "xver.toml"):
            plain.append(path)
    inputs = [
        _tracked_input(repo, top, tracked[top], paths, opened.evidence, before, after, written, packer)
        for top, paths in members.items()
    ]
    kept: dict[TrackedPath, Entry] = {}
    for path in plain:
        found, entry = _plain_input(repo, path, opened.evidence, before, after, packer)
        inputs.append(found)
        if entry is not None:
            kept[TrackedPath(path)] = entry
    return Read(tuple(inputs), code, kept, tuple(notes))


def member_lines(rows: list[tuple[bytes, int, str]], packer: Packer) -> Attachment | None:
    """Store a list of members, a line `id size path` each, as plain content: it pins none of them."""
    if not rows:
        return None
    text = "".join(f"{id.hex()} {size} {path}\n" for id, size, path in rows)
    content = put_bytes(packer, text.encode("utf-8", "surrogateescape"))
    return Attachment(content.id, content.size)


def read_member_lines(data: bytes) -> list[tuple[bytes, int, str]]:
    """Return the members that `member_lines` stored."""
    rows = []
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        digits, size, path = line.split(" ", 2)
        rows.append((bytes.fromhex(digits), int(size), path))
    return rows


def _tracked_input(
    repo: Repo,
    top: TrackedPath,
    entry: Entry,
    paths: list[str],
    evidence: Evidence,
    before: TreeState,
    after: TreeState,
    written: Collection[str],
    packer: Packer,
) -> Input:
    # A file that changed although this run did not write it: somebody else did, while it was read.
    changed = any(before.files[path] != after.files.get(path) and path not in written for path in paths)
    state = State.CHANGED if changed else State.STABLE
    if not isinstance(entry, Dataset):
        return Input(top, entry_id(entry), entry.size, evidence, state)
    rows = {row.path: row.entry for row in read_listing(repo.store, entry.id)}
    used: list[tuple[bytes, int, str]] = []
    for path in paths:
        inner = TrackedPath(path[len(top) + 1 :])
        row = rows.get(inner)
        if isinstance(row, File | Link):
            used.append((row.id, row.size, inner))
    everything = len(used) == entry.files
    members = None if everything else member_lines(used, packer)
    return Input(top, entry.id, entry.size, evidence, state, files=entry.files, read=len(used), members=members)


def _plain_input(
    repo: Repo, path: str, evidence: Evidence, before: TreeState, after: TreeState, packer: Packer
) -> tuple[Input, Entry | None]:
    """Hash an untracked file on the spot; the bytes are those before use only if its stat never moved."""
    if after.files.get(path) != before.files[path]:
        return Input(path, None, 0, evidence, State.BEFORE_UNKNOWN), None
    whole = os.path.join(repo.root, path)
    try:
        small = os.lstat(whole).st_size <= repo.settings.store_untracked
        known = read_file(whole, packer if small else None).known
    except (XverError, OSError):
        return Input(path, None, 0, evidence, State.BEFORE_UNKNOWN), None
    found = Input(path, known.id, known.size, evidence, State.UNVERSIONED)
    return found, entry_of(known) if small else None


def _store_code(repo: Repo, path: str, packer: Packer) -> Attachment | None:
    whole = os.path.join(repo.root, path)
    try:
        if os.lstat(whole).st_size > _CODE_MAX:
            return None
        known = read_file(whole, packer).known
    except (XverError, OSError):
        return None
    return Attachment(known.id, known.size)  # type: ignore[arg-type]

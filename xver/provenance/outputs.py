"""What a run wrote: changed files as outputs, by tracked path, by folder that is all the run's own, or one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from xver.errors import XverError
from xver.model.entries import Dataset, Entry, File, Link, entry_id
from xver.model.ids import EMPTY_ID
from xver.model.paths import TrackedPath, is_below
from xver.model.runs import Evidence, Output
from xver.provenance.inputs import member_lines
from xver.provenance.tree import TreeState
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.store.packing import Packer
from xver.versioning.tracking import add
from xver.worktree.ingest import ingest
from xver.worktree.reading import entry_of, read_file


@dataclass(frozen=True, slots=True)
class Written:
    """What a run wrote: outputs, the entries to keep with it, and what could not be known."""

    outputs: tuple[Output, ...]
    kept: Mapping[TrackedPath, Entry]
    notes: tuple[str, ...]


def outputs_of(
    repo: Repo,
    changed: Collection[str],
    *,
    seen: Collection[str],
    tracked: Mapping[TrackedPath, Entry],
    after: TreeState,
    packer: Packer,
    adds: bool,
) -> Written:
    """Return what was written. `seen` are the paths a watcher saw written; `tracked` the entries before the run.

    Outputs at or below tracked paths are added, so `xver.lock` follows, unless `adds` is False. A file whose bytes
    are what they were is no output.
    """
    tops: dict[TrackedPath, list[str]] = {}
    free: list[str] = []
    for path in sorted(changed):
        top = next((one for one in tracked if is_below(path, one)), None)
        if top is not None:
            tops.setdefault(top, []).append(path)
        elif path != "xver.lock":
            free.append(path)
    outputs: list[Output] = []
    notes: list[str] = []
    kept: dict[TrackedPath, Entry] = {}
    for top, paths in tops.items():
        found = _tracked_output(repo, top, tracked[top], paths, seen, packer, adds=adds)
        if found is not None:
            outputs.append(found)
    keep = _keeper(repo)
    for group, paths in _groups(free, after).items():
        try:
            found, entry = _free_output(repo, group, paths, seen, packer, keep=keep(paths))
        except (XverError, OSError) as error:
            notes.append(f"{group} was written and could not be read: {error}")
            continue
        outputs.append(found)
        if found.kept:
            kept[TrackedPath(group)] = entry
    return Written(tuple(outputs), kept, tuple(notes))


def _tracked_output(
    repo: Repo,
    top: TrackedPath,
    before: Entry,
    paths: list[str],
    seen: Collection[str],
    packer: Packer,
    *,
    adds: bool,
) -> Output | None:
    if adds:
        entry = add(repo, [top], hold=False).added[0].entry
    else:
        record = repo.stat_index.tree(top)
        entry = ingest(repo.root, top, packer, record=record, ignore=repo.ignore).entry
    if entry_id(entry) == entry_id(before) or entry_id(entry) is None:
        return None
    evidence = Evidence.WATCHED if any(path in seen for path in paths) else Evidence.COMPARED
    id = entry_id(entry)
    assert id is not None
    if not isinstance(entry, Dataset):
        return Output(top, id, entry.size, evidence, kept=adds, before=entry_id(before))
    old = _ids(repo, before)
    written = []
    for row in read_listing(repo.store, entry.id):
        if isinstance(row.entry, File | Link) and f"{top}/{row.path}" in paths and old.get(row.path) != row.entry.id:
            written.append((row.entry.id, row.entry.size, str(row.path)))
    return Output(
        top,
        entry.id,
        entry.size,
        evidence,
        kept=adds,
        files=entry.files,
        written=len(written),
        members=member_lines(list(written), packer),  # type: ignore[arg-type]
        before=entry_id(before),
    )


def _free_output(
    repo: Repo, group: str, paths: list[str], seen: Collection[str], packer: Packer, *, keep: bool
) -> tuple[Output, Entry]:
    evidence = Evidence.WATCHED if any(path in seen for path in paths) else Evidence.COMPARED
    target = packer if keep else None
    if paths == [group]:
        known = read_file(os.path.join(repo.root, group), target).known
        return Output(group, known.id, known.size, evidence, kept=keep), entry_of(known)
    taken = ingest(repo.root, group, target, record=None, ignore=repo.ignore)
    assert isinstance(taken.entry, Dataset)
    rows = [(known.id, known.size, path) for path, known in sorted(taken.record.files())]
    found = Output(
        group,
        taken.entry.id,
        taken.entry.size,
        evidence,
        kept=keep,
        files=taken.entry.files,
        written=len(rows),
        members=member_lines(rows, packer),
    )
    return found, taken.entry


def _groups(paths: list[str], after: TreeState) -> dict[str, list[str]]:
    """Gather paths by the topmost folder below the root that holds nothing else; a lone file stands for itself."""
    own_paths = set(paths)
    foreign = {folder for path in after.files if path not in own_paths for folder in _folders(path)}
    groups: dict[str, list[str]] = {}
    for path in paths:
        own = next((folder for folder in reversed(_folders(path)) if folder not in foreign), None)
        groups.setdefault(own or path, []).append(path)
    return groups


def _folders(path: str) -> list[str]:
    """Return the folders above a path, innermost first."""
    found = []
    folder = path.rpartition("/")[0]
    while folder:
        found.append(folder)
        folder = folder.rpartition("/")[0]
    return found


def _ids(repo: Repo, entry: Entry) -> dict[str, bytes]:
    if not isinstance(entry, Dataset):
        return {}
    return {row.path: entry_id(row.entry) or EMPTY_ID for row in read_listing(repo.store, entry.id)}


def _keeper(repo: Repo) -> Callable[[list[str]], bool]:
    """Return what tells whether the settings ask to keep files that were written."""
    if not repo.settings.keep:
        return lambda _: False
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(repo.settings.keep)
    return lambda paths: any(map(spec.match_file, paths))

"""What a run wrote: changed files as outputs, by tracked path, by folder that is all the run's own, or one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from xver.errors import XverError
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, entry_id
from xver.model.ids import EMPTY_ID
from xver.model.paths import PathSet, TrackedPath, parse_path
from xver.model.runs import Evidence, Output
from xver.provenance.members import Member, put_members
from xver.provenance.observing import Before
from xver.provenance.tree import TreeState
from xver.repo import Repo
from xver.store.listings import put_listing, read_listing
from xver.store.packing import Packer
from xver.versioning.membership import rules
from xver.versioning.tracking import add
from xver.worktree.ingest import ingest
from xver.worktree.reading import read_file
from xver.worktree.records import entry_of

_GATHER_FROM: Final = 100
"""So many files of one folder, beside others that were there before, become one output."""


@dataclass(slots=True)
class Written:
    """What a run wrote: outputs, the entries to keep with it, and what could not be known."""

    outputs: list[Output] = field(default_factory=list)
    kept: dict[TrackedPath, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def outputs_of(
    repo: Repo,
    changed: Collection[str],
    *,
    declared: Collection[str],
    evidence: Callable[[str], Evidence],
    rewritten: Collection[str],
    before: Before,
    after: TreeState,
    packer: Packer,
    adds: bool,
) -> Written:
    """Return what was written, removed from a tracked dataset, or `declared`; `evidence` tells how a path is known.

    Declared outputs are kept, and those that match the settings. Outputs at or below tracked paths are added, so that
    `xver.lock` follows, unless `adds` is False. A tracked file whose bytes are what they were is an output only if it
    is among those `rewritten`: the run made the same bytes again.
    Never raises for files that cannot be read: a note says so.
    """
    found = Written()
    tracked = PathSet(before.tracked)
    tops: dict[TrackedPath, list[str]] = {}
    free: list[str] = []
    removed = {path for path in before.tree.files if path not in after.files}
    for path in sorted({*changed, *removed}):
        top = tracked.above(path)
        if top is not None:
            if os.path.lexists(repo.root / top):
                tops.setdefault(top, []).append(path)
        elif path not in removed and path != "xver.lock":
            free.append(path)
    for top, paths in tops.items():
        make = partial(_tracked_output, repo, top, before.tracked[top], paths, rewritten, adds=adds)
        _take(found, top, partial(make, _strongest(paths, evidence), packer))
    keep = _keeper(repo, declared)
    for group, paths in _groups(free, after, declared).items():
        _take(found, group, partial(_free_output, repo, group, paths, _strongest(paths, evidence), packer, keep(paths)))
    return found


def _take(found: Written, path: str, make: Callable[[], tuple[Output, Entry] | None]) -> None:
    try:
        made = make()
    except (XverError, OSError) as error:
        found.notes.append(f"{path} was written and could not be taken in: {error}")
        return
    if made is None:
        return
    output, entry = made
    found.outputs.append(output)
    if output.kept:
        found.kept[TrackedPath(output.path)] = entry


def _strongest(paths: Sequence[str], evidence: Callable[[str], Evidence]) -> Evidence:
    return min((evidence(path) for path in paths), key=list(Evidence).index)


def _tracked_output(
    repo: Repo,
    top: TrackedPath,
    before: Entry | None,
    paths: Sequence[str],
    rewritten: Collection[str],
    evidence: Evidence,
    packer: Packer,
    *,
    adds: bool,
) -> tuple[Output, Entry] | None:
    if adds:
        entry = add(repo, [top]).added[0].entry
        record = repo.stat_index.tree(top)
        assert record is not None
    else:
        taken = ingest(repo.root, top, packer, record=repo.stat_index.tree(top), ignore=rules(repo), before=before)
        entry, record = taken.entry, taken.record
    id, earlier = entry_id(entry), None if before is None else entry_id(before)
    if id is None or (id == earlier and not any(path in rewritten for path in paths)):
        return None
    if not isinstance(entry, Dataset):
        return Output(top, id, entry.size, evidence, kept=True, before=earlier), entry
    old = _ids(repo, before)
    chosen = {path[len(top) + 1 :] for path in paths}
    written = [
        Member(known.id, known.size, path)
        for path, known in sorted(record.files())
        if path in chosen and (old.get(path) != known.id or f"{top}/{path}" in rewritten)
    ]
    output = Output(
        top,
        entry.id,
        entry.size,
        evidence,
        kept=True,
        files=entry.files,
        written=len(written),
        members=put_members(packer, written),
        before=earlier,
    )
    return output, entry


def _free_output(
    repo: Repo, group: str, paths: Sequence[str], evidence: Evidence, packer: Packer, keep: bool
) -> tuple[Output, Entry]:
    target = packer if keep else None
    parse_path(group)
    if list(paths) == [group]:
        known = read_file(os.path.join(repo.root, group), target).known
        return Output(group, known.id, known.size, evidence, kept=keep), entry_of(known)
    found = {
        parse_path(path[len(group) + 1 :]): read_file(os.path.join(repo.root, path), target).known for path in paths
    }
    names = sorted(found, key=str.encode)
    dataset = put_listing(target, (Row(name, entry_of(found[name])) for name in names))
    output = Output(
        group,
        dataset.id,
        dataset.size,
        evidence,
        kept=keep,
        files=dataset.files,
        written=dataset.files,
        members=put_members(packer, (Member(found[name].id, found[name].size, name) for name in names)),
    )
    return output, dataset


def _groups(paths: Sequence[str], after: TreeState, declared: Collection[str]) -> dict[str, list[str]]:
    """Gather paths: by the folder that was declared, else by the topmost one below the root that holds nothing else.

    A lone file stands for itself, unless one folder has very many of them: the record has to stay small.
    """
    groups = _by_folder([path for path in paths if path not in declared], after, declared)
    groups |= {path: [path] for path in paths if path in declared}
    lone: dict[str, list[str]] = {}
    for group in [group for group, own in groups.items() if own == [group] and group not in declared]:
        lone.setdefault(group.rpartition("/")[0], []).append(group)
    for folder, own in lone.items():
        if folder and len(own) >= _GATHER_FROM:
            groups = {group: known for group, known in groups.items() if known != [group] or group not in set(own)}
            groups[folder] = own
    return groups


def _by_folder(paths: Sequence[str], after: TreeState, declared: Collection[str]) -> dict[str, list[str]]:
    own_paths = set(paths)
    foreign = {folder for path in after.files if path not in own_paths for folder in folders_above(path)}
    groups: dict[str, list[str]] = {}
    for path in paths:
        above = folders_above(path)
        own = next((folder for folder in above if folder in declared), None)
        own = own or next((folder for folder in reversed(above) if folder not in foreign), None)
        groups.setdefault(own or path, []).append(path)
    return groups


def folders_above(path: str) -> list[str]:
    """Return the folders above a path, innermost first."""
    found = []
    folder = path.rpartition("/")[0]
    while folder:
        found.append(folder)
        folder = folder.rpartition("/")[0]
    return found


def _ids(repo: Repo, entry: Entry | None) -> dict[str, bytes]:
    if not isinstance(entry, Dataset):
        return {}
    return {row.path: entry_id(row.entry) or EMPTY_ID for row in read_listing(repo.store, entry.id)}


def _keeper(repo: Repo, declared: Collection[str]) -> Callable[[Sequence[str]], bool]:
    """Return what tells whether files that were written are to be kept: declared, or asked for by the settings."""

    def is_declared(paths: Sequence[str]) -> bool:
        return any(one in declared for path in paths for one in (path, *folders_above(path)))

    if not repo.settings.keep:
        return is_declared
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(repo.settings.keep)
    return lambda paths: is_declared(paths) or any(map(spec.match_file, paths))

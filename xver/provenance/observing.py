"""See what a command reads and writes: the work tree before it, the files opened while it runs, the tree after it.

before   every file's stat; what each tracked path holds, stored where it is not what xver.lock says
during   opens and writes in every folder of the work tree (inotify), where the system has it
after    every file's stat again: what moved was written
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from xver.errors import ContentNotFound, XverError
from xver.model.entries import Entry
from xver.model.paths import TrackedPath
from xver.provenance.tree import TreeState, look, module_of
from xver.provenance.watch import Watcher, is_available
from xver.repo import Repo
from xver.store.packing import Packer
from xver.versioning.membership import rules
from xver.versioning.state import compare_path
from xver.worktree.ingest import ingest

WATCHED = "watched"
COMPARED = "compared"
DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Before:
    """The work tree when the run began.

    `tracked` has what each tracked path held on the disk (None: nothing lay there); `unsaved` those of them that
    `xver.lock` does not name, stored with the run. A tracked path that could not be read is in neither; `notes` say so.
    """

    tree: TreeState
    tracked: Mapping[TrackedPath, Entry | None]
    unsaved: Mapping[TrackedPath, Entry]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Seen:
    """What was seen, in paths relative to the root; filled while the block of `watching` runs and complete after it.

    `read` were opened for reading before they were written, `reread` after that again; `updated` are all others that
    were opened; `written` were closed after writing, or moved in.
    `layers` names what watched; `is_complete` is False when opens may have been missed, and `notes` says why.
    """

    read: frozenset[str] = frozenset()
    reread: frozenset[str] = frozenset()
    updated: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    layers: tuple[str, ...] = (COMPARED,)
    is_complete: bool = False
    notes: list[str] = field(default_factory=list)


def look_before(repo: Repo, packer: Packer) -> Before:
    """Return the state of the work tree; tracked content that is in no version yet is stored by `packer`.

    What cannot be read, or changes all the time, is a note: the files in it count as files that are not tracked.
    """
    tracked: dict[TrackedPath, Entry | None] = {}
    unsaved: dict[TrackedPath, Entry] = {}
    notes: list[str] = []
    ignore = rules(repo)
    for path, entry in repo.lock.entries.items():
        if not os.path.lexists(repo.root / path):
            tracked[path] = None
            continue
        try:
            if _is_clean(repo, path, entry):
                tracked[path] = entry
                continue
            record = repo.stat_index.tree(path)
            tracked[path] = unsaved[path] = ingest(repo.root, path, packer, record=record, ignore=ignore).entry
        except (XverError, OSError) as error:
            notes.append(f"{path} could not be read before the run: {error}")
    repo.stat_index.write()
    return Before(look(repo.root, ignore, tracked), tracked, unsaved, tuple(notes))


def _is_clean(repo: Repo, path: TrackedPath, entry: Entry) -> bool:
    try:
        return compare_path(repo, path, entry).is_clean
    except ContentNotFound:
        # Its listing was never fetched: what lies on the disk has to say itself what it is.
        return False


@contextmanager
def watching(repo: Repo, before: Before) -> Iterator[Seen]:
    """Watch the folders of the work tree while the block runs."""
    seen = Seen()
    if not is_available():
        seen.notes.append("what was read could not be watched on this system")
        yield seen
        return
    root = os.fspath(repo.root)
    folders = [os.path.join(root, *folder.split("/")) for folder in (*before.tree.directories, *before.tree.bytecode)]
    with Watcher(folders) as watcher:
        try:
            yield seen
        finally:
            observed = watcher.stop()
            seen.layers = (WATCHED, COMPARED)
            seen.read = frozenset(map(module_of, _below(root, observed.read)))
            seen.read |= _inside(before.tree, root, observed.moved)
            seen.reread = _below(root, observed.reread)
            seen.updated = _below(root, observed.updated)
            seen.written = _below(root, observed.written)
            seen.is_complete = not (observed.overflowed or observed.unwatched)
            if observed.overflowed:
                seen.notes.append("some opens were missed: more files were opened than the system reports at once")
            if observed.unwatched:
                seen.notes.append(
                    f"{observed.unwatched:,} folders could not be watched: raise fs.inotify.max_user_watches"
                )


def _inside(tree: TreeState, root: str, moved: frozenset[str]) -> frozenset[str]:
    """Return the files that lay in folders which were moved: their bytes are what lies elsewhere now."""
    prefixes = tuple(f"{folder}/" for folder in _below(root, moved))
    return frozenset(path for path in tree.files if path.startswith(prefixes)) if prefixes else frozenset()


def _below(root: str, paths: frozenset[str]) -> frozenset[str]:
    prefix = root.rstrip(os.sep) + os.sep
    return frozenset(path[len(prefix) :].replace(os.sep, "/") for path in paths if path.startswith(prefix))

"""What could be forgotten: every version and run that a store knows, and what each is needed for at the tips.

A *tip* is what somebody named: `xver.lock`, HEAD, a branch, a tag. Beside git these are git's, with what each work tree
names for itself (a bisection, a merge under way); a version that only the reflog or a stash still reaches is left to
git, which lets go of it in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import NamedTuple

from xver.errors import ContentNotFound, CorruptData, UnsupportedFormat
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import committed
from xver.format.runs import decode_run
from xver.format.snapshots import decode_snapshot
from xver.git import history as git_history
from xver.git.command import CatFile, GitCommand
from xver.git.trees import named_by_trees
from xver.history.bounds import bounds_of
from xver.model.entries import Entries, entry_id
from xver.model.ids import EMPTY_ID, Kind, SnapshotId
from xver.model.refs import EVICTED, HEADS, LOCK, RUNS, SNAPSHOTS, TAGS, TargetKind
from xver.model.snapshots import Snapshot
from xver.repo import Repo
from xver.store.store import Store
from xver.versioning.versions import head_id, put_root, root_entries

_TRACKING = "remotes/"


@dataclass(frozen=True, slots=True)
class Past:
    """A version or run with its data: its id (of a commit, a snapshot, or a ULID) and when it was made, by whose clock.

    `object` is the snapshot's or run's id, None where no store has it yet. `needed` says for which tip, `tag` by which
    tag, `evicted` for which clone that gave its copy up ("": none). `is_in_git`: git still reaches its commit, or git
    has nothing to do with it.
    """

    label: str
    object: bytes | None
    time: int
    offset: int
    title: str
    needed: str = ""
    tag: str = ""
    evicted: str = ""
    is_in_git: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """Versions by label, and of each branch the labels of its versions, each before those it came from."""

    versions: Mapping[str, Past]
    branches: tuple[tuple[str, ...], ...]


class Tip(NamedTuple):
    """What somebody named: how to say it, whether it is a tag, the root of its data, and the data where it is known."""

    name: str
    is_tag: bool
    root: bytes
    entries: Entries


def tips(repo: Repo, there: Store | None = None) -> list[Tip]:
    """Return every tip of the repository, and of a remote."""
    found = [Tip(LOCK_NAME, False, put_root(None, repo.lock.entries), repo.lock.entries)]
    found += [
        Tip("a work tree", False, target.id, {})
        for name, target in repo.store.log.refs.items()
        if name.startswith(LOCK)
    ]
    if repo.git is not None:
        found += _git_tips(repo.git)
    else:
        found += _store_tips(repo.store, repo.store)
        if (head := head_id(repo)) is not None:
            found.append(_tip(repo.store, repo.store, "HEAD", head))
    if there is not None:
        found += _store_tips(there, repo.store)
    return found


def past_in_git(repo: Repo, git: GitCommand, snapshots: Mapping[str, bytes], known: Iterable[Tip]) -> History:
    """Return the versions of the local store beside git: commits that changed `xver.lock`, and snapshots of others.

    `snapshots` are the snapshots of commits, by git id.
    """
    needed = _Needed(known)
    versions: dict[str, Past] = {}
    branches = []
    with CatFile(git) as files:
        for name, tip in git_history.refs(git).items():
            commits = git_history.lock_commits(git, tip)
            if not name.startswith("refs/tags/"):
                branches.append(tuple(one.id for one in commits))
            for one in commits:
                if one.id not in versions:
                    root = put_root(None, _lock_entries(files, one.id))
                    past = Past(one.id, snapshots.get(one.id), one.time, one.offset, one.message.partition("\n")[0])
                    versions[one.id] = needed.told(past, root)
    reached = _reached(git)
    for name, target in repo.store.log.refs.items():
        commit = name.removeprefix(SNAPSHOTS)
        if name.startswith(SNAPSHOTS) and commit not in versions and target.id in repo.store:
            snapshot = decode_snapshot(repo.store.get(Kind.SNAPSHOT, target.id))
            past = needed.told(_past(commit, target.id, snapshot), snapshot.root)
            left_to_git = replace(past, needed=past.needed or "git's reflog")
            versions[commit] = left_to_git if commit in reached else replace(past, is_in_git=False)
    return History(_whole(versions, repo.store), tuple(branches))


def past_in_store(repo: Repo, store: Store, known: Iterable[Tip]) -> History:
    """Return the versions of a store by its own refs: outside git, or at a remote; what was fetched is read here.

    A version counts as in git if a branch or tag of the store leads to it, whether or not git here knows it.
    """
    needed, bounds = _Needed(known), bounds_of(store)
    git = None if repo.git is None else _reached(repo.git)
    names: dict[bytes, str] = {}
    snapshots: dict[bytes, Snapshot] = {}

    def lineage(id: bytes) -> list[bytes]:
        graph: dict[bytes, tuple[SnapshotId, ...]] = {}
        waiting = [SnapshotId(id)]
        while waiting:
            one = waiting.pop()
            if one in graph:
                continue
            if one not in snapshots:
                snapshots[one] = _read(store, repo.store, one)
            graph[one] = bounds.parents(one, snapshots[one])
            waiting += graph[one]
        return list(TopologicalSorter(graph).static_order())[::-1]

    branches: list[list[bytes]] = []
    led_to: set[bytes] = set()
    evicted: dict[bytes, str] = {}
    for name, target in sorted(store.log.refs.items()):
        if target.kind is not TargetKind.SNAPSHOT:
            continue
        found = lineage(target.id)
        if name.startswith(EVICTED):
            # One ref keeps a whole history for a clone: any version of it may have been given up there.
            clone = name.removeprefix(EVICTED).partition("/")[0]
            evicted |= dict.fromkeys(found, "this clone" if clone == repo.clone else f"clone {clone[:8]}")
        if name.startswith((HEADS, _TRACKING)):
            branches.append(found)
        if name.startswith((HEADS, _TRACKING, TAGS)):
            led_to.update(found)
    for id, snapshot in snapshots.items():
        names[id] = snapshot.git or id.hex()
    versions = {}
    for id, snapshot in snapshots.items():
        past = needed.told(_past(names[id], id, snapshot), snapshot.root)
        is_in_git = git is None or snapshot.git is None or snapshot.git in git or id in led_to
        versions[names[id]] = replace(past, evicted=evicted.get(id, ""), is_in_git=is_in_git)
    return History(_whole(versions, store), tuple(tuple(names[id] for id in one) for one in branches))


def past_runs(repo: Repo, store: Store, known: Iterable[Tip]) -> dict[str, Past]:
    """Return the runs of a store by ULID; one is needed if it made what a tip has."""
    made_for = {id: tip.name for tip in known for entry in tip.entries.values() if (id := entry_id(entry))}
    made_for.pop(EMPTY_ID, None)
    git = None if repo.git is None else _reached(repo.git)
    bounds = bounds_of(store)
    found = {}
    for name, target in store.log.refs.items():
        if not name.startswith(RUNS) or not bounds.has_data(target.id):
            continue
        try:
            run = decode_run((repo.store if target.id in repo.store else store).get(Kind.RUN, target.id))
        except (ContentNotFound, CorruptData, UnsupportedFormat):
            continue  # nothing is known of it, so nothing is decided
        needed = next((made_for[one.id] for one in run.outputs if one.id in made_for), "")
        title = run.title or " ".join(run.command)
        is_in_git = git is None or run.code.commit is None or run.code.commit in git
        found[run.ulid] = Past(
            run.ulid, target.id, run.started // 1000, 0, f"{run.name}  {title}", needed=needed, is_in_git=is_in_git
        )
    return found


class _Needed:
    """Tells for which tips a version is needed: those that have the same data."""

    def __init__(self, known: Iterable[Tip]) -> None:
        self._named: dict[bytes, str] = {}
        self._tags: dict[bytes, str] = {}
        for tip in known:
            (self._tags if tip.is_tag else self._named).setdefault(tip.root, tip.name)

    def told(self, past: Past, root: bytes) -> Past:
        return replace(past, needed=self._named.get(root, ""), tag=self._tags.get(root, ""))


def _past(label: str, id: bytes, snapshot: Snapshot) -> Past:
    return Past(label, id, snapshot.time, snapshot.offset, snapshot.title)


def _whole(versions: dict[str, Past], store: Store) -> dict[str, Past]:
    """Leave out what is forgotten already, or never came."""
    bounds = bounds_of(store)
    return {label: one for label, one in versions.items() if one.object is None or bounds.has_data(one.object)}


def _reached(git: GitCommand) -> set[str]:
    named = named_by_trees(git, left=False)
    return set(git.lines("rev-list", "--all", "--reflog", "--ignore-missing", *named))


def _git_tips(git: GitCommand) -> Iterator[Tip]:
    named = named_by_trees(git, left=False) | {commit: name for name, commit in reversed(git_history.refs(git).items())}
    with CatFile(git) as files:
        for commit, name in named.items():
            entries = _lock_entries(files, commit)
            is_tag = name.startswith("refs/tags/")
            shown = name.removeprefix("refs/").partition("/")[2] if name.startswith("refs/") else name
            yield Tip(shown, is_tag, put_root(None, entries), entries)


def _lock_entries(files: CatFile, commit: str) -> Entries:
    data = files.read(f"{commit}:{LOCK_NAME}")
    try:
        return committed(data)
    except UnsupportedFormat:
        return {}


def _store_tips(store: Store, here: Store) -> Iterator[Tip]:
    for name, target in sorted(store.log.refs.items()):
        if name.startswith((HEADS, TAGS, _TRACKING)) and target.kind is TargetKind.SNAPSHOT:
            tip = _tip(store, here, name.partition("/")[2], SnapshotId(target.id))
            yield tip._replace(is_tag=name.startswith(TAGS))


def _tip(store: Store, here: Store, name: str, id: SnapshotId) -> Tip:
    root = _read(store, here, id).root
    try:
        entries: Entries = root_entries(here if root in here else store, root)
    except ContentNotFound:
        entries = {}  # forgotten by name
    return Tip(name, False, root, entries)


def _read(store: Store, here: Store, id: SnapshotId) -> Snapshot:
    return decode_snapshot((here if id in here else store).get(Kind.SNAPSHOT, id))

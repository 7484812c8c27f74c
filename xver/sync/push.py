"""Push: copy what the remote lacks, then move its refs in one entry of its log; or change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from xver.errors import Collected, Conflict, ContentNotFound, RefConflict, RepositoryNotFound
from xver.format.log_entries import LiveIndex
from xver.format.packs import DATA_PACK_SIZE, META_PACK_SIZE
from xver.history.bounds import Bounds, bounds_of, forgotten_ref
from xver.history.closed import closed_in
from xver.history.edge_list import EdgeList
from xver.history.reach import Edge, reach, target_edge
from xver.model.ids import Kind, SnapshotId
from xver.model.refs import HEADS, LOCK, RUNS, SNAPSHOTS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo, client_name
from xver.settings import Remote
from xver.storage.memory import MemoryStorage
from xver.store.log import Change, Log
from xver.store.store import Store, create_store
from xver.sync.clones import release
from xver.sync.elsewhere import copy_through, opener
from xver.sync.fetch import TRACKING
from xver.sync.healing import replace_lost
from xver.sync.journal import resumed
from xver.sync.remotes import open_or_create_remote, open_remote
from xver.sync.transfer import CopyObjects, Transfer, copy_objects
from xver.sync.wish import Wish, revived, targets_of, to_hold, wish_of

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push sent: the branch (None: none moved) and its new head, commits, runs, stored bytes, packs.

    `targets` is what the remote's refs name now of all that was to be pushed, `healed` counts packs that were not whole
    there, and that what was sent takes the place of.
    """

    branch: str | None
    head: str | None
    commits: int
    runs: int
    size: int
    packs: int
    targets: tuple[Target, ...] = ()
    healed: int = 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a push would send: whether it makes the remote, refs (name, value now and then), objects, bytes, packs.

    Bytes are as stored here and packs an estimate from them. `behind`: the branch would be refused; `taken` names tags
    that are other versions there.
    """

    creates: bool
    refs: tuple[tuple[str, Target | None, Target | None], ...]
    objects: int
    size: int
    packs: int
    behind: bool
    taken: tuple[str, ...]


def foresee(repo: Repo, remote: Remote, *, runs: bool = True) -> Outlook:
    """Tell what `push` would send, and write nothing at the remote: not even the remote itself. Raises like `push`."""
    try:
        there, creates = open_remote(repo, remote), False
    except RepositoryNotFound:
        nowhere = MemoryStorage(remote.url)
        there, creates = create_store(nowhere, client=client_name(), repository=repo.store.repository), True
    lost = frozenset(there.lost_packs())
    there.index.avoid(lost)
    wish, refs = wish_of(repo, there, remote.name, runs=runs)
    behind, taken, targets = targets_of(repo, there, wish, refs)
    if behind and repo.git is None:
        return Outlook(creates, (), 0, 0, 0, behind, taken)
    heals = bool(lost) or _is_work_tree(there)
    lacking, _ = _lacking(repo, there, to_hold(wish, refs, targets, heals=heals), revived(repo, there, targets))
    places = list(repo.store.index.find_many(edge.id for edge in lacking).values())
    data = sum(place.stored for place in places if place.kind is Kind.CHUNK)
    size = sum(place.stored for place in places)
    packs = -(-data // DATA_PACK_SIZE) + -(-(size - data) // META_PACK_SIZE)
    moves = tuple((name, there.log.refs.get(name), targets[name]) for name in sorted(targets))
    return Outlook(creates, moves, len(places), size, packs, behind, taken)


def push(
    repo: Repo,
    remote: Remote,
    *,
    runs: bool = True,
    single_writer: bool = False,
    copy: CopyObjects = copy_objects,
    meter: Meter = SILENT,
) -> Pushed:
    """Send the current branch's history, its data, tags and runs to a remote.

    When it returns, the remote provably holds everything reachable from the refs it moved. What somebody deleted or
    cut short there is sent again, as far as our refs reach it. `copy` does the heavy loop. `single_writer`: the caller
    knows that nobody else writes there, so that a storage will do that cannot tell two writers apart.

    Raises:
        Conflict: the remote's branch has what we do not have, or a tag is another version there; inside git our
            snapshots are registered all the same, outside git nothing is changed for a branch that is behind.
        ContentNotFound: a commit names data that neither side holds.
        Incomplete: the remote lost what others pushed, and we have not all of it.
    """
    there = open_or_create_remote(repo, remote, single_writer=single_writer)
    lost = frozenset(there.lost_packs())
    there.index.avoid(lost)
    wish, refs = wish_of(repo, there, remote.name, runs=runs)
    before = dict(there.log.refs)
    heals = bool(lost) or _is_work_tree(there)
    # What was evicted to another remote comes from there.
    copy = copy_through(copy, opener(repo, without=remote.name))
    with resumed(repo, there) as uploaded:
        sent = _send(repo, there, wish, refs, uploaded, heals=heals, remote=remote, copy=copy, meter=meter)
        if sent.behind and repo.git is None:
            raise _not_forward(wish, remote, repo)  # what was sent is not live: the next push goes on with it
    healed = replace_lost(there, remote, lost)
    if sent.behind:
        raise _not_forward(wish, remote, repo)
    if wish.head is not None:
        release(repo, there, SnapshotId(wish.head.id))
    if sent.tags:
        raise Conflict(
            f"{remote.name} has another version as {sent.tags[0]}; everything else was pushed",
            hint="delete your tag, or choose another name",
        )
    moved = wish.branch if wish.head is not None and before.get(HEADS + (wish.branch or "")) != wish.head else None
    fresh = [name for name, one in refs.items() if before.get(name) != one]
    commits = sum(name.startswith(SNAPSHOTS) for name in fresh) if repo.git is not None else sent.commits
    names = [*refs, *([] if wish.head is None else [HEADS + (wish.branch or "")])]
    targets = tuple(dict.fromkeys(there.log.refs[name] for name in names if name in there.log.refs))
    fresh_runs = sum(name.startswith(RUNS) for name in fresh)
    return Pushed(moved, wish.label, commits, fresh_runs, sent.size, sent.packs, targets, healed)


@dataclass(frozen=True, slots=True)
class _Sent:
    size: int = 0
    packs: int = 0
    commits: int = 0
    behind: bool = False
    tags: tuple[str, ...] = ()


def _send(
    repo: Repo,
    there: Store,
    wish: Wish,
    refs: Mapping[str, Target],
    uploaded: list[LiveIndex],
    *,
    heals: bool,
    remote: Remote,
    copy: CopyObjects,
    meter: Meter,
) -> _Sent:
    """Upload and append; where a collection at the remote took something we relied on, send that and try again.

    What was `uploaded` before stays good (rule R1, pack by pack), unless the collection's fence passed it.
    """
    operation = f"push {wish.branch or ''}".strip()
    sent = _Sent()
    for attempt in range(_ATTEMPTS):
        if attempt:
            there.refresh()
            good = there.still_good(uploaded)
            there.discard(one for one in uploaded if one not in good)
            uploaded = good
        behind, tags, targets = targets_of(repo, there, wish, refs)
        if behind and repo.git is None:
            return replace(sent, behind=True)
        if not targets and not heals:
            return replace(sent, behind=behind, tags=tags)
        wanted = to_hold(wish, refs, targets, heals=heals)
        try:
            with there.index.also(uploaded):
                lacking, ends = _lacking(repo, there, wanted, revived(repo, there, targets), meter)
                commits = sum(edge.kind is Kind.SNAPSHOT for edge in lacking.others)
                copied = copy(repo.store, there, lacking, Transfer(operation, uploaded, meter))
            sent = _Sent(sent.size + copied.size, sent.packs + copied.packs, sent.commits + commits)
            behind, tags = _move(repo, there, wish, {**refs, **ends.refs}, uploaded, operation, ends)
        except Collected:
            continue
        return replace(sent, behind=behind, tags=tags)
    raise Conflict(f"{remote.name} changes faster than this push", hint="xver push again")


def _move(
    repo: Repo,
    there: Store,
    wish: Wish,
    refs: Mapping[str, Target],
    uploaded: Sequence[LiveIndex],
    operation: str,
    ends: _Ends,
) -> tuple[bool, tuple[str, ...]]:
    """Append the entry that makes what was sent live and moves the refs, judged anew after each lost race."""
    while True:
        behind, tags, targets = targets_of(repo, there, wish, refs)
        if behind and repo.git is None:
            return True, ()
        changes = {name: (there.log.refs.get(name), one) for name, one in targets.items()}
        if not changes and not uploaded:
            return behind, tags
        try:
            change = Change(operation, refs=changes, add_index=tuple(uploaded), tombstones=ends.tombstones)
            there.commit(change, check=partial(_refuse_forgotten, repo, there, targets, ends))
            return behind, tags
        except RefConflict:
            continue


def _refuse_forgotten(repo: Repo, there: Store, targets: Mapping[str, Target | None], ends: _Ends, _: Log) -> None:
    if not set(revived(repo, there, targets)) <= {*ends.revived}:
        raise Collected(there.storage.url)  # its data may not have been sent


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the remote has to know of what is not sent: versions and runs without data, and objects that are purged."""

    refs: Mapping[str, Target]
    tombstones: tuple[str, ...]
    revived: Sequence[str]


def _lacking(
    repo: Repo, there: Store, targets: list[Target], revived: Sequence[str], meter: Meter = SILENT
) -> tuple[EdgeList, _Ends]:
    """Return what the remote has not of everything that the targets reach, and what it will not get.

    What its refs reach is there whole, unless something was lost, or the other side is a work tree's own store, which
    need not hold all content: then each object is asked for.
    What was forgotten on either side is not sent, but for the data of what is `revived`; nor is what was purged.
    """
    here = repo.store
    ours, theirs = bounds_of(here), bounds_of(there)
    again = {there.log.refs[name].id for name in revived}
    bounds = Bounds(ours.forgotten | (theirs.forgotten - again), ours.shallow, theirs.purged)
    gone: dict[bytes, Edge] = {}

    def note(edge: Edge, error: Exception) -> None:
        if edge.id not in ours.purged:
            raise error
        gone[edge.id] = edge

    lacking = EdgeList()

    def take(edge: Edge) -> None:
        if edge.id in there:
            return
        if edge.id in ours.purged:
            gone[edge.id] = edge
        elif not here.is_safe(edge.id):
            raise ContentNotFound(edge.id, hint=f"{edge.where or 'a commit'} was never fetched here: xver pull")
        elif edge.id in ours.shallow:
            raise ContentNotFound(
                edge.id, hint="this clone is shallow, and the remote lacks what came before: push from a whole one"
            )
        else:
            lacking.add(edge)

    is_closed = closed_in(there, targets, (here,)) if _is_whole(there) else None

    def skip(id: bytes) -> bool:
        meter.advance(1)
        return is_closed is not None and is_closed(id) and id not in again

    meter.start("Looking for what is lacking", None, "objects")
    try:
        found = reach(here, map(target_edge, targets), skip=skip, missing=note, bounds=bounds, chunks=take)
    finally:
        meter.finish()
    for edge in found.values():
        if edge.id not in gone:
            take(edge)
    kinds = {Kind.SNAPSHOT: TargetKind.SNAPSHOT, Kind.RUN: TargetKind.RUN}
    bare = [Target(kinds[edge.kind], edge.id) for edge in lacking.others if edge.id in ours.forgotten]
    return lacking, _Ends({forgotten_ref(one): one for one in bare}, tuple(id.hex() for id in gone), revived)


def _is_whole(there: Store) -> bool:
    return there.index.is_whole and not _is_work_tree(there)


def _is_work_tree(there: Store) -> bool:
    return any(name.startswith((LOCK, TRACKING)) for name in there.log.refs)


def _not_forward(wish: Wish, remote: Remote, repo: Repo) -> Conflict:
    pull = "git pull" if repo.git is not None else "xver pull"
    return Conflict(
        f"{wish.branch} at {remote.name} has commits that are not here", hint=f"{pull}, then xver push again"
    )

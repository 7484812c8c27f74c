"""Push: copy what the remote lacks, then move its refs in one entry of its log; or change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xver.errors import Conflict, ContentNotFound, InvalidInput, RefConflict
from xver.git import history as git_history
from xver.history.graph import is_ancestor
from xver.history.reach import Edge, reach, target_edge
from xver.model.ids import Kind, SnapshotId
from xver.model.refs import HEADS, KEPT, RUNS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.settings import Remote
from xver.store.log import Change, Log
from xver.store.store import Store
from xver.sync.remotes import open_or_create_remote
from xver.sync.snapshots import derive
from xver.sync.transfer import copy_objects
from xver.versioning.versions import branch_name

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push sent: the branch (None: none moved) and its new head, commits, runs, stored bytes, packs."""

    branch: str | None
    head: str | None
    commits: int
    runs: int
    size: int
    packs: int


@dataclass(frozen=True, slots=True)
class _Wish:
    """The refs to move at the remote: a branch that must go forward, and refs that are only added."""

    branch: str | None
    head: Target | None
    label: str | None
    refs: Mapping[str, Target] = field(default_factory=dict)


def push(repo: Repo, remote: Remote, *, runs: bool = True, meter: Meter = SILENT) -> Pushed:
    """Send the current branch's history, its data, tags and runs to a remote.

    When it returns, the remote provably holds everything reachable from the refs it moved.

    Raises:
        Conflict: the remote's branch has what we do not have; inside git our snapshots are registered all the same.
        ContentNotFound: a commit names data that neither side holds.
    """
    there = open_or_create_remote(repo, remote)
    wish = _wish_beside_git(repo, there) if repo.git is not None else _wish_outside_git(repo)
    refs = dict(wish.refs)
    if runs:
        refs |= {name: one for name, one in repo.store.log.refs.items() if name.startswith((RUNS, KEPT))}
    refs = {name: one for name, one in refs.items() if there.log.refs.get(name) != one}
    behind = _is_behind(repo, there, wish)
    if behind and repo.git is None:
        raise _not_forward(wish, remote, hint="xver pull, then xver push again")
    moved = not behind and wish.head is not None and there.log.refs.get(HEADS + (wish.branch or "")) != wish.head
    sent = _send(repo, there, wish, refs, moves_branch=moved, remote=remote, meter=meter)
    if behind:
        raise _not_forward(wish, remote, hint="git pull, then xver push again")
    commits = sum(name.startswith(SNAPSHOTS) for name in refs) if repo.git is not None else sent.commits
    return Pushed(
        wish.branch if moved else None,
        wish.label,
        commits,
        sum(name.startswith(RUNS) for name in refs),
        sent.size,
        sent.packs,
    )


@dataclass(frozen=True, slots=True)
class _Sent:
    size: int
    packs: int
    commits: int


def _send(
    repo: Repo,
    there: Store,
    wish: _Wish,
    refs: Mapping[str, Target],
    *,
    moves_branch: bool,
    remote: Remote,
    meter: Meter,
) -> _Sent:
    """Upload and append, again from the start when a collection at the remote took something we relied on."""
    targets = dict(refs)
    if moves_branch and wish.head is not None:
        targets[HEADS + (wish.branch or "")] = wish.head
    if not targets:
        return _Sent(0, 0, 0)
    for _ in range(_ATTEMPTS):
        there.log.refresh()
        before = _collected(there.log)
        lacking = _lacking(repo, there, list(targets.values()))
        with there.packer() as packer:
            size = copy_objects(repo.store, packer, lacking, verify=False, meter=meter)
            index = packer.finish()

        def check(log: Log, before: tuple[int, int] = before) -> None:
            if _collected(log) != before:
                raise _Collected

        old = {name: there.log.refs.get(name) for name in targets}
        change = Change(
            f"push {wish.branch or ''}".strip(),
            refs={name: (old[name], target) for name, target in targets.items()},
            add_index=() if index is None else (index,),
        )
        try:
            there.commit(change, check=check)
        except _Collected:
            continue
        except RefConflict as error:
            if error.name != HEADS + (wish.branch or ""):
                # Somebody pushed the same snapshots or runs meanwhile: what they say is what we would say.
                targets = {name: one for name, one in targets.items() if there.log.refs.get(name) != one}
                continue
            hint = "git pull, then xver push again" if repo.git is not None else "xver pull, then xver push again"
            raise _not_forward(wish, remote, hint=hint) from error
        sent = sum(edge.kind is Kind.SNAPSHOT for edge in lacking.values())
        return _Sent(size, 0 if index is None else len(index.packs), sent)
    raise Conflict(f"{remote.name} changes faster than this push", hint="xver push again")


def _wish_beside_git(repo: Repo, there: Store) -> _Wish:
    assert repo.git is not None
    if git_history.head(repo.git) is None:
        raise InvalidInput("there is no commit to push", hint='xver commit -m "first version"')
    known = {**there.log.refs, **repo.store.log.refs}
    with repo.store.packer() as packer:
        derived = derive(repo.git, "HEAD", known=known, packer=packer)
        index = packer.finish()
    if derived.head is None:
        raise InvalidInput("no commit has an xver.lock yet", hint='xver add PATH, then xver commit -m "…"')
    refs = {SNAPSHOTS + commit: Target(TargetKind.SNAPSHOT, id) for commit, id in derived.by_commit.items()}
    repo.store.move("derive snapshots", refs, index)
    git_tags = {
        name.removeprefix("refs/tags/"): id
        for name, id in git_history.refs(repo.git).items()
        if name.startswith("refs/tags/")
    }
    for name, commit in git_tags.items():
        if commit in derived.by_commit:
            refs[TAGS + name] = Target(TargetKind.SNAPSHOT, derived.by_commit[commit])
    branch = branch_name(repo)
    head = Target(TargetKind.SNAPSHOT, derived.head) if branch is not None else None
    label = next(commit for commit, id in derived.by_commit.items() if id == derived.head)
    return _Wish(branch, head, label, refs)


def _wish_outside_git(repo: Repo) -> _Wish:
    branch = branch_name(repo)
    head = repo.store.log.refs.get(HEADS + (branch or ""))
    if head is None:
        raise InvalidInput("there is no commit to push", hint='xver commit -m "first version"')
    tags = {name: one for name, one in repo.store.log.refs.items() if name.startswith(TAGS)}
    return _Wish(branch, head, head.id.hex(), tags)


def _is_behind(repo: Repo, there: Store, wish: _Wish) -> bool:
    """Tell whether the remote's branch has what ours has not."""
    old = there.log.refs.get(HEADS + (wish.branch or ""))
    if wish.head is None or old is None or old == wish.head:
        return False
    return old.id not in repo.store or not is_ancestor(repo.store, SnapshotId(old.id), SnapshotId(wish.head.id))


def _lacking(repo: Repo, there: Store, targets: list[Target]) -> dict[bytes, Edge]:
    """Return what the remote has not of everything that the targets reach.

    Where nothing was ever collected, an object that is there has everything below it there (rule R1 of every push
    before); after a collection each object is asked for.
    """
    edges = [target_edge(target) for target in targets]
    never_collected = _collected(there.log) == (0, 0)
    if never_collected:
        found = reach(repo.store, edges, skip=there.index.__contains__)
    else:
        found = reach(repo.store, edges)
    lacking = {id: edge for id, edge in found.items() if id not in there.index}
    for id, edge in lacking.items():
        if id not in repo.store:
            raise ContentNotFound(id, hint=f"{edge.where or 'a commit'} was never fetched here: xver pull")
    return lacking


def _collected(log: Log) -> tuple[int, int]:
    return log.fence, len(log.removed)


def _not_forward(wish: _Wish, remote: Remote, *, hint: str) -> Conflict:
    return Conflict(f"{wish.branch} at {remote.name} has commits that are not here", hint=hint)


class _Collected(Exception):
    """A collection ran at the remote between our reading and our writing."""

"""Snapshots of git's commits: what a remote keeps of them, the same for everybody who derives it.

A snapshot is a pure function of its commit: root listing of `xver.lock`, message, author, author's time, git id, and
as parents the snapshots of the nearest ancestors whose `xver.lock` differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xver.errors import ContentNotFound, InvalidInput
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import committed
from xver.format.snapshots import encode_snapshot
from xver.git.command import CatFile, GitCommand
from xver.git.history import lock_commits, refs, shallow_commits
from xver.history.reach import Edge, entry_edges, target_edge
from xver.model.ids import Kind, ListingId, SnapshotId
from xver.model.refs import SNAPSHOTS, Target, TargetKind
from xver.model.snapshots import Snapshot, Version
from xver.repo import Repo
from xver.store.packing import Packer
from xver.versioning.versions import put_root


@dataclass(frozen=True, slots=True)
class Derived:
    """The snapshots of a revision's history.

    `head` is that of the revision itself (None: it tracks nothing yet), `by_commit` that of every commit by git id,
    `new` which of them are, `named` what they lead to: listings, files, and snapshots that others derived.
    """

    head: SnapshotId | None
    by_commit: Mapping[str, SnapshotId]
    new: tuple[str, ...]
    named: tuple[Edge, ...]


def derive(git: GitCommand, rev: str, *, known: Mapping[str, Target], packer: Packer) -> Derived:
    """Return the snapshots of `rev` and its ancestors; those not `known` (refs below `snapshots/`) go to `packer`.

    Raises:
        InvalidInput: the clone is shallow, and a commit's ancestors cannot be told.
    """
    commits = lock_commits(git, rev)
    found: dict[str, SnapshotId] = {}
    new: list[str] = []
    named: dict[bytes, Edge] = {}
    shallow = shallow_commits(git)
    with CatFile(git) as files:
        for commit in reversed(commits):
            target = known.get(SNAPSHOTS + commit.id)
            if target is not None:
                found[commit.id] = SnapshotId(target.id)
                named[target.id] = target_edge(target)
                continue
            if shallow:
                raise InvalidInput(
                    f"this git clone is shallow, and the parents of {commit.id[:7]} are not in it",
                    hint="git fetch --unshallow",
                )
            data = files.read(f"{commit.id}:{LOCK_NAME}")
            entries = committed(data)
            named |= {edge.id: edge for edge in entry_edges(entries)}
            snapshot = _snapshot(commit, found, put_root(packer, entries))
            found[commit.id] = SnapshotId(packer.put(Kind.SNAPSHOT, encode_snapshot(snapshot)))
            new.append(commit.id)
    return Derived(found[commits[0].id] if commits else None, found, tuple(new), tuple(named.values()))


def derive_all(repo: Repo, git: GitCommand, *, keeps: bool) -> dict[str, SnapshotId]:
    """Return the snapshots of all commits that a branch or tag of git leads to, by git id.

    With `keeps` those that are new are stored, as a push does it, each with the ref `snapshots/<commit>`.

    Raises:
        ContentNotFound: what a new one leads to is not here, so it cannot be kept.
        InvalidInput: the clone is shallow, and a commit's ancestors cannot be told.
    """
    known = {name: target for name, target in repo.store.log.refs.items() if name.startswith(SNAPSHOTS)}
    fresh: dict[str, Target] = {}
    with repo.store.packer() as packer:
        named: list[Edge] = []
        for tip in dict.fromkeys(refs(git).values()):
            derived = derive(git, tip, known={**known, **fresh}, packer=packer)
            fresh |= {
                SNAPSHOTS + commit: Target(TargetKind.SNAPSHOT, derived.by_commit[commit]) for commit in derived.new
            }
            named += [edge for edge in derived.named if derived.new and edge.kind is not Kind.SNAPSHOT]
        if keeps and fresh:
            for edge in named:
                if edge.kind is not Kind.CHUNK and edge.id not in repo.store:
                    raise ContentNotFound(edge.id, hint=f"{edge.where} is not here: xver fetch, then try again")
            repo.store.move("derive snapshots", fresh, packer.finish())
    return {name.removeprefix(SNAPSHOTS): SnapshotId(target.id) for name, target in {**known, **fresh}.items()}


def _snapshot(commit: Version, found: Mapping[str, SnapshotId], root: ListingId) -> Snapshot:
    return Snapshot(
        root=root,
        parents=tuple(found[parent] for parent in commit.parents if parent in found),
        author=commit.author,
        time=commit.time,
        offset=commit.offset,
        message=commit.message,
        git=commit.id,
    )

"""What a push is to move at a remote, and what of that the remote's present state lets it move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xver.errors import Collected, Conflict, InvalidInput
from xver.git import history as git_history
from xver.git.command import GitCommand
from xver.history.bounds import bounds_of, forgotten_refs, forgotten_runs
from xver.history.graph import is_ancestor
from xver.model.ids import SnapshotId
from xver.model.refs import FORGOTTEN, HEADS, KEPT, RUNS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.repo import Repo
from xver.store.store import Store
from xver.sync.fetch import bring_metadata
from xver.sync.snapshots import Derived, derive
from xver.versioning.adopted import adopted_refs
from xver.versioning.versions import branch_name

_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """The refs to move at the remote: a branch that must go forward, and refs that are only added."""

    branch: str | None
    head: Target | None
    label: str | None
    refs: Mapping[str, Target] = field(default_factory=dict)


def wish_of(repo: Repo, there: Store, remote: str, *, runs: bool) -> tuple[Wish, dict[str, Target]]:
    """Return what is to be pushed to `remote`, and the refs that are only added, those of runs included.

    Raises `InvalidInput` where there is nothing that could be pushed.
    """
    wish = _wish_beside_git(repo, there, remote) if repo.git is not None else _wish_outside_git(repo)
    kept = {name: one for name, one in repo.store.log.refs.items() if runs and name.startswith((RUNS, KEPT))}
    return wish, {**wish.refs, **kept}


def _wish_beside_git(repo: Repo, there: Store, remote: str) -> Wish:
    assert repo.git is not None
    if git_history.head(repo.git) is None:
        raise InvalidInput("there is no commit to push", hint='xver commit -m "first version"')
    derived = _derived(repo, repo.git, there, remote)
    if derived.head is None:
        raise InvalidInput("no commit has an xver.lock yet", hint='xver add PATH, then xver commit -m "…"')
    refs = _refs(derived)
    refs |= adopted_refs(repo.store, repo.git, "HEAD", known=derived.by_commit.keys())
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
    return Wish(branch, head, label, refs)


def _derived(repo: Repo, git: GitCommand, there: Store, remote: str) -> Derived:
    """Return the snapshots of HEAD's history, which our store has from now on, with the metadata below them."""
    for _ in range(_ATTEMPTS):
        known = {**there.log.refs, **repo.store.log.refs}
        with repo.store.packer() as packer:
            derived = derive(git, "HEAD", known=known, packer=packer)
            index = packer.finish()
        try:
            # Whatever our store has must have its metadata below it here: others' snapshots, and data others added.
            bring_metadata(repo, there, remote, derived.named)
            repo.store.move("derive snapshots", _refs(derived), index)
        except Collected:
            # Another process' collection of this store took what this relies on: it is derived, or brought, anew.
            repo.store.refresh()
            continue
        return derived
    raise Conflict("this store is collected faster than this pushes", hint="try again when xver gc is done")


def _refs(derived: Derived) -> dict[str, Target]:
    return {SNAPSHOTS + commit: Target(TargetKind.SNAPSHOT, id) for commit, id in derived.by_commit.items()}


def _wish_outside_git(repo: Repo) -> Wish:
    branch = branch_name(repo)
    head = repo.store.log.refs.get(HEADS + (branch or ""))
    if head is None:
        raise InvalidInput("there is no commit to push", hint='xver commit -m "first version"')
    tags = {name: one for name, one in repo.store.log.refs.items() if name.startswith(TAGS)}
    return Wish(branch, head, head.id.hex(), tags)


def targets_of(
    repo: Repo, there: Store, wish: Wish, refs: Mapping[str, Target]
) -> tuple[bool, tuple[str, ...], dict[str, Target | None]]:
    """Return whether the branch is behind, which tags are taken by other versions there, and the refs to move.

    A branch or tag that comes to name a version which was forgotten there brings its data back.
    """
    now = there.log.refs
    forgotten = {KEPT + ulid for ulid in forgotten_runs(there)}
    tags = tuple(name for name, one in refs.items() if name.startswith(TAGS) and now.get(name, one) != one)
    # A sealed run and the snapshot of a commit never change: ours does not replace another one there.
    settled = {name for name in refs if name in now and name.startswith((RUNS, SNAPSHOTS))}
    # What somebody sent whole meanwhile is not ours to forget there.
    whole = {name for name, one in refs.items() if name.startswith(FORGOTTEN) and one.id in there}
    left = {*tags, *settled, *forgotten, *whole}
    targets: dict[str, Target | None] = {
        name: one for name, one in refs.items() if now.get(name) != one and name not in left
    }
    behind = _is_behind(repo, there, wish)
    if wish.head is not None and not behind and now.get(HEADS + (wish.branch or "")) != wish.head:
        targets[HEADS + (wish.branch or "")] = wish.head
    return behind, tags, targets | dict.fromkeys(revived(repo, there, targets))


def revived(repo: Repo, there: Store, targets: Mapping[str, Target | None]) -> list[str]:
    """Return the refs `forgotten/…` to delete at the remote: of what a branch or tag will name, and we have."""
    named = {one.id for name, one in targets.items() if one is not None and name.startswith((HEADS, TAGS))}
    return forgotten_refs(there, named - bounds_of(repo.store).forgotten)


def to_hold(
    wish: Wish, refs: Mapping[str, Target], targets: Mapping[str, Target | None], *, heals: bool
) -> list[Target]:
    """Return what the remote is to hold whole: what its refs will newly name, or all of it where something was lost."""
    wanted = [one for one in ({**refs, **targets} if heals else targets).values() if one is not None]
    return [*wanted, wish.head] if heals and wish.head is not None else wanted


def _is_behind(repo: Repo, there: Store, wish: Wish) -> bool:
    """Tell whether the remote's branch has what ours has not."""
    old = there.log.refs.get(HEADS + (wish.branch or ""))
    if wish.head is None or old is None or old == wish.head:
        return False
    return old.id not in repo.store or not is_ancestor(repo.store, SnapshotId(old.id), SnapshotId(wish.head.id))

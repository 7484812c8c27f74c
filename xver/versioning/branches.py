"""Branches and tags. Beside git they are git's; outside git they are refs of the store's log, kept simple."""

from __future__ import annotations

from xver.errors import AlreadyExists, InvalidInput, RefNotFound
from xver.history.graph import read_snapshot
from xver.model.ids import SnapshotId
from xver.model.refs import HEADS, TAGS, parse_ref
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.versioning.keeping import naming
from xver.versioning.operations import noted
from xver.versioning.restoring import carry_to, switch_to
from xver.versioning.versions import go_to, head_id, keep_snapshot, read_head, resolve_id, root_entries, without_former


def names(repo: Repo, prefix: str) -> dict[str, SnapshotId]:
    """Return the branches (`heads/`) or tags (`tags/`) with their snapshots, sorted by name."""
    return {name: SnapshotId(target.id) for name, target in repo.store.log.refs_under(prefix).items()}


def create(repo: Repo, prefix: str, name: str, rev: str = "HEAD") -> SnapshotId:
    """Make a branch or tag at a revision; return its snapshot.

    Raises:
        AlreadyExists: there is one of that name.
    """
    word = "tag" if prefix == TAGS else "branch"
    with repo.held(), noted(repo, f"{word} {name}", refs=[prefix + name]):
        return _create(repo, prefix, name, rev)


def _create(repo: Repo, prefix: str, name: str, rev: str) -> SnapshotId:
    parse_ref(name)
    if name == "HEAD":
        raise InvalidInput("HEAD is no name for a branch or tag: it means where you are")
    if prefix + name in repo.store.log.refs:
        word = "tag" if prefix == TAGS else "branch"
        raise AlreadyExists(f"there is a {word} {name} already", hint=f"xver {word} -d {name} deletes it")
    found = resolve_id(repo, rev)
    repo.store.move(f"create {prefix}{name}", naming(repo.store, prefix + name, found))
    return found


def delete(repo: Repo, prefix: str, name: str) -> None:
    """Delete a branch or tag; its snapshots stay reachable by `snapshots/…`.

    Raises:
        RefNotFound: there is none of that name.
        InvalidInput: it is the branch we are on.
    """
    word = "tag" if prefix == TAGS else "branch"
    with repo.held(), noted(repo, f"{word} -d {name}", refs=[prefix + name]):
        target = repo.store.log.refs.get(prefix + name)
        if target is None:
            raise RefNotFound(f"there is no {word} {name}")
        if prefix + name == read_head(repo):
            raise InvalidInput(f"{name} is the branch you are on", hint="xver switch to another one first")
        repo.store.move(f"delete {prefix}{name}", {prefix + name: None, f"snapshots/{target.id.hex()}": target})


def switch(repo: Repo, name: str, *, new: bool = False, force: bool = False, meter: Meter = SILENT) -> None:
    """Go to a branch: HEAD, `xver.lock` and the disk; `new` makes it where we are. A revision detaches HEAD.

    What was changed, or added and not committed, goes along where both versions are alike; `force` gives it up.

    Raises:
        DirtyWorktree: changes would be lost, as the two versions differ there.
        AlreadyExists: a new branch is there already.
    """
    words = f"switch {'-c ' if new else ''}{name}"
    with repo.held(), noted(repo, words, paths=(), refs=[HEADS + name] if new else []):
        if new:
            _switch_to_new(repo, name)
        else:
            _switch(repo, name, force=force, meter=meter)


def _switch_to_new(repo: Repo, name: str) -> None:
    if head_id(repo) is not None or HEADS + name in repo.store.log.refs:
        create(repo, HEADS, name)
    parse_ref(name)
    go_to(repo, HEADS + name)


def _switch(repo: Repo, name: str, *, force: bool, meter: Meter) -> None:
    name = without_former(repo, name)
    head = head_id(repo)
    # A branch comes before a tag of the same name: it is what one can be on.
    branch = repo.store.log.refs.get(HEADS + name)
    found = resolve_id(repo, name) if branch is None else SnapshotId(branch.id)
    before = {} if head is None else root_entries(repo.store, read_snapshot(repo.store, head).root)
    there = root_entries(repo.store, read_snapshot(repo.store, found).root)
    if force:
        switch_to(repo, there, force=True, meter=meter)
    else:
        carry_to(repo, before, there, hint='xver commit -m "…", or xver switch --force', meter=meter)
    if branch is not None:
        go_to(repo, HEADS + name)
    else:
        keep_snapshot(repo, found)
        go_to(repo, found.hex())

"""Which snapshot a word means, outside git: `main`, `v1.0`, `HEAD~2`, `3f9a01c`, `main@{2 days ago}`, `@{1}`.

The suffixes `^`, `~` and `@{…}` are git's. What a branch was before is read from the log of the store, which has every
move of it; of others' branches it has what fetches brought.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import Final

from xver.errors import InvalidInput, RevisionNotFound, nearest
from xver.history.bounds import bounds_of
from xver.history.graph import ancestors, read_snapshot
from xver.model.ids import SnapshotId
from xver.model.moments import parse_moment
from xver.model.refs import HEADS, SNAPSHOTS, TAGS, Target, TargetKind
from xver.store.store import Store

_SUFFIX: Final = re.compile(r"(\^[0-9]*|~[0-9]*)")
_BEFORE: Final = re.compile(r"(.*)@\{([^{}]*)\}")
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_HEX: Final = re.compile(r"[0-9a-f]{4,64}")


def resolve_snapshot(store: Store, rev: str, *, head: SnapshotId | None, on: str | None = None) -> SnapshotId:
    """Return the snapshot that `rev` names; `head` is what HEAD means, `on` the ref of the branch we are on.

    Raises:
        RevisionNotFound: it names nothing, or an abbreviation fits several; they are listed.
    """
    word, *suffixes = [part for part in _SUFFIX.split(rev) if part] or [""]
    before = _BEFORE.fullmatch(word)
    found = _named(store, word, head) if before is None else _earlier(store, before[1], before[2], on)
    for suffix in suffixes:
        found = _step(store, found, suffix, rev)
    return found


def _named(store: Store, word: str, head: SnapshotId | None) -> SnapshotId:
    if word in ("HEAD", "@"):
        if head is None:
            raise RevisionNotFound("there is no commit yet", hint='xver commit -m "first version"')
        return head
    refs = store.log.refs
    for name in _full_names(word):
        target = refs.get(name)
        if target is not None and target.kind is TargetKind.SNAPSHOT:
            return SnapshotId(target.id)
    digits = word.removeprefix("b3:")
    if _HEX.fullmatch(digits):
        candidates = _abbreviated(store, digits, head)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            listed = ", ".join(f"{id.hex()[:12]} {read_snapshot(store, id).title!r}" for id in candidates[:10])
            raise RevisionNotFound(f"{word} fits several: {listed}", hint="give more digits")
    words = [name.partition("/")[2] for name in refs if name.startswith((HEADS, TAGS))]
    near = nearest(word, words)
    raise RevisionNotFound(
        f"no version is named {word}", hint=f"did you mean {near}?" if near else "xver log shows what there is"
    )


def _full_names(word: str) -> tuple[str, ...]:
    return f"{TAGS}{word}", f"{HEADS}{word}", f"remotes/{word}", f"{SNAPSHOTS}{word}", word


def _earlier(store: Store, word: str, when: str, on: str | None) -> SnapshotId:
    """Return what a branch was so many moves ago, or at a moment."""
    rev = f"{word}@{{{when}}}"
    if word in ("", "HEAD", "@"):
        if on is None:
            raise RevisionNotFound(f"{rev} is of the branch you are on, and you are on none", hint="xver branch")
        name = on
    else:
        names = [one for one in _full_names(word) if one in store.log.refs]
        if not names:
            raise RevisionNotFound(f"no version is named {word}", hint="xver branch lists the branches")
        name = names[0]
    target = _moves_ago(store, name, int(when)) if _COUNT.fullmatch(when) else _at_moment(store, name, rev, when)
    if target is None or target.kind is not TargetKind.SNAPSHOT:
        raise RevisionNotFound(
            f"there was no {name.partition('/')[2]} yet at {rev}", hint="xver log shows what there is"
        )
    return SnapshotId(target.id)


def _moves_ago(store: Store, name: str, count: int) -> Target | None:
    target = store.log.refs.get(name)
    for n in range(store.log.n - 1, -1, -1):
        if count == 0:
            break
        moved = store.log.entry(n).refs.get(name)
        if moved is not None:
            target, count = moved[0], count - 1
    return target if count == 0 else None


def _at_moment(store: Store, name: str, rev: str, when: str) -> Target | None:
    try:
        moment = parse_moment(when)
    except InvalidInput as error:
        raise RevisionNotFound(f"{rev} names no version: {error.message}", hint=error.hint) from error
    target = store.log.refs.get(name)
    for n in range(store.log.n - 1, -1, -1):
        entry = store.log.entry(n)
        if entry.time <= moment:
            break
        if name in entry.refs:
            target = entry.refs[name][0]
    return target


def _abbreviated(store: Store, digits: str, head: SnapshotId | None) -> list[SnapshotId]:
    starts = [SnapshotId(target.id) for target in store.log.refs.values() if target.kind is TargetKind.SNAPSHOT]
    if head is not None:
        starts.append(head)
    return sorted(
        id
        for id, snapshot in ancestors(store, dict.fromkeys(starts))
        if id.hex().startswith(digits) or (snapshot.git or "").startswith(digits)
    )


def _step(store: Store, id: SnapshotId, suffix: str, rev: str) -> SnapshotId:
    # No history is longer than nine digits say, and what a user typed must not be made into as many steps at once.
    count = int(suffix[1:10] or 1)
    bounds = bounds_of(store)
    for number in (count,) if suffix[0] == "^" else repeat(1, count):
        parents = bounds.parents(id, read_snapshot(store, id))
        if number == 0:
            continue
        if number > len(parents):
            first = "oldest version that is here" if id in bounds.shallow else "first version"
            raise RevisionNotFound(f"{rev} goes back beyond the {first}", hint="xver log shows what there is")
        id = parents[number - 1]
    return id


def snapshot_target(id: SnapshotId) -> Target:
    """Return the target of a ref that names a snapshot."""
    return Target(TargetKind.SNAPSHOT, id)

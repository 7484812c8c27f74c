"""The operations of this work tree: what stood where before each, so that `undo` can go back.

    .xver/operations/0000000007.json      what was typed, and xver.lock, HEAD and refs before it and after

Written before an operation begins and again when it has ended; one that changed nothing leaves no trace. Only what
xver itself decides is noted: files on the disk are never kept here, as what a command replaces there is in the store.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from xver.git import history as git_history
from xver.model.ids import digest_hex
from xver.model.refs import HEADS
from xver.patience import replace
from xver.repo import Repo
from xver.versioning.pending import settle
from xver.versioning.versions import read_head
from xver.worktree.folders import refusals

_WORDS: Final = 200
_KEPT: Final = 100
"""Older ones go."""


@dataclass(frozen=True, slots=True)
class State:
    """What an operation may change: the digest of `xver.lock`, what HEAD says, and refs with their targets.

    Beside git, HEAD is the commit that git has checked out; there is none before the first.
    """

    lock: str
    head: str | None
    refs: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its number, what was typed, when (seconds since 1970), and the state before and after.

    `lock` is the text of `xver.lock` before it; `after` is None if it never ended. `paths`: what it wrote or removed on
    the disk, None if it touched nothing there; none of them means all that differs. `moves` are renames, each
    as it was and as it is. `left_git` are rows that left git's index, as `git ls-files --stage` prints them.
    """

    number: int
    words: str
    time: int
    lock: str
    before: State
    after: State | None
    paths: tuple[str, ...] | None = None
    moves: tuple[tuple[str, str], ...] = ()
    left_git: tuple[str, ...] = ()


@dataclass(slots=True)
class Note:
    """What an operation has to say of itself while it goes on; `keep` writes that down, should it be killed."""

    moves: list[tuple[str, str]] = field(default_factory=list)
    left_git: list[str] = field(default_factory=list)
    keep: Callable[[], None] = lambda: None


@contextmanager
def noted(repo: Repo, words: str, *, paths: Sequence[str] | None = None, refs: Sequence[str] = ()) -> Iterator[Note]:
    """Note an operation that goes on inside, by one who holds the work tree; what it is part of is noted already.

    `refs` are those that it moves, besides the branch we are on.

    Raises:
        StorageError: the disk refuses to note it.
    """
    if repo.noting:
        yield Note()
        return
    names = {*refs}
    if repo.git is None and (word := read_head(repo)).startswith(HEADS):
        names.add(word)
    if repo.git is None:
        settle(repo)
    folder = _folder(repo)
    operation = Operation(
        number=max(_numbers(folder), default=0) + 1,
        words=words[:_WORDS],
        time=int(time.time()),
        lock=_lock_text(repo),
        before=state_of(repo, names),
        after=None,
        paths=None if paths is None else tuple(paths),
    )
    note = Note()
    note.keep = lambda: _write(folder, operation, note)
    note.keep()
    repo.noting = True
    try:
        yield note
    except BaseException:
        _settle(repo, folder, operation, note, names, has_ended=False)
        raise
    else:
        _settle(repo, folder, operation, note, names, has_ended=True)
    finally:
        repo.noting = False


def operations(repo: Repo) -> list[Operation]:
    """Return the operations that are noted, the newest first; what cannot be read is left out."""
    found = []
    for number in sorted(_numbers(_folder(repo)), reverse=True):
        try:
            found.append(_parse(number, json.loads(_path(_folder(repo), number).read_bytes())))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def drop(repo: Repo, operation: Operation) -> None:
    """Forget an operation that was undone."""
    _path(_folder(repo), operation.number).unlink(missing_ok=True)


def state_of(repo: Repo, refs: Iterable[str]) -> State:
    """Return how things stand now."""
    head = read_head(repo) if repo.git is None else git_history.head(repo.git)
    return _state(repo, head, refs)


def _state(repo: Repo, head: str | None, refs: Iterable[str]) -> State:
    lock = digest_hex(_lock_text(repo).encode("utf-8", "surrogateescape"))
    targets = {name: repo.store.log.refs.get(name) for name in sorted(refs)}
    return State(lock, head, {name: None if one is None else str(one) for name, one in targets.items()})


def _lock_text(repo: Repo) -> str:
    try:
        return repo.lock_path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def _settle(repo: Repo, folder: Path, operation: Operation, note: Note, names: set[str], *, has_ended: bool) -> None:
    # git's HEAD is never moved by what is noted; who commits meanwhile ends what can be undone.
    head = read_head(repo) if repo.git is None else operation.before.head
    after = _state(repo, head, names)
    if after == operation.before and not note.moves and not note.left_git:
        _path(folder, operation.number).unlink(missing_ok=True)
        return
    if has_ended:
        _write(folder, dataclasses.replace(operation, after=after), note)
    elif note.left_git:
        # It failed half way: git's index has to get back what left it, and whether anything moved is not known.
        _write(folder, operation, Note(left_git=note.left_git))
    for number in sorted(_numbers(folder))[:-_KEPT]:
        _path(folder, number).unlink(missing_ok=True)


def _write(folder: Path, one: Operation, note: Note) -> None:
    record = {
        "words": one.words,
        "time": one.time,
        "lock": one.lock,
        "before": _record(one.before),
        "after": None if one.after is None else _record(one.after),
        "paths": one.paths,
        "moves": note.moves,
        "left_git": note.left_git,
    }
    path = _path(folder, one.number)
    beside = path.with_suffix(".tmp")
    with refusals(str(path)):
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(json.dumps(record).encode())
        replace(beside, path)


def _record(state: State) -> dict[str, Any]:
    return {"lock": state.lock, "head": state.head, "refs": dict(state.refs)}


def _parse(number: int, record: dict[str, Any]) -> Operation:
    before, after, paths = record["before"], record["after"], record["paths"]
    return Operation(
        number,
        record["words"],
        record["time"],
        record["lock"],
        State(**before),
        None if after is None else State(**after),
        None if paths is None else tuple(paths),
        tuple((old, new) for old, new in record["moves"]),
        tuple(record.get("left_git", ())),
    )


def _folder(repo: Repo) -> Path:
    return repo.places.own / "operations"


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:010d}.json"


def _numbers(folder: Path) -> list[int]:
    try:
        return [int(path.stem) for path in folder.iterdir() if path.suffix == ".json" and path.stem.isdigit()]
    except FileNotFoundError:
        return []

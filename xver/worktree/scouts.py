"""Other processes that look at a part of very many folders, at the same time: of Python's threads one runs at a time.

    here   folder after folder, the first ones looked at here │ those of a scout: wait for it, once
    scout  ················· its folders, one after the other ┘

A scout gets the last folders of those that were there last time, with their records, and says of each what `look_at`
says and, where stats moved, what `recheck` says. What it does not know of, or if anything goes wrong with it, is looked
at here: it can make a scan quicker and nothing else.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from xver.worktree.looking import Look, look_at
from xver.worktree.rechecking import recheck
from xver.worktree.records import DirectoryRecord

_LEAST: Final = 50_000
"""Files that are worth a process: they take longer to look at than Python takes to start."""
_MOST: Final = 8
_SERVE: Final = "from xver.worktree.scouts import serve; serve()"
_PACKAGES: Final = Path(__file__).parents[2]

_Answer: TypeAlias = tuple[Any, ...]


class Scouts:
    """The scouts of one scan of the folder `top`; a context. `known` are the folders as they were last time."""

    def __init__(self, top: bytes, known: Mapping[str, DirectoryRecord]) -> None:
        self._scouts: list[_Scout] = []
        self._by_folder: dict[str, _Scout] = {}
        counts = {folder: len(record.kinds) for folder, record in known.items()}
        for share in _shares(counts, min(_processors(), _MOST, sum(counts.values()) // _LEAST)):
            with suppress(OSError):
                scout = _Scout(top, {folder: known[folder] for folder in share})
                self._scouts.append(scout)
                self._by_folder.update(dict.fromkeys(share, scout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for scout in self._scouts:
            scout.close()

    def look(self, folder: str) -> Look | None:
        """Return what a scout saw in a folder, None if none has."""
        scout = self._by_folder.get(folder)
        return None if scout is None else scout.look(folder)


class _Scout:
    def __init__(self, top: bytes, known: Mapping[str, DirectoryRecord]) -> None:
        self._known = known
        self._answers: dict[str, _Answer] | None = None
        with ExitStack() as stack, tempfile.TemporaryFile() as asked:
            # Files, no pipes: nobody waits for the other.
            answer = stack.enter_context(tempfile.TemporaryFile())
            marshal.dump((top, len(known)), asked)
            for folder, one in known.items():
                marshal.dump((folder, one.joined, one.kinds, one.sizes, one.stats, one.fingerprints), asked)
            asked.seek(0)
            # Without `site`: it finds what it needs where this process does, and starts sooner.
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _SERVE],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([os.fspath(_PACKAGES), *filter(None, sys.path)])},
                stdin=asked,
                stdout=answer,
                stderr=subprocess.DEVNULL,
            )
            self._answer = answer
            stack.pop_all()

    def look(self, folder: str) -> Look | None:
        """Return what it saw in a folder, when it is done with all; None if nothing, or if it failed."""
        if self._answers is None:
            self._answers = {}
            if self._process.wait() == 0:
                self._answer.seek(0)
                self._answers = dict(marshal.load(self._answer) for _ in self._known)  # noqa: S302
        match self._answers.pop(folder, None):
            case (folders,):
                record = self._known[folder]
                return Look(record.joined, record.stats, folders)
            case (folders, joined, packed, rechecked):
                return Look(joined, packed, folders, rechecked)
        return None

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._answer.close()


def serve() -> None:
    """Look at the folders that stand on the standard input, as a scout."""
    asked, answer = sys.stdin.buffer, sys.stdout.buffer
    top, count = marshal.load(asked)  # noqa: S302 - from the process that started this one
    for _ in range(count):
        folder, joined, kinds, sizes, stats, fingerprints = marshal.load(asked)  # noqa: S302
        record = DirectoryRecord(joined, kinds, sizes, stats, b"", fingerprints)
        marshal.dump((folder, _answer_for(top, folder, record)), answer)


def _answer_for(top: bytes, folder: str, record: DirectoryRecord) -> _Answer:
    """Return what there is to say: nothing, the folders alone where the rest is as recorded, or all."""
    look = look_at(top, folder)
    if look is None:
        return ()
    if record.holds(look.joined, look.packed):
        return (look.folders,)
    rechecked = None
    if look.joined == record.joined:
        rechecked = recheck(os.path.join(top, os.fsencode(folder)) if folder else top, look.packed, record)
    return (look.folders, look.joined, look.packed, rechecked)


def _shares(known: Mapping[str, int], processes: int) -> list[list[str]]:
    """Return the folders for each scout: all but the first part, which is looked at here, in equal parts."""
    if processes < 2 or not sys.executable or hasattr(sys, "frozen"):  # a program that is not Python
        return []
    whole, so_far = sum(known.values()), 0
    shares: list[list[str]] = [[] for _ in range(processes)]
    for folder in sorted(known, key=lambda one: one.split("/")):  # as a scan comes by them
        shares[min(so_far * processes // whole, processes - 1)].append(folder)
        so_far += known[folder]
    return [share for share in shares[1:] if share]


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    else:  # noqa: RET505 (types are checked for other systems, too)
        return os.cpu_count() or 1

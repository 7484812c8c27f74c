"""Other processes that look at a part of very many folders, at the same time: of Python's threads one runs at a time.

    here   folder after folder, the first ones looked at here │ those of a scout: wait for it, once
    scout  ················· its folders, one after the other ┘

A scout gets the last folders of those that were there last time, and says of each what `look_at` says. What it does
not know of, or if anything goes wrong with it, is looked at here: it can make a scan quicker and nothing else.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self, TypeAlias

from xver.worktree.looking import Look, look_at

_LEAST: Final = 50_000
"""Files that are worth a process: they take longer to look at than Python takes to start."""
_MOST: Final = 8
_SERVE: Final = "from xver.worktree.scouts import serve; serve()"
_PACKAGES: Final = Path(__file__).parents[2]

_Seen: TypeAlias = dict[str, Look]


class Scouts:
    """The scouts of one scan of the folder `top`; a context. `known` are the folders, with their numbers of files."""

    def __init__(self, top: bytes, known: Mapping[str, int]) -> None:
        self._scouts: list[_Scout] = []
        self._by_folder: dict[str, _Scout] = {}
        for share in _shares(known, min(_processors(), _MOST, sum(known.values()) // _LEAST)):
            with suppress(OSError):
                scout = _Scout(top, share)
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
        return None if scout is None else scout.seen().pop(folder, None)


class _Scout:
    def __init__(self, top: bytes, folders: Sequence[str]) -> None:
        self._seen: _Seen | None = None
        with ExitStack() as stack, tempfile.TemporaryFile() as asked:
            # Files, no pipes: nobody waits for the other.
            answer = stack.enter_context(tempfile.TemporaryFile())
            marshal.dump((top, list(folders)), asked)
            asked.seek(0)
            # Without `site`: it needs nothing but this package, and starts sooner.
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _SERVE],
                env={**os.environ, "PYTHONPATH": os.fspath(_PACKAGES)},
                stdin=asked,
                stdout=answer,
                stderr=subprocess.DEVNULL,
            )
            self._answer = answer
            stack.pop_all()

    def seen(self) -> _Seen:
        """Wait until it is done; return what it saw: nothing, if it failed."""
        if self._seen is None:
            self._seen = {}
            if self._process.wait() == 0:
                self._answer.seek(0)
                self._seen = {folder: Look(*rest) for folder, *rest in marshal.load(self._answer)}  # noqa: S302
        return self._seen

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._answer.close()


def serve() -> None:
    """Look at the folders that stand on the standard input, as a scout."""
    top, folders = marshal.load(sys.stdin.buffer)  # noqa: S302 - from the process that started this one
    seen = ((folder, look_at(top, folder)) for folder in folders)
    marshal.dump([(folder, *look) for folder, look in seen if look is not None], sys.stdout.buffer)


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

"""More of a work tree: names that change, `xver.lock` that goes back, and every command cut off anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.stateful.work_tree import PATHS, TOPS, WorkTree, below, flat
from xver.errors import Conflict, InvalidInput, NotFound
from xver.model.paths import is_below, overlaps
from xver.repo import Repo
from xver.upkeep.fsck import check
from xver.versioning.moving import move
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout, restore
from xver.versioning.tracking import add
from xver.versioning.undoing import undo
from xver.versioning.unstaging import unstage

CUT_OFF = ("replace", "rename", "unlink", "open", "link", "mkdir", "fsync")


class CutOff(BaseException):
    """The process ends here, as far as the command is concerned."""


@contextmanager
def cut_off(after: int) -> Iterator[None]:
    """Let the call to the disk that follows so many others not happen, and nothing after it."""
    left = after

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == -1:
                raise CutOff
            return real(*args, **options)

        return call

    patched: dict[str, Any] = {name: failing(getattr(os, name)) for name in CUT_OFF}
    with mock.patch.multiple(os, **patched), suppress(CutOff):
        yield


class Renaming(WorkTree):
    """Daily work, and names, steps back of `xver.lock`, and cuts."""

    @rule(source=st.sampled_from((*TOPS, *PATHS)), place=st.sampled_from((*TOPS, *PATHS)))
    def move(self, source: str, place: str) -> None:
        wanted = place
        if ("/" in wanted or (self.root / wanted).is_dir()) and wanted.partition("/")[0] not in self.lock:
            return
        try:
            with self.noted():
                ((_, place),) = move(self.repo, [source], wanted)
        except (InvalidInput, NotFound):
            return
        assert place in (wanted, f"{wanted}/{source.rpartition('/')[2]}")

        def renamed(path: str) -> str:
            return place + path[len(source) :] if is_below(path, source) else path

        self.disk = {renamed(path): data for path, data in self.disk.items()}
        moved = below(flat(self.lock), source)
        assert moved or source in self.lock
        self.lock = {
            top: {path: data for path, data in files.items() if path not in moved}
            for top, files in self.lock.items()
            if top != source
        }
        host = next((top for top in self.lock if is_below(place, top)), place)
        self.lock[host] = self.lock.get(host, {}) | {renamed(path): data for path, data in moved.items()}

    @rule(path=st.sampled_from((*TOPS, *PATHS)))
    def unstage(self, path: str) -> None:
        top = path.partition("/")[0]
        was, now = self.head.get(top), self.lock.get(top)
        wanted = was
        if path != top:
            part = below(was, path) if was is not None and top not in was else {}
            rows = now if now is not None and top not in now else {}
            wanted = {name: one for name, one in rows.items() if not any(overlaps(name, new) for new in part)}
            wanted = {name: one for name, one in wanted.items() if not is_below(name, path)} | part
            if was is None and now is None:
                wanted = None
            elif not part and wanted == rows:
                with pytest.raises(NotFound):
                    unstage(self.repo, [path])
                return
        if was is None and now is None:
            with pytest.raises(NotFound):
                unstage(self.repo, [path])
            return
        with self.noted():
            unstage(self.repo, [path])
        self.lock.pop(top, None)
        if wanted is not None:
            self.lock[top] = dict(wanted)

    def acts(self, path: str, place: str) -> dict[str, Callable[[Repo], object]]:
        """Return the commands that may be cut off."""
        return {
            "add": lambda repo: add(repo, [path]),
            "remove": lambda repo: remove(repo, [path]),
            "remove --cached": lambda repo: remove(repo, [path], cached=True),
            "move": lambda repo: move(repo, [path], place),
            "restore": lambda repo: restore(repo, [path], rev="HEAD"),
            "unstage": lambda repo: unstage(repo, [path]),
            "checkout": checkout,
            "undo": undo,
        }

    @rule(
        data=st.data(),
        path=st.sampled_from((*TOPS, *PATHS)),
        place=st.sampled_from(TOPS),
        after=st.integers(0, 60),
    )
    def crash(self, data: st.DataObject, path: str, place: str, after: int) -> None:
        acts = self.acts(path, place)
        name = data.draw(st.sampled_from(sorted(acts)))
        if name == "move" and ("/" in path or (self.root / place).is_dir()):
            return
        if name == "add" and path.partition("/")[0] not in (path, *self.lock):
            return
        before = dict(self.disk)
        known = self.stored | set(self.disk.values()) if name == "add" else self.stored
        with suppress(Conflict, InvalidInput, NotFound), cut_off(after):
            acts[name](self.repo)
        self.adopt()
        found = self.picture()
        for one, bytes_ in before.items():
            if found.get(one) != bytes_:
                assert bytes_ in self.stored or bytes_ in found.values(), f"{one} is lost"
        for bytes_ in flat(self.lock).values():
            assert bytes_ in known
        self.stored |= set(flat(self.lock).values())
        assert not check(self.repo).problems

"""A repository without git against a dictionary: any sequence of commands, and never a byte too few or too many.

The model holds what the disk, `xver.lock` and every version ought to have. Each step is one library call on a
repository opened anew, as a new process would. Some are cut off at a random call to the disk; what is there then has
to be one of what was before and what was meant, and no unsaved byte may be gone. fsck is asked after each step.
"""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.repos import SOMEBODY
from tests.support.trees import picture, rewrite_unseen
from xver.errors import DirtyWorktree, InvalidInput
from xver.model.entries import Dataset, Entries
from xver.model.paths import is_below, overlaps
from xver.model.refs import HEADS
from xver.repo import Repo, init_repo, open_repo
from xver.store.content import read_all
from xver.store.listings import read_listing
from xver.upkeep.fsck import check
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.operations import operations
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout, restore
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import entries_at, read_head
from xver.worktree.scan import TEMPORARY

Files = dict[str, bytes]
Lock = dict[str, Files]

# Few names, so that they meet: a file where another branch has a folder, a tracked file beside a dataset.
TOPS = ("d", "e", "f", "g")
PATHS = ("d/a", "d/s", "d/s/x", "d/t/y", "e/a", "e/s/x", "f")
CONTENTS = (b"", b"one", b"two", b"sixteen bytes...")
BRANCHES = ("main", "other")

paths = st.sampled_from(PATHS)
contents = st.sampled_from(CONTENTS)


def below(files: Mapping[str, bytes], top: str) -> Files:
    return {path: data for path, data in files.items() if is_below(path, top)}


def below_it(top: str) -> Callable[[str], bool]:
    return lambda path: is_below(path, top)


def flat(lock: Lock) -> Files:
    return {path: data for files in lock.values() for path, data in files.items()}


class WorkTree(RuleBasedStateMachine):
    """`disk`, `lock` (files by tracked path) and the versions of each branch, beside the real thing.

    `undoable` holds what each operation that is noted found: the lock, the branches, and where we were. `forgotten` are
    the paths that `xver.lock` named no longer, and no version was brought or added there since: named again, such a
    path that is not on the disk may count as deleted or as not brought here, and nothing is lost by either.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.disk: Files = {}
        self.lock: Lock = {}
        self.stored: set[bytes] = {b""}
        self.versions: dict[str, Lock] = {}
        self.heads: dict[str, str] = {}
        self.branch = "main"
        self.undoable: list[tuple[Lock, dict[str, str], str]] = []
        self.named: set[str] = set()
        self.forgotten: set[str] = set()

    @initialize()
    def begin(self) -> None:
        init_repo(self.root)

    @property
    def repo(self) -> Repo:
        return open_repo(self.root)

    @property
    def head(self) -> Lock:
        return self.versions[self.heads[self.branch]] if self.branch in self.heads else {}

    def picture(self) -> Files:
        found = picture(self.root)
        return {
            path: data
            for path, data in found.items()
            if isinstance(data, bytes) and not TEMPORARY.fullmatch(path.rpartition("/")[2])
        }

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Run an operation; where it is noted, what it found can be undone."""
        found = copy.deepcopy((self.lock, self.heads, self.branch))
        before = [one.number for one in operations(self.repo)]
        yield
        after = [one.number for one in operations(self.repo)]
        if after != before:
            assert after[1:] == before[: len(after) - 1], "only the oldest go, where there are many"
            self.undoable.append(found)

    @rule(path=paths, data=contents)
    def write(self, path: str, data: bytes) -> None:
        self.put(path, data)

    def put(self, path: str, data: bytes) -> None:
        """Write a file, unless a file or a folder is in its way."""
        target = self.root / path
        if target.is_dir() or any((self.root / one).is_file() for one in folders_of(path)):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self.disk[path] = data

    @precondition(lambda self: any(len(data) == 3 for data in self.disk.values()))
    @rule(data=st.data())
    def edit_unseen(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(path for path, one in self.disk.items() if len(one) == 3)))
        new = b"two" if self.disk[path] == b"one" else b"one"
        if os.name == "nt":
            return
        rewrite_unseen(self.root / path, new)
        self.disk[path] = new

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.disk)))
        self.erase(path)

    def erase(self, path: str) -> None:
        """Delete a file, and the folders that are empty without it."""
        (self.root / path).unlink()
        folder = (self.root / path).parent
        while folder != self.root and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
        del self.disk[path]

    @rule(top=st.sampled_from(TOPS))
    def add_whole(self, top: str) -> None:
        self.add(top, top)

    @rule(path=paths)
    def add_part(self, path: str) -> None:
        top = path.partition("/")[0]
        if top in self.lock:
            self.add(top, path)

    def add(self, top: str, path: str) -> None:
        here = below(self.disk, path)
        was = below(self.lock.get(top, {}), path)
        # A folder that a restore made, and whose undo emptied it, is a dataset of no files.
        is_empty = path == top and (self.root / top).is_dir()
        if not here and not is_empty and (path == top or not was):
            with pytest.raises(InvalidInput):
                add(self.repo, [path])
            return
        if path != top and top in self.lock.get(top, {}):
            path = top  # it was a file: all of it is added
            here = below(self.disk, top)
        with self.noted():
            add(self.repo, [path])
        rest = {name: one for name, one in self.lock.get(top, {}).items() if not is_below(name, path)}
        rest = {name: one for name, one in rest.items() if not any(is_below(new, name) for new in here)}
        self.lock[top] = rest | here
        self.stored |= set(here.values())
        self.forgotten -= set(here)

    @rule(top=st.sampled_from(TOPS), cached=st.booleans())
    def remove(self, top: str, cached: bool) -> None:
        if top not in self.lock:
            return
        here = {path: self.disk[path] for path in self.lock[top] if path in self.disk}
        if not cached and any(data not in self.stored for data in here.values()):
            with pytest.raises(DirtyWorktree):
                remove(self.repo, [top])
            return
        with self.noted():
            remove(self.repo, [top], cached=cached)
        if not cached:
            for path in here:
                del self.disk[path]
        del self.lock[top]

    @rule()
    def commit(self) -> None:
        if self.lock == self.head:
            with pytest.raises(InvalidInput):
                commit(self.repo, "again", author=SOMEBODY)
            return
        with self.noted():
            made = commit(self.repo, "a version", author=SOMEBODY)
        self.arrive(made.id)

    @precondition(lambda self: self.heads)
    @rule(name=st.sampled_from(BRANCHES))
    def switch(self, name: str) -> None:
        if name not in self.heads:
            if self.head:
                with self.noted():
                    branches.switch(self.repo, name, new=True)
                self.heads[name], self.branch = self.heads[self.branch], name
            return
        there = self.versions[self.heads[name]]
        wanted, refused = self.carried(there)
        if refused:
            with pytest.raises(DirtyWorktree) as caught:
                branches.switch(self.repo, name)
            assert set(caught.value.paths) == refused
            return
        meant = self.on_the_way(there, wanted)
        before = dict(self.disk)
        if self.bring(wanted, lambda force: branches.switch(self.repo, name, force=force), meant):
            self.branch = name
            self.see_carried(before, flat(wanted), meant)

    def carried(self, there: Lock) -> tuple[Lock, set[str]]:
        """Return a version with what is staged where HEAD has the same as it, and what is staged where it has not."""
        wanted, refused = copy.deepcopy(there), set()
        for top in {*self.lock, *self.head}:
            now = self.lock.get(top)
            if now in (self.head.get(top), there.get(top)):
                continue
            if self.head.get(top) != there.get(top):
                refused.add(top)
            elif now is None:
                del wanted[top]
            else:
                wanted[top] = dict(now)
        return wanted, refused

    def on_the_way(self, there: Lock, wanted: Lock) -> Callable[[str], bool]:
        """Return what tells which files the way from HEAD to a version, wanted with what is staged, may touch."""
        # What is staged as it is there may be what a switch that was cut off left.
        whole = {top for top in there if self.lock.get(top) == there[top] != self.head.get(top)}
        before, after = flat(self.lock), flat(wanted)
        return lambda path: before.get(path) != after.get(path) or path.partition("/")[0] in whole

    def see_carried(self, before: Files, wanted: Files, meant: Callable[[str], bool]) -> None:
        """Look whether everything that was on the disk, and was not `meant`, is there as it was."""
        fresh = [path for path in wanted if meant(path)]
        for path, data in before.items():
            if not meant(path) and not any(overlaps(path, one) for one in fresh):
                assert self.disk.get(path) == data, f"{path} did not go along"

    @rule()
    def checkout(self) -> None:
        self.bring(self.lock, lambda force: checkout(self.repo, force=force))

    @precondition(lambda self: self.head)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        top = data.draw(st.sampled_from(sorted(self.head)))
        wanted = {**self.lock, top: self.head[top]}
        self.bring(wanted, lambda force: restore(self.repo, [top], rev="HEAD", force=force), below_it(top))

    def adopt(self) -> None:
        """Take over what a command that was cut off left: all of it must be readable."""
        repo = self.repo
        self.lock = self.files_of(repo, repo.lock.entries)
        self.disk = self.picture()
        self.branch = read_head(repo).removeprefix(HEADS)
        self.heads = {}
        for name, id in branches.names(repo, HEADS).items():
            self.heads[name] = id.hex()
            self.versions.setdefault(id.hex(), self.files_of(repo, entries_at(repo, id.hex())))
        # Which of them count as done is not known here: the tests of undo tell.
        self.undoable = []
        self.forgotten |= set(flat(self.lock)) - set(self.disk)
        shutil.rmtree(self.root / ".xver" / "operations", ignore_errors=True)

    def arrive(self, id: str) -> None:
        """Know a version that was made, and that the branch is there."""
        self.heads[self.branch] = id
        self.versions[id] = self.files_of(self.repo, entries_at(self.repo, id))

    def files_of(self, repo: Repo, entries: Entries) -> Lock:
        found: Lock = {}
        for top, entry in entries.items():
            if isinstance(entry, Dataset):
                rows = {f"{top}/{row.path}": row.entry for row in read_listing(repo.store, entry.id)}
            else:
                rows = {str(top): entry}
            found[top] = {path: read_all(repo.store, one.id, one.size) for path, one in rows.items()}  # type: ignore[union-attr, arg-type]
        return found

    def bring(self, wanted: Lock, go: Callable[[bool], object], meant: Callable[[str], bool] = lambda _: True) -> bool:
        """Let `go` bring what is `meant` of `wanted` to the disk; tell whether it did.

        It must not where unsaved work would go.
        """
        before = dict(self.disk)
        try:
            with self.noted():
                go(False)
        except DirtyWorktree as error:
            refused = set(error.paths)
        else:
            refused = set()
        if refused:
            unsaved = {path for path, data in before.items() if data not in self.stored}
            assert refused <= unsaved, "only unsaved work is a reason to refuse"
            assert self.picture() == before
            return False
        files = {path: data for path, data in flat(wanted).items() if meant(path)}
        self.see(before, files)
        self.lock = {top: dict(one) for top, one in wanted.items()}
        return True

    def see(self, before: Files, files: Files) -> None:
        """Look at the disk after a version came to it, where its `files` are to be: what went was kept somewhere."""
        found = self.picture()
        assert files.items() <= found.items(), "the version is on the disk"
        for path, data in before.items():
            if path not in found:
                assert data in self.stored, f"{path} went, and was in no version"
            elif found[path] != data:
                assert data in self.stored, f"{path} was overwritten, and was in no version"
                assert found[path] == files[path]
        assert set(found) - set(before) <= set(files), "nothing appears that belongs to no version"
        self.disk = found
        self.forgotten -= set(files)

    @invariant()
    def the_disk_is_the_model_s(self) -> None:
        assert self.picture() == self.disk

    @invariant()
    def xver_lock_is_the_model_s(self) -> None:
        if not (self.root / "xver.lock").exists():
            return
        repo = self.repo
        assert self.files_of(repo, repo.lock.entries) == self.lock

    @invariant()
    def fsck_finds_nothing(self) -> None:
        if (self.root / "xver.lock").exists():
            assert check(self.repo).problems == ()

    @invariant()
    def status_tells_the_difference(self) -> None:
        if not (self.root / "xver.lock").exists():
            return
        self.forgotten |= self.named - set(flat(self.lock))
        self.named = set(flat(self.lock))
        found = status(self.repo)
        assert {one.path for one in found.staged} == {
            top for top in {*self.lock, *self.head} if self.lock.get(top) != self.head.get(top)
        }
        changed = {f"{top}/{one.path}".rstrip("/") for top, many in found.changed.items() for one in many.differences}
        expected = set()
        not_here = {str(top): one.names for top, one in found.away.items()}
        away = set()
        for top, files in self.lock.items():
            here = below(self.disk, top)
            if top in not_here:
                names = not_here[top]
                away |= set(files) if names is None else {f"{top}/{name}".rstrip("/") for name in names}
            elif not os.path.lexists(self.root / top):
                assert top in found.absent
                continue
            expected |= {path for path in {*files, *here} if files.get(path) != here.get(path)}
        assert away <= self.forgotten - set(self.disk), "what was seen here, and is named, went: it is deleted"
        assert changed | away == expected
        assert not changed & away

    def teardown(self) -> None:
        try:
            if (self.root / "xver.lock").exists():
                assert {name: id.hex() for name, id in branches.names(self.repo, HEADS).items()} == self.heads
        finally:
            shutil.rmtree(self.root)


def folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]

"""The model of a work tree beside git: what each commit tracks, and what the disk and git's index owe to `xver.lock`.

What git does is in `git_gestures.py`; adding, removing, editing, moving and cuts are those of `work_tree.py` and
`renaming.py`. The clock is ahead: what was just written counts as old, so that the stat index is believed.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.stateful.renaming import Renaming
from tests.stateful.work_tree import BRANCHES, TOPS, Files, Lock, below, below_it, flat
from tests.support.repos import collect_here
from xver.errors import Conflict, InvalidInput, NotFound
from xver.git.drivers import install_drivers
from xver.git.hooks import install_hooks
from xver.git.ignore_block import read_block
from xver.model.ids import chunk_id
from xver.repo import init_repo
from xver.upkeep.gc import NONE
from xver.versioning.restoring import checkout, restore
from xver.versioning.state import status
from xver.versioning.undoing import undo
from xver.versioning.versions import entries_at


class BesideGit(Renaming):
    """`commits` has what each commit of git tracks; `at` is the one that is checked out."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: dict[str, Lock] = {}
        self.at = ""
        self.stashed: tuple[str, Lock] | None = None
        self.steps = 0
        self.looks = 0
        self.is_behind = False
        """Whether git changed xver.lock without the disk following all of it."""
        self.is_cut = False
        """Whether a command was cut off, and git's index and .gitignore may still be as before it."""
        self.is_unstaged = False
        """Whether `git stash pop` brought xver.lock to the disk alone."""

    @initialize()
    def begin(self) -> None:
        self.git("init", "-q", "-b", BRANCHES[0])
        repo, _ = init_repo(self.root)
        assert repo.git is not None
        install_hooks(repo.git)
        install_drivers(repo.git)
        self.git("add", "xver.toml", "xver.lock")
        self.git("commit", "-qm", "begin")
        self.arrive_at({})

    @property
    def head(self) -> Lock:
        return self.commits[self.at]

    @property
    def is_clean(self) -> bool:
        return self.disk == flat(self.lock) and not self.is_behind

    def git(self, *words: str, check: bool = True) -> tuple[int, str]:
        """Run git at a time of its own, so that no two commits are one."""
        self.steps += 1
        date = f"{1_700_000_000 + 60 * self.steps} +0000"
        done = subprocess.run(
            ["git", *words],
            cwd=self.root,
            env={**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert not check or not done.returncode, (words, done.stdout, done.stderr)
        return done.returncode, done.stdout.strip()

    def xver(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(["xver", *words], cwd=self.root, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    def moved(self) -> str:
        """Return the id of HEAD, whose version is known from now on."""
        _, self.at = self.git("rev-parse", "HEAD")
        self.version(self.at)
        return self.at

    def version(self, id: str) -> Lock:
        """Return what a commit tracks; of one that a rebase made on its way the repository is believed."""
        if id not in self.commits:
            repo = self.repo
            self.commits[id] = self.files_of(repo, entries_at(repo, id))
        return self.commits[id]

    def arrive_at(self, lock: Lock) -> None:
        """Know HEAD, which ought to track this."""
        assert self.commits.setdefault(self.moved(), lock) == lock

    def follow(self, before: Files, lock: Lock, *, was_clean: bool) -> None:
        """Look at what git and its hooks made of `xver.lock` and of the disk: what was clean is so again."""
        self.lock = copy.deepcopy(lock)
        files = flat(lock)
        found = self.picture()
        for path, data in before.items():
            if found.get(path) != data:
                assert data in self.stored, f"{path} was overwritten or went, and was in no version"
                assert found.get(path) == files.get(path), f"{path} is of no version"
        assert {path: found[path] for path in set(found) - set(before)}.items() <= files.items()
        assert not was_clean or found == files, "all of it was local and clean, and did not follow"
        self.disk = found
        self.is_behind |= found != files

    def follow_halfway(self, before: Files, lock: Lock) -> None:
        """Look at the disk after something that git took back: what was not in a version is as it was."""
        found = self.picture()
        for path, data in before.items():
            assert found.get(path) == data or data in self.stored, path
        assert {data for path, data in found.items() if before.get(path) != data} <= self.stored
        self.lock, self.disk = copy.deepcopy(lock), found

    def adopt(self) -> None:
        """Take over what a command that was cut off left."""
        repo = self.repo
        self.lock, self.disk = self.files_of(repo, repo.lock.entries), self.picture()
        self.undoable = []
        shutil.rmtree(repo.places.own / "operations", ignore_errors=True)
        self.is_behind = self.is_cut = True

    def is_going_on(self, name: str) -> bool:
        return os.path.lexists(self.root / ".git" / name)

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        """Write what nobody ever had: it is in no version, and must not be lost."""
        self.put(data.draw(st.sampled_from(sorted(self.disk))), f"new {self.looks}".encode())

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        """Take a path of any commit there was."""
        ids = list(self.commits)
        id = ids[data.draw(st.integers(0, len(ids) - 1))]
        there = self.commits[id]
        if there:
            top = data.draw(st.sampled_from(sorted(there)))
            wanted = {**self.lock, top: there[top]}
            self.bring(wanted, lambda force: restore(self.repo, [top], rev=id, force=force), below_it(top))

    @rule()
    def undo(self) -> None:
        """Take back what xver did; what git did since is git's to take back."""
        try:
            undo(self.repo)
        except (Conflict, InvalidInput, NotFound):
            return
        # That xver.lock says so, is an invariant.
        self.lock, _, _ = self.undoable.pop()
        before, self.disk = self.disk, self.picture()
        for data in before.values():
            assert data in self.stored or data in self.disk.values()

    @rule(top=st.sampled_from(TOPS))
    def add_and_undo(self, top: str) -> None:
        """Undo what was just done: in between git is likely to have moved HEAD, which ends what can be undone."""
        before = dict(self.disk), copy.deepcopy(self.lock)
        count = len(self.undoable)
        self.add_whole(top)
        if len(self.undoable) > count:
            self.undo()
            assert (self.disk, self.lock) == before

    @precondition(lambda self: self.lock)
    @rule(data=st.data(), cached=st.booleans())
    def remove_and_undo(self, data: st.DataObject, cached: bool) -> None:
        before = dict(self.disk), copy.deepcopy(self.lock)
        top = data.draw(st.sampled_from(sorted(self.lock)))
        count = len(self.undoable)
        self.remove(top, cached)
        if len(self.undoable) > count:
            self.undo()
            assert self.lock == before[1]
            for path in {*before[0], *self.disk}:
                # What was removed comes back as the lock has it.
                allowed = {before[0].get(path)} | (set() if cached else {self.lock[top].get(path)})
                assert self.disk.get(path) in allowed, path

    @rule()
    def checkout(self) -> None:
        if self.bring(self.lock, lambda force: checkout(self.repo, force=force)):
            self.is_behind = False

    @rule()
    def collect(self) -> None:
        """Free what neither git nor a work tree names: nothing of a version goes."""
        collect_here(self.repo, NONE)
        repo = self.repo
        self.stored = {data for data in self.stored if not data or repo.store.is_safe(chunk_id(data))}
        stashed = {} if self.stashed is None else self.stashed[1]
        for lock in (self.lock, stashed, *self.commits.values()):
            assert set(flat(lock).values()) <= self.stored

    @invariant()
    def every_version_is_whole(self) -> None:
        if self.at and not self.looks % 5:
            repo = self.repo
            for id in self.git("rev-list", "--all")[1].split():
                if id in self.commits:
                    assert self.files_of(repo, entries_at(repo, id)) == self.commits[id]
            if self.stashed is not None:
                assert self.files_of(repo, entries_at(repo, "stash@{0}")) == self.stashed[1]

    @invariant()
    def git_ignores_what_is_tracked(self) -> None:
        """On the disk, and now and then in git's index, where `xver.lock` is as on the disk too."""
        if not self.at or self.is_cut:
            return
        expected = {top if top in files else f"{top}/" for top, files in self.lock.items()}
        path = self.root / ".gitignore"
        assert set(read_block(path.read_text() if path.exists() else "")) == expected
        if not self.looks % 5 and not self.is_unstaged:
            assert set(read_block(self.git("show", ":.gitignore", check=False)[1] + "\n")) == expected
            assert self.git("show", ":xver.lock")[1] == (self.root / "xver.lock").read_text().strip()

    @invariant()
    def status_tells_the_difference(self) -> None:
        """Now and then: a status learns what the disk has, which nothing else may need."""
        self.looks += 1
        if not self.at or self.looks % 3:
            return
        found = status(self.repo)
        assert {one.path for one in found.staged} == {
            top for top in {*self.lock, *self.head} if self.lock.get(top) != self.head.get(top)
        }
        told = {f"{top}/{one.path}".rstrip("/") for top, many in found.changed.items() for one in many.differences}
        for top, files in self.lock.items():
            if top in found.absent:
                assert not os.path.lexists(self.root / top)
                continue
            here = below(self.disk, top)
            differ = {path for path in {*files, *here} if files.get(path) != here.get(path)}
            never = {path for path in differ - told if path not in here}
            assert differ - never == {path for path in told if path == top or path.startswith(top + "/")}
            assert not never or top in found.away

    def teardown(self) -> None:
        shutil.rmtree(self.root)

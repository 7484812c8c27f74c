"""git's own gestures beside xver against a dictionary: the disk follows where nothing is lost by it, and no version is.

git commits, switches, merges, rebases, stashes, resets and reverts by itself, with xver's hooks and merge driver in
place; adding, removing and editing are those of `work_tree.py`. After each step `xver.lock` is what git made of it, and
fsck, status and every version that git can reach agree with the model.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.stateful.work_tree import BRANCHES, CONTENTS, TOPS, Files, Lock, WorkTree, below, contents, flat, paths
from tests.support.forking import forked_xver
from tests.support.repos import collect_here
from xver.errors import Conflict, InvalidInput, NotFound
from xver.git.drivers import install_drivers
from xver.git.hooks import install_hooks
from xver.model.ids import chunk_id
from xver.repo import init_repo
from xver.upkeep.gc import NONE
from xver.versioning.commits import commit
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.state import status
from xver.versioning.undoing import undo
from xver.versioning.versions import entries_at


class BesideGit(WorkTree):
    """`commits` has what each commit of git tracks; `at` is the one that is checked out."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: dict[str, Lock] = {}
        self.at = ""
        self.stashed: tuple[str, Lock] | None = None
        self.steps = 0
        self.is_behind = False
        """Whether git changed xver.lock without the disk following all of it."""

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
        return self.disk == flat(self.lock)

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

    def moved(self) -> str:
        """Return the id of HEAD, whose version is known from now on."""
        _, self.at = self.git("rev-parse", "HEAD")
        if self.at not in self.commits:
            repo = self.repo
            self.commits[self.at] = self.files_of(repo, entries_at(repo, self.at))
        return self.at

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

    def is_going_on(self, name: str) -> bool:
        return os.path.lexists(self.root / ".git" / name)

    @rule()
    def commit(self) -> None:
        """Commit by git, which takes `xver.lock` along."""
        before, was_clean = dict(self.disk), self.is_clean
        code, _ = self.git("commit", "-qm", f"by git {self.steps}", check=False)
        assert self.lock == self.head or not code
        self.arrive_at(copy.deepcopy(self.lock))
        if self.is_behind:
            self.follow(before, self.lock, was_clean=was_clean)
        assert self.picture() == self.disk, "a commit leaves the disk alone"

    @precondition(lambda self: self.lock != self.head)
    @rule()
    def commit_by_xver(self) -> None:
        self.steps += 1
        commit(self.repo, f"by xver {self.steps}")
        self.arrive_at(copy.deepcopy(self.lock))

    @rule(name=st.sampled_from(BRANCHES))
    def switch(self, name: str) -> None:
        before, was_clean = dict(self.disk), self.is_clean
        is_there = not self.git("rev-parse", "-q", "--verify", name, check=False)[0]
        old = self.head
        code, _ = self.git("switch", "-q", *([name] if is_there else ["-c", name]), check=False)
        now = self.commits[self.moved()]
        if code:
            assert now == old
            assert self.lock != old, "git refuses only where xver.lock is not HEAD's"
        # What was not committed goes along, if git lets it.
        self.follow(before, now if self.lock == old else self.lock, was_clean=was_clean)

    @precondition(lambda self: self.lock == self.head)
    @rule(gives_up=st.booleans(), name=st.sampled_from(BRANCHES))
    def merge(self, gives_up: bool, name: str) -> None:
        code, theirs = self.git("rev-parse", "-q", "--verify", name, check=False)
        if code or theirs == self.at:
            return
        before, was_clean = dict(self.disk), self.is_clean
        base, mine, other = self.base_with(theirs), self.head, self.commits[theirs]
        code, _ = self.git("merge", "-q", "--no-edit", name, check=False)
        if code and self.is_going_on("MERGE_HEAD"):
            if gives_up:
                self.git("merge", "--abort")
                self.follow(before, mine, was_clean=False)
                self.checkout()
                return
            code, _ = self.xver("merge", "--ours")
            if not code:
                self.git("commit", "-q", "--no-edit")
            else:
                # Changes on the disk are in the way of it.
                self.git("merge", "--abort")
                self.follow(before, mine, was_clean=False)
                return
            merged = self.commits[self.moved()]
            for path, data in flat(mine).items():
                assert flat(merged).get(path, data) == data or flat(base).get(path) == data, path
        elif code:
            merged = mine
        else:
            merged = self.commits[self.moved()]
            for path in {path for side in (base, mine, other) for path in flat(side)}:
                was, one, two = (flat(side).get(path) for side in (base, mine, other))
                assert flat(merged).get(path) == (two if one == was else one), path
        self.follow(before, merged, was_clean=was_clean)

    @precondition(lambda self: self.lock == self.head)
    @rule(name=st.sampled_from(BRANCHES))
    def rebase(self, name: str) -> None:
        if self.git("rev-parse", "-q", "--verify", name, check=False)[0]:
            return
        before, was_clean, old = dict(self.disk), self.is_clean, self.head
        code, _ = self.git("rebase", "-q", name, check=False)
        if code and self.is_going_on("rebase-merge"):
            self.git("rebase", "--abort")
            assert self.commits[self.moved()] == old
            # Where it stopped the disk may have followed already, and git calls no hook at the end.
            self.follow_halfway(before, old)
            self.checkout()
            return
        self.follow(before, self.commits[self.moved()], was_clean=was_clean)

    @precondition(lambda self: self.lock == self.head)
    @rule()
    def revert(self) -> None:
        before, was_clean = dict(self.disk), self.is_clean
        code, parents = self.git("rev-parse", "HEAD^@")
        if code or len(parents.split()) != 1:
            return
        self.git("revert", "--no-edit", "HEAD")
        self.arrive_at(copy.deepcopy(self.commits[parents]))
        self.follow(before, self.head, was_clean=was_clean)

    @rule(how=st.sampled_from(("--soft", "--mixed", "--hard")))
    def reset(self, how: str) -> None:
        """Go back one commit: git calls no hook, so the disk stays until somebody types `xver checkout`."""
        if self.git("rev-parse", "-q", "--verify", "HEAD~1", check=False)[0]:
            return
        self.git("reset", "-q", how, "HEAD~1")
        self.moved()
        if how == "--hard":
            self.lock, self.is_behind = copy.deepcopy(self.head), True
        if how == "--mixed":
            self.git("add", "-u")

    @precondition(lambda self: self.lock != self.head and self.stashed is None)
    @rule()
    def stash(self) -> None:
        self.git("stash", "-q")
        self.stashed = self.at, self.lock
        self.lock, self.is_behind = copy.deepcopy(self.head), True

    @precondition(lambda self: self.stashed is not None and self.stashed[0] == self.at and self.lock == self.head)
    @rule()
    def pop(self) -> None:
        if self.git("stash", "pop", "-q", check=False)[0]:
            return
        assert self.stashed is not None
        self.is_behind = True
        (_, self.lock), self.stashed = self.stashed, None

    @rule()
    def undo(self) -> None:
        """Take back what xver did; what git did since is git's to take back."""
        try:
            undo(self.repo)
        except (Conflict, InvalidInput, NotFound):
            return
        # That xver.lock says so, is an invariant.
        self.lock, _, _ = self.undoable.pop()
        before, self.disk, self.is_behind = self.disk, self.picture(), True
        for data in before.values():
            assert data in self.stored or data in self.disk.values()

    @rule(top=st.sampled_from(TOPS))
    def add_and_undo(self, top: str) -> None:
        """Undo what was just done: in between git is likely to have moved HEAD, which ends what can be undone."""
        self.add_whole(top)
        self.undo()

    @rule()
    def checkout(self) -> None:
        if self.bring(self.lock, lambda force: checkout(self.repo, force=force)):
            self.is_behind = False

    @rule()
    def collect(self) -> None:
        """Free what neither git nor a work tree names: nothing of a version goes."""
        collect_here(self.repo, NONE)
        repo = self.repo
        self.stored = {data for data in CONTENTS if not data or repo.store.is_safe(chunk_id(data))}
        stashed = {} if self.stashed is None else self.stashed[1]
        for lock in (self.lock, stashed, *self.commits.values()):
            assert set(flat(lock).values()) <= self.stored

    @invariant()
    def every_version_is_whole(self) -> None:
        if self.at and not self.steps % 5:
            repo = self.repo
            for id in self.git("rev-list", "--all")[1].split():
                if id in self.commits:
                    assert self.files_of(repo, entries_at(repo, id)) == self.commits[id]
            if self.stashed is not None:
                assert self.files_of(repo, entries_at(repo, "stash@{0}")) == self.stashed[1]

    @invariant()
    def status_tells_the_difference(self) -> None:
        if not self.at:
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

    def follow_halfway(self, before: Files, lock: Lock) -> None:
        """Look at the disk after something that git took back: what was not in a version is as it was."""
        found = self.picture()
        for path, data in before.items():
            assert found.get(path) == data or data in self.stored, path
        assert {data for path, data in found.items() if before.get(path) != data} <= self.stored
        self.lock, self.disk = copy.deepcopy(lock), found

    def base_with(self, theirs: str) -> Lock:
        code, base = self.git("merge-base", self.at, theirs, check=False)
        return {} if code else self.commits[base]

    def xver(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(["xver", *words], cwd=self.root, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    def teardown(self) -> None:
        shutil.rmtree(self.root)


class Branched(BesideGit):
    """Two branches with versions of their own from the beginning, and more of them on the way."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Make a version of each branch, and one more."""
        super().begin()
        for name in ("main", "other", "main"):
            self.switch(name)
            self.make_a_version(data)

    @rule(data=st.data())
    def make_a_version(self, data: st.DataObject) -> None:
        """Clean up, change a file or two, and commit: what branches are made of."""
        if self.stashed is not None and self.lock != self.head:
            return
        for path in sorted(self.disk):
            if self.disk[path] != flat(self.lock).get(path):
                self.erase(path)
        self.checkout()
        for path in sorted(data.draw(st.sets(paths, min_size=1, max_size=2))):
            if path in self.disk and data.draw(st.booleans()):
                self.erase(path)
            else:
                self.put(path, data.draw(contents))
        for top in TOPS:
            if below(self.disk, top):
                self.add(top, top)
            elif top in self.lock:
                with self.noted():
                    remove(self.repo, [top])
                del self.lock[top]
        if self.lock != self.head:
            self.git("commit", "-qm", f"a version {self.steps}")
            self.arrive_at(copy.deepcopy(self.lock))
            assert self.picture() == self.disk == flat(self.lock)


@pytest.fixture
def git_finds_xver() -> Iterator[None]:
    """Let git find xver, and nothing of this machine's configuration."""
    if sys.platform == "win32" or shutil.which("git") is None:
        pytest.skip("needs git, and hooks as POSIX has them")
    folder = Path(tempfile.mkdtemp())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XVER_"))}
    who = {
        f"GIT_{one}_{what}": f"ada{at}"
        for one in ("AUTHOR", "COMMITTER")
        for what, at in (("NAME", ""), ("EMAIL", "@example.org"))
    }
    with forked_xver(folder) as programs:
        clean = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        with mock.patch.dict(os.environ, {**kept, **who, **clean}, clear=True):
            yield
    shutil.rmtree(folder)


def run(machine: type[BesideGit], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )


@pytest.mark.usefixtures("git_finds_xver")
def test_any_sequence_of_gestures() -> None:
    run(BesideGit, examples=6, steps=20)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("git_finds_xver")
def test_many_long_sequences_of_gestures() -> None:
    run(Branched, examples=100, steps=50)

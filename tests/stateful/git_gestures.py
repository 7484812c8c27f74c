"""git's own gestures beside xver: the disk follows where nothing is lost by it, and no version is."""

from __future__ import annotations

import copy

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.stateful.beside_git import BesideGit
from tests.stateful.work_tree import BRANCHES, Files, Lock, flat
from xver.model.paths import overlaps
from xver.versioning.commits import commit


class Gestures(BesideGit):
    """Commits, switches, merges, rebases, reverts, resets and stashes, by git with xver's hooks and merge driver."""

    @rule()
    def commit(self) -> None:
        """Commit by git, which takes `xver.lock` along."""
        before, was_clean = dict(self.disk), self.is_clean
        code, _ = self.git("commit", "-qm", f"by git {self.steps}", check=False)
        assert self.lock == self.head or not code
        self.arrive_at(copy.deepcopy(self.lock))
        if not code:
            self.is_cut = self.is_unstaged = False
        if self.is_behind:
            self.follow(before, self.lock, was_clean=was_clean)
        assert self.picture() == self.disk, "a commit leaves the disk alone"

    @precondition(lambda self: self.lock != self.head)
    @rule()
    def commit_by_xver(self) -> None:
        self.steps += 1
        before, was_clean = dict(self.disk), self.is_clean
        commit(self.repo, f"by xver {self.steps}")
        self.arrive_at(copy.deepcopy(self.lock))
        self.is_cut = self.is_unstaged = False
        assert was_clean <= (self.picture() == before)

    @rule(name=st.sampled_from(BRANCHES))
    def switch(self, name: str) -> None:
        before, was_clean = dict(self.disk), self.is_clean
        is_there = not self.git("rev-parse", "-q", "--verify", name, check=False)[0]
        old = self.head
        code, _ = self.git("switch", "-q", *([name] if is_there else ["-c", name]), check=False)
        now = self.commits[self.moved()]
        if code:
            assert now == old
            assert self.lock != old or self.is_cut, "git refuses only where xver.lock is not HEAD's"
        # What was not committed goes along, if git lets it.
        self.follow(before, now if self.lock == old else self.lock, was_clean=was_clean)

    def lacks_ignore_file(self, *commits: str) -> bool:
        """Tell whether one of them has no .gitignore: git asks no driver where the others changed it."""
        return any(self.git("cat-file", "-e", f"{one}:.gitignore", check=False)[0] for one in commits)

    @precondition(lambda self: self.lock == self.head)
    @rule(gives_up=st.booleans(), name=st.sampled_from(BRANCHES))
    def merge(self, gives_up: bool, name: str) -> None:
        code, theirs = self.git("rev-parse", "-q", "--verify", name, check=False)
        if code or theirs == self.at:
            return
        bases = self.git("merge-base", "--all", self.at, theirs, check=False)[1].split()
        if len(bases) > 1:
            return  # git makes one of them, in which there may be conflicts
        before, was_clean = dict(self.disk), self.is_clean
        base, mine, other = {} if not bases else self.commits[bases[0]], self.head, self.commits[theirs]
        code, _ = self.git("merge", "-q", "--no-edit", name, check=False)
        if code and self.is_going_on("MERGE_HEAD"):
            assert is_conflict(base, mine, other) or self.lacks_ignore_file(self.at, theirs)
            if gives_up:
                self.git("merge", "--abort")
                self.follow(before, mine, was_clean=False)
                self.checkout()
                return
            code, _ = self.xver("merge", "--ours")
            if code:
                # Changes on the disk are in the way of it.
                self.git("merge", "--abort")
                self.follow(before, mine, was_clean=False)
                return
            self.git("commit", "-q", "--no-edit")
            merged = self.commits[self.moved()]
            for path, data in flat(mine).items():
                assert flat(merged).get(path, data) == data or flat(base).get(path) == data, path
        elif code:
            assert self.is_cut, "git refuses only where its index is not HEAD's"
            merged = mine
        else:
            merged = self.commits[self.moved()]
            assert not is_conflict(base, mine, other)
            assert flat(merged) == joined(base, mine, other)
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
        if self.git("revert", "--no-edit", "HEAD", check=False)[0]:
            assert self.is_cut, "git refuses only where its index is not HEAD's"
            return
        self.arrive_at(copy.deepcopy(self.version(parents)))
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
            self.is_cut = self.is_unstaged = False
        if how == "--mixed":
            self.git("add", "-u")
            if (self.root / ".gitignore").exists():
                self.git("add", ".gitignore")

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
        self.is_behind = self.is_unstaged = True
        (_, self.lock), self.stashed = self.stashed, None


def joined(base: Lock, ours: Lock, theirs: Lock) -> Files:
    """Return the files of two sides where one of them changed a path; where both did, what ours has."""
    was, mine, other = flat(base), flat(ours), flat(theirs)
    taken = {path: other.get(path) if mine.get(path) == was.get(path) else mine.get(path) for path in (*mine, *other)}
    # By lines nothing and something join, as in git.
    taken |= {path: other[path] for path in other if path not in was and mine.get(path) == b""}
    return {path: data for path, data in taken.items() if data is not None}


def is_conflict(base: Lock, ours: Lock, theirs: Lock) -> bool:
    """Tell whether both sides changed a path, or one removed what the other changed, or has a file for its folder."""
    for top in base:
        if len({top in ours, top in theirs}) == 2 and base[top] != {**ours, **theirs}[top]:
            return True
    was, mine, other = flat(base), flat(ours), flat(theirs)
    for path in {*was, *mine, *other}:
        one, two = mine.get(path), other.get(path)
        if len({was.get(path), one, two}) == 3 and not (path not in was and b"" in (one, two)):
            return True
    after = sorted(joined(base, ours, theirs))
    return any(overlaps(one, two) for at, one in enumerate(after) for two in after[at + 1 :])

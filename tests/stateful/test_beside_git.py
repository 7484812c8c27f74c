"""git's own gestures beside xver against a dictionary: the disk follows where nothing is lost by it, and no version is.

git commits, switches, merges, rebases, stashes, resets and reverts by itself, with xver's hooks and merge driver in
place. After each step `xver.lock` is what git made of it, fsck finds nothing, and every version that git can reach
agrees with the model.
"""

from __future__ import annotations

import copy
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.stateful.git_gestures import Gestures
from tests.stateful.work_tree import TOPS, below, contents, flat, paths
from tests.support.forking import forked_xver
from tests.support.trees import later
from xver.versioning.removing import remove


class Branched(Gestures):
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
    """Let git find xver, and nothing of this machine's configuration; what was just written counts as old."""
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
        with (
            mock.patch.dict(os.environ, {**kept, **who, **clean}, clear=True),
            pytest.MonkeyPatch.context() as patch,
            later(patch),
        ):
            yield
    shutil.rmtree(folder)


def run(machine: type[Gestures], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )


@pytest.mark.usefixtures("git_finds_xver")
def test_any_sequence_of_gestures() -> None:
    run(Branched, examples=6, steps=20)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("git_finds_xver")
def test_many_long_sequences_of_gestures() -> None:
    run(Branched, examples=100, steps=50)

"""A repository that evicts, pushes and collects against a dictionary: every version reads back, whatever was given up.

Each step is a call on a repository opened anew, as a new process would. The remote is collected as well, also of all
that its own branches forgot: what this clone gave up is kept there by its own refs.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.support.repos import SOMEBODY, collect_here, new_repo, read_tree, reopened
from xver.errors import NotFound
from xver.model.entries import Dataset, File
from xver.model.refs import EVICTED
from xver.repo import Repo
from xver.settings import Remote
from xver.store.content import read_content
from xver.store.listings import read_listing
from xver.store.store import Store
from xver.sync.elsewhere import read_through
from xver.sync.fetch import fetch_data
from xver.sync.pull import pull
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep.evict import evict, plan_eviction
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_of
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.restoring import checkout
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.versions import entries_at

ORIGIN = Remote("origin", "../remote")
PATHS = ("d/a", "d/s/b", "e/c")
Files = dict[str, bytes]

paths = st.sampled_from(PATHS)
contents = st.integers(0, 5).map(lambda n: b"%d" % n * (n * 40_000 + 1))
"""Up to 200,000 bytes, so that packs differ in size."""


class Evicting(RuleBasedStateMachine):
    """`disk` is what the work tree ought to hold, `versions` what each commit does; `at` is where HEAD is."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk: Files = {}
        self.lock: Files = {}
        self.versions: list[tuple[str, Files]] = []
        self.at = -1
        self.pushed = 0
        new_repo(self.folder / "work", remote=ORIGIN.url)

    @initialize(first=contents, second=contents)
    def begin(self, first: bytes, second: bytes) -> None:
        """Two versions that were pushed: from here on everything can happen."""
        for data in (first + b"1", second + b"2"):
            self.write("d/a", data)
            self.write("e/c", first)
            self.add()
            self.commit()
        self.push()

    @property
    def repo(self) -> Repo:
        return reopened(Repo(new_repo(self.folder / "work").places))

    @property
    def there(self) -> Store:
        return open_remote(self.repo, ORIGIN)

    @property
    def is_clean(self) -> bool:
        return self.at >= 0 and self.disk == self.lock == self.versions[self.at][1]

    @property
    def is_on_main(self) -> bool:
        return self.at == len(self.versions) - 1

    @rule(path=paths, data=contents)
    def write(self, path: str, data: bytes) -> None:
        target = self.folder / "work" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self.disk[path] = data

    @precondition(lambda self: self.disk)
    @rule()
    def add(self) -> None:
        add(self.repo, sorted({path[0] for path in self.disk}))
        self.lock = dict(self.disk)

    @precondition(lambda self: self.is_on_main and self.lock and (self.at < 0 or self.lock != self.versions[-1][1]))
    @rule()
    def commit(self) -> None:
        made = commit(self.repo, "a version", author=SOMEBODY)
        self.versions.append((made.id, dict(self.lock)))
        self.at += 1

    @precondition(lambda self: self.versions and self.is_on_main)
    @rule()
    def push(self) -> None:
        push(self.repo, ORIGIN)
        self.pushed = len(self.versions)

    @precondition(lambda self: self.pushed)
    @rule(chosen=st.sampled_from(("all", "d", "half")))
    def evict(self, chosen: str) -> None:
        repo, there = self.repo, self.there
        size = sum(repo.store.log.live_packs().values())
        planned = plan_eviction(
            repo, there, paths=("d",) if chosen == "d" else (), most=size // 2 if chosen == "half" else None
        )
        evict(repo, there, "origin", planned)
        assert sum(self.repo.store.log.live_packs().values()) <= size

    @precondition(lambda self: self.pushed and self.is_clean and self.is_on_main)
    @rule()
    def pull(self) -> None:
        pull(self.repo, ORIGIN)

    @precondition(lambda self: self.is_clean)
    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.versions) - 1))
        id = self.versions[at][0]
        name = "main" if at == len(self.versions) - 1 else id
        try:
            branches.switch(self.repo, name)
        except NotFound:
            assert at < self.pushed
            repo = self.repo
            fetch_data(repo, ORIGIN, entries_at(repo, id), there=self.there)
            branches.switch(repo, name)
        self.at = at
        self.disk = dict(self.versions[at][1])
        self.lock = dict(self.disk)

    @precondition(lambda self: self.disk and self.disk == self.lock)
    @rule(path=paths)
    def lose_a_file(self, path: str) -> None:
        if path not in self.disk:
            return
        (self.folder / "work" / path).unlink()
        repo = self.repo
        try:
            checkout(repo)
        except NotFound:
            fetch_data(repo, ORIGIN, repo.lock.entries, there=self.there)
            checkout(repo)

    @rule()
    def collect_here(self) -> None:
        collect_here(self.repo, NONE)

    @precondition(lambda self: self.pushed)
    @rule()
    def forget_and_collect_there(self) -> None:
        there = self.there
        if self.pushed == len(self.versions) and self.repo.store.promises.remotes():
            there.move("forget", {name: None for name in there.log.refs if not name.startswith(EVICTED)})
        collect(there, marks_of(there), NONE)
        if self.is_on_main:
            self.push()

    @rule()
    def look(self) -> None:
        assert read_tree(self.folder / "work") == self.disk
        repo = self.repo
        read_through(repo)
        for id, files in self.versions:
            found: Files = {}
            for top, entry in entries_at(repo, id).items():
                assert isinstance(entry, Dataset)
                for row in read_listing(repo.store, entry.id):
                    assert isinstance(row.entry, File)
                    data = b"".join(read_content(repo.store, row.entry.id, row.entry.size))
                    found[f"{top}/{row.path}"] = data
            assert found == files

    def teardown(self) -> None:
        try:
            self.look()
            assert not self.versions or status(self.repo).is_clean is self.is_clean
            assert check(self.repo).problems == ()
        finally:
            shutil.rmtree(self.folder)


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Evicting,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )


def test_any_sequence_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    run(examples=8, steps=25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_long_sequences_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    run(examples=300, steps=50)

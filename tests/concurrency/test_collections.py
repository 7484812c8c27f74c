"""Processes push to one bucket while others collect there, waiting for nobody: what was acknowledged is there, whole.

Each pusher replaces a file that it forgets at the remote later, so there is always something to take away.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import xver as xver_package
from tests.support.repos import new_repo, read_tree
from tests.support.servers import BUCKET, missing_seaweedfs, seaweedfs
from xver.history.graph import is_ancestor
from xver.model.ids import SnapshotId
from xver.model.refs import HEADS
from xver.repo import open_repo
from xver.settings import Remote, add_remote
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import open_remote_afresh
from xver.upkeep.fsck import EVERYTHING, check_remote
from xver.versioning.branches import switch

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(missing_seaweedfs() is not None, reason=str(missing_seaweedfs())),
]

BASE = {f"data/{n}": f"{n}\n".encode() * 50 for n in range(5)}
PUSHER = """
import random, sys
from pathlib import Path
from xver.cli.app import main
from xver.model.snapshots import Author
from xver.repo import open_repo
from xver.versioning.commits import commit
from xver.versioning.tracking import add

def run(*words, may_be=0):
    code = main(["-q", *words])
    if code not in (0, may_be):
        sys.exit(f"{words}: {code}")
    return code == 0

name, versions = sys.argv[1], int(sys.argv[2])
before = None
for n in range(versions):
    folder = Path("data", name)
    folder.mkdir(exist_ok=True)
    (folder / str(n)).write_bytes(random.Random(f"{name} {n}").randbytes(20_000))
    (folder / "passing").write_bytes(random.Random(f"{name} passing {n}").randbytes(60_000))
    repo = open_repo(Path.cwd())
    add(repo, ["data"])
    saved = commit(repo, "a version", author=Author("Ada", "ada@example.org")).id
    print("pushing", flush=True)
    while not run("push", may_be=7):
        run("pull")
        print("pushing", flush=True)
    print("pushed", saved, flush=True)
    if before is not None:
        while not run("forget", "--remote", "origin", before, may_be=7):
            print("again", flush=True)  # what a collection of the same moment asks for
    before = saved
"""
COLLECTOR = """
import sys
from xver.cli.app import main
for line in sys.stdin:
    code = main(["-q", "gc", "--remote", "origin", "--now"])
    if code not in (0, 7):
        sys.exit(code)
"""


@dataclass
class Pusher:
    """Somebody with a clone, who saves and pushes `versions` times; `pushed` are the commits that arrived."""

    name: str
    branch: str
    versions: int
    pushed: list[str] = field(default_factory=list)

    def files(self) -> dict[str, bytes]:
        """Return the files of its last version: one that each version left, and one that each replaced."""
        lasting = {f"data/{self.name}/{n}": noise(f"{self.name} {n}", 20_000) for n in range(self.versions)}
        return lasting | {f"data/{self.name}/passing": noise(f"{self.name} passing {self.versions - 1}", 60_000)}

    def work(self, root: Path, on_push: Callable[[], None]) -> None:
        """Push all of its versions; `on_push` is called ahead of each try."""
        with started(root / self.name, PUSHER, self.name, str(self.versions)) as process:
            assert process.stdout is not None
            for line in process.stdout:
                match line.split():
                    case [b"pushing"]:
                        on_push()
                    case [b"pushed", commit]:
                        self.pushed.append(commit.decode())
            _, errors = process.communicate()
            assert process.returncode == 0, errors.decode()


def noise(name: str, size: int) -> bytes:
    return random.Random(name).randbytes(size)


@contextmanager
def started(folder: Path, script: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(xver_package.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@contextmanager
def collecting(folder: Path, times: int) -> Iterator[Callable[[], None]]:
    """Run a process that collects at the remote so many times whenever the function is called, until the block ends."""
    with started(folder, COLLECTOR) as process:
        assert process.stdin is not None
        lock, stdin = threading.Lock(), process.stdin

        def again() -> None:
            with lock, contextlib.suppress(BrokenPipeError):  # its exit code tells of it
                stdin.write(b"\n" * times)
                stdin.flush()

        yield again
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()


def push_while_others_collect(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, own: int, one: int, versions: int, collections: int
) -> None:
    with seaweedfs(root / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        remote = Remote("origin", f"s3://{BUCKET}/prefix", server.endpoint_url)
        base = new_repo(root / "base", BASE)
        add_remote(base.settings_path, remote)
        push(open_repo(base.root), remote)
        pushers = [Pusher(f"own-{n}", f"own-{n}", versions) for n in range(own)]
        pushers += [Pusher(f"one-{n}", "main", versions) for n in range(one)]
        for name in (*(pusher.name for pusher in pushers), "collector-0", "collector-1"):
            shutil.copytree(base.root, root / name)
        for pusher in pushers[:own]:
            switch(open_repo(root / pusher.name), pusher.branch, new=True)
        with (
            collecting(root / "collector-0", collections) as first,
            collecting(root / "collector-1", collections) as second,
            ThreadPoolExecutor(len(pushers)) as pool,
        ):
            list(pool.map(lambda pusher: pusher.work(root, lambda: (first(), second())), pushers))
        is_whole(root, remote, pushers)


def is_whole(root: Path, remote: Remote, pushers: list[Pusher]) -> None:
    """The remote is what all that was acknowledged makes, and gives it back."""
    with open_remote_afresh(open_repo(root / "base"), remote) as there:
        assert there.log.verify() == []
        assert there.lost_packs() == {}
        assert any(entry.remove_packs for entry in there.log.entries())
        assert check_remote(there, sample=EVERYTHING).damage == ()
        for pusher in pushers:
            assert len(pusher.pushed) == pusher.versions
            head = SnapshotId(there.log.refs[HEADS + pusher.branch].id)
            assert all(is_ancestor(there, SnapshotId(bytes.fromhex(one)), head) for one in pusher.pushed)
    for branch in {pusher.branch for pusher in pushers}:
        expected = dict(BASE)
        for pusher in pushers:
            expected |= pusher.files() if pusher.branch == branch else {}
        clone(remote.url, root / f"copy-{branch}", endpoint_url=remote.endpoint_url, branch=branch)
        assert read_tree(root / f"copy-{branch}") == expected


@pytest.mark.timeout(300)
def test_what_was_pushed_while_others_collect_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push_while_others_collect(tmp_path, monkeypatch, own=1, one=2, versions=2, collections=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("own", "one"), [(10, 0), (0, 10)], ids=["ten branches", "one branch"])
def test_ten_push_while_others_collect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: int, one: int) -> None:
    push_while_others_collect(tmp_path, monkeypatch, own=own, one=one, versions=4, collections=3)

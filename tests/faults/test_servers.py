"""Pushes and collections that are killed against a real server, and a server that is killed beneath them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import xver as xver_package
from tests.support.repos import new_repo, read_tree, save
from tests.support.servers import BUCKET, LossyProxy, Restart, Server, frail_seaweedfs, missing_seaweedfs, s3_client
from xver.repo import Repo, open_repo
from xver.sync.arranging import set_url
from xver.sync.pull import clone
from xver.sync.remotes import open_remote_afresh
from xver.upkeep.fsck import EVERYTHING, check, check_remote

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(600),
    pytest.mark.skipif(missing_seaweedfs() is not None, reason=str(missing_seaweedfs())),
]

FILES = {f"data/{n:02}": random.Random(n).randbytes(20_000) for n in range(60)}
PACKS = 60 * 20_000 // 50_000
SMALL_PACKS = """
import sys, xver.store.packing as packing, xver.store.pack_writer as pack_writer
pack_writer.DATA_PACK_SIZE, packing._BATCH = 50_000, 10_000
from xver.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


class Place:
    """A repository whose remote is a prefix of a server's bucket."""

    def __init__(self, repo: Repo, server: Server, *, through: str | None = None) -> None:
        self.server = server
        self.client = s3_client(server)
        self.prefix = uuid.uuid4().hex
        self.repo = repo
        set_url(repo, "origin", f"s3://{BUCKET}/{self.prefix}", through or server.endpoint_url)
        self.remote = repo.settings.remotes["origin"]

    def start(self, *words: str, at: Path) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **self.server.environment,
            "PYTHONPATH": str(Path(xver_package.__file__).parents[1]),
        }
        return subprocess.Popen(
            [sys.executable, "-c", SMALL_PACKS, "-q", *words],
            cwd=at, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self, *words: str, at: Path) -> None:
        process = self.start(*words, at=at)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()

    def packs(self) -> int:
        return int(self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/packs/").get("KeyCount", 0))

    def when(self, process: subprocess.Popen[bytes], packs: int) -> bool:
        """Wait until so many packs are there; tell whether the process was still at work."""
        while process.poll() is None:
            if self.packs() >= packs:
                return process.poll() is None
            time.sleep(0.02)
        return False

    def objects(self) -> dict[str, bytes]:
        """Return everything below the prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        names = [one["Key"] for page in pages for one in page.get("Contents", ())]
        bodies = (self.client.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names)
        return dict(zip((name.partition("/")[2] for name in names), bodies, strict=True))

    def whole(self) -> set[str]:
        """What was pushed is there, to its last frame; return the live packs."""
        with open_remote_afresh(open_repo(self.repo.root), self.remote) as there:
            assert check_remote(there, sample=EVERYTHING).damage == ()
            return set(there.log.live_packs())


def new_place(root: Path, server: Server) -> Place:
    return Place(new_repo(root / "work", FILES, remote="to be set"), server)


def kill_pushes(tmp_path: Path, server: Server, seeds: range) -> int:
    killed = 0
    for seed in seeds:
        root = tmp_path / str(seed)
        place = new_place(root, server)
        process = place.start("push", at=place.repo.root)
        if place.when(process, random.Random(seed).randrange(PACKS)):
            process.kill()
            killed += 1
        process.communicate()
        assert check(Repo(place.repo.places)).damage == ()
        place.finish("push", at=place.repo.root)
        place.whole()
        place.client.close()
        print(f"push {seed}: {killed} killed")
    copy = clone(place.remote.url, tmp_path / "copy", endpoint_url=server.endpoint_url)
    assert read_tree(copy.root) == FILES
    return killed


def test_a_push_killed_at_seeded_moments(tmp_path: Path, seaweedfs: Server) -> None:
    assert kill_pushes(tmp_path, seaweedfs, range(3)) >= 1


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_a_push_killed_often(tmp_path: Path, seaweedfs: Server) -> None:
    assert kill_pushes(tmp_path, seaweedfs, range(100)) >= 50


GC = ("gc", "--remote", "origin", "--now")


class Nth:
    """Kills a process when the server gets its n-th request, before it acts on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._left = 0
        self.fired = False

    def aim(self, process: subprocess.Popen[bytes], n: int) -> None:
        with self._lock:
            self._process, self._left, self.fired = process, n, False

    def __call__(self, method: str, path: str) -> None:
        with self._lock:
            self._left -= 1
            if self._process is not None and self._left < 0 and not self.fired:
                self._process.kill()
                self.fired = True


def kill_collections(tmp_path: Path, server: Server, seeds: range) -> int:
    """Kill collections of a remote, most of whose first version nothing needs; return how many were still at work."""
    pristine = new_place(tmp_path, server)
    root = pristine.repo.root
    pristine.finish("push", at=root)
    first = pristine.repo.store.log.refs["heads/main"].id.hex()
    save(open_repo(root), {name: random.Random(name).randbytes(5_000) for name in list(FILES)[:40]})
    pristine.finish("push", at=root)
    pristine.finish("forget", "--remote", "origin", first, at=root)
    files, before = read_tree(root), pristine.objects()
    killed = 0
    trigger = Nth()
    with LossyProxy(server, trigger) as proxy:

        def copied(name: str) -> Place:
            """Copy the repository and its remote, with the proxy between them."""
            place = Place(open_repo(shutil.copytree(root, tmp_path / name)), server, through=proxy.endpoint_url)
            for key, body in before.items():
                place.client.put_object(Bucket=BUCKET, Key=f"{place.prefix}/{key}", Body=body)
            return place

        undisturbed = copied("undisturbed")
        proxy.seen.clear()
        undisturbed.finish(*GC, at=undisturbed.repo.root)
        requests = len(proxy.seen)
        undisturbed.client.close()
        for seed in seeds:
            place = copied(str(seed))
            process = place.start(*GC, at=place.repo.root)
            trigger.aim(process, random.Random(seed).randrange(requests))
            process.communicate(timeout=120)
            killed += trigger.fired
            place.whole()
            place.finish(*GC, at=place.repo.root)
            live = place.whole()
            left = place.objects()
            assert {key for key in left if key.startswith("packs/")} == live
            assert sum(map(len, left.values())) < sum(map(len, before.values())) / 2
            copy = clone(place.remote.url, tmp_path / f"{seed}-copy", endpoint_url=proxy.endpoint_url)
            assert read_tree(copy.root) == files
            place.client.close()
            for folder in (place.repo.root, copy.root):
                shutil.rmtree(folder)
            print(f"gc {seed}: {killed} killed")
    pristine.client.close()
    return killed


def test_a_collection_killed_at_seeded_moments(tmp_path: Path, seaweedfs: Server) -> None:
    assert kill_collections(tmp_path, seaweedfs, range(2)) >= 1


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_a_collection_killed_often(tmp_path: Path, seaweedfs: Server) -> None:
    assert kill_collections(tmp_path, seaweedfs, range(100)) >= 50


@pytest.fixture
def frail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Restart]]:
    with frail_seaweedfs(tmp_path / "server") as (server, restart):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server, restart


def test_the_server_is_killed_and_comes_back_beneath_a_push_and_a_clone(
    tmp_path: Path, frail: tuple[Server, Restart]
) -> None:
    server, restart = frail
    place = new_place(tmp_path, server)
    process = place.start("push", at=place.repo.root)
    assert place.when(process, 3)
    restart.kill()
    # Whether it waits until the server is back or gives up first, it never ends in a bug or with half a push.
    restart.start()
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, 13), errors.decode()
    assert b"Traceback" not in errors
    place.finish("push", "--verify", at=place.repo.root)

    copy = tmp_path / "cloned"
    process = place.start("clone", place.remote.url, str(copy), "--endpoint-url", server.endpoint_url, at=tmp_path)
    while process.poll() is None and not list(copy.glob(".xver/store/log/*")):
        time.sleep(0.005)
    restart.kill()
    restart.start()
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, 13), errors.decode()
    if process.returncode and copy.exists():
        place.finish("pull", at=copy)
    elif process.returncode:
        place.finish("clone", place.remote.url, str(copy), "--endpoint-url", server.endpoint_url, at=tmp_path)
    assert read_tree(copy) == FILES
    place.whole()
    place.client.close()


def test_a_server_that_stays_away_is_told_as_such(tmp_path: Path, frail: tuple[Server, Restart]) -> None:
    server, restart = frail
    place = new_place(tmp_path, server)
    restart.kill()
    process = place.start("push", at=place.repo.root)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 13, errors.decode()
    assert errors.startswith(b"error: ")
    assert b"hint: " in errors
    restart.start()
    place.finish("push", "--verify", at=place.repo.root)
    place.client.close()

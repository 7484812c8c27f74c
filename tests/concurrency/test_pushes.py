"""Two clones push to one branch at once: one wins, the other is told what to do, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import xver
from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, save, write_tree
from xver.cli.app import main
from xver.errors import Conflict
from xver.model.refs import HEADS, SNAPSHOTS
from xver.repo import Repo, init_repo, open_repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.store.store import Store, open_store
from xver.sync import remotes
from xver.sync.pull import clone, pull
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning.branches import switch
from xver.versioning.tracking import add

BASE = {f"data/{n}": f"{n}\n".encode() * 50 for n in range(20)}
ORIGIN = Remote("origin", "../remote")


class Gates:
    """Lets all writers come to the creation of a log entry before any may go on; then the gate stays open."""

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties, timeout=60)
        self._lock = threading.Lock()
        self._left = parties

    def before(self, method: str, key: str) -> None:
        if method == "create" and key.startswith("log/"):
            with self._lock:
                self._left -= 1
                waits = self._left >= 0
            if waits:
                self._barrier.wait()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let that many pushes meet at the creation of the same log entry."""

    def gate(parties: int) -> None:
        gates = Gates(parties)

        def located(url: str, *, base: Path, endpoint_url: str | None = None) -> Storage:
            return FaultyStorage(locate(url, base=base, endpoint_url=endpoint_url), before=gates.before)

        monkeypatch.setattr(remotes, "locate", located)

    return gate


def attempt(repo: Repo) -> Conflict | None:
    try:
        push(repo, ORIGIN)
    except Conflict as error:
        return error
    return None


def race(repos: list[Repo]) -> list[Conflict | None]:
    with ThreadPoolExecutor(len(repos)) as pool:
        return list(pool.map(attempt, repos))


def remote_store(root: Path) -> Store:
    there = open_store(LocalStorage(root / "remote"), client="test")
    assert there.log.verify() == []
    assert there.lost_packs() == {}
    return there


def test_outside_git_the_loser_merges_and_pushes(tmp_path: Path, at_once: Callable[[int], None]) -> None:
    push(new_repo(tmp_path / "one", BASE, remote="../remote"), ORIGIN)
    clone(str(tmp_path / "remote"), tmp_path / "two")
    repos = [open_repo(tmp_path / name) for name in ("one", "two")]
    save(repos[0], {"data/0": b"changed by one", "data/new-one": b"1"})
    save(repos[1], {"data/19": b"changed by two", "data/new-two": b"2"})
    at_once(2)
    answers = race(repos)
    assert [answer is None for answer in answers].count(True) == 1
    loser = answers.index(next(answer for answer in answers if answer is not None))
    refusal = answers[loser]
    assert refusal is not None
    assert refusal.hint == "xver pull, then xver push again"
    assert remote_store(tmp_path).log.refs[HEADS + "main"] == repos[1 - loser].store.log.refs[HEADS + "main"]

    again = open_repo(repos[loser].root)
    assert pull(again, ORIGIN).merged == "merge"
    push(again, ORIGIN)
    both = BASE | {"data/0": b"changed by one", "data/19": b"changed by two"}
    both |= {"data/new-one": b"1", "data/new-two": b"2"}
    assert read_tree(again.root) == both
    clone(str(tmp_path / "remote"), tmp_path / "three")
    assert read_tree(tmp_path / "three") == both
    assert check(open_repo(tmp_path / "three")).problems == ()


def test_the_same_head_pushed_twice_at_once_is_no_conflict(tmp_path: Path, at_once: Callable[[int], None]) -> None:
    push(new_repo(tmp_path / "one", BASE, remote="../remote"), ORIGIN)
    repo = open_repo(tmp_path / "one")
    save(repo, {"data/0": b"changed"})
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    at_once(2)
    assert race([repo, open_repo(tmp_path / "two")]) == [None, None]
    assert remote_store(tmp_path).log.refs[HEADS + "main"] == repo.store.log.refs[HEADS + "main"]


def test_one_that_is_ahead_of_the_winner_still_goes_forward(tmp_path: Path, at_once: Callable[[int], None]) -> None:
    push(new_repo(tmp_path / "one", BASE, remote="../remote"), ORIGIN)
    repo = open_repo(tmp_path / "one")
    save(repo, {"data/0": b"changed"})
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    ahead = open_repo(tmp_path / "two")
    save(ahead, {"data/0": b"changed again"})
    at_once(2)
    answers = race([repo, ahead])
    # If the one ahead came first the other is behind; either way nothing goes back.
    assert answers[1] is None
    assert remote_store(tmp_path).log.refs[HEADS + "main"] == ahead.store.log.refs[HEADS + "main"]


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def git_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def git_save(repo: Repo, files: dict[str, bytes]) -> str:
    write_tree(repo.root, files)
    add(repo, sorted({name.partition("/")[0] for name in files}))
    git(repo.root, "add", "xver.lock", "xver.toml", ".gitignore")
    git(repo.root, "commit", "-q", "-m", "a version")
    return git(repo.root, "rev-parse", "HEAD")


def git_world(root: Path) -> tuple[Repo, Repo]:
    """Return two git clones of one repository, whose data is at `remote`."""
    git(root, "init", "-q", "-b", "main", "one")
    one, _ = init_repo(root / "one")
    (root / "one" / "xver.toml").write_text('[remotes.origin]\nurl = "../remote"\n')
    git_save(one, BASE)
    push(one, ORIGIN)
    git(root, "clone", "-q", "one", "two")
    return one, open_repo(root / "two")


@pytest.mark.usefixtures("git_user")
def test_in_git_the_loser_is_told_to_pull_with_git_and_is_registered(
    tmp_path: Path, at_once: Callable[[int], None]
) -> None:
    one, two = git_world(tmp_path)
    pull(two, ORIGIN)
    assert read_tree(two.root) == BASE
    heads = [git_save(one, {"data/0": b"by one"}), git_save(two, {"data/1": b"by two"})]
    at_once(2)
    answers = race([one, two])
    loser = answers.index(next(answer for answer in answers if answer is not None))
    refusal = answers[loser]
    assert answers[1 - loser] is None
    assert refusal is not None
    assert refusal.hint == "git pull, then xver push again"
    there = remote_store(tmp_path)
    assert {SNAPSHOTS + head for head in heads} <= there.log.refs.keys()
    assert there.log.refs[HEADS + "main"] == there.log.refs[SNAPSHOTS + heads[1 - loser]]
    for repo in (one, two):
        assert check(open_repo(repo.root)).problems == ()


@pytest.mark.usefixtures("git_user")
def test_after_git_pull_alone_a_push_goes_forward_and_the_store_is_whole(tmp_path: Path) -> None:
    one, two = git_world(tmp_path)
    git_save(one, {"data/0": b"by one"})
    push(one, ORIGIN)
    git(two.root, "pull", "-q")
    head = git_save(two, {"other/x": b"by two"})
    push(open_repo(two.root), ORIGIN)
    there = remote_store(tmp_path)
    assert there.log.refs[HEADS + "main"] == there.log.refs[SNAPSHOTS + head]
    assert check(open_repo(two.root)).problems == ()
    clone(str(tmp_path / "remote"), tmp_path / "three")
    assert read_tree(tmp_path / "three") == BASE | {"data/0": b"by one", "other/x": b"by two"}


@pytest.mark.usefixtures("git_user")
def test_two_adds_at_once_in_two_worktrees_of_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = git_world(tmp_path)
    git(one.root, "worktree", "add", "-q", str(tmp_path / "linked"))
    linked = open_repo(tmp_path / "linked")
    assert linked.storage.url == one.storage.url
    pull(linked, ORIGIN)
    mine = {"data/0": b"one's", "data/same": b"both" * 30_000}
    theirs = {"data/1": b"linked's", "data/same": b"both" * 30_000}
    write_tree(one.root, mine)
    write_tree(linked.root, theirs)
    gates = Gates(2)
    repos = [open_repo(one.root), open_repo(linked.root)]
    for repo in repos:
        repo.storage = FaultyStorage(repo.storage, before=gates.before)  # type: ignore[assignment]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda repo: add(repo, ["data"]), repos))
    for root, files in ((one.root, mine), (linked.root, theirs)):
        repo = open_repo(root)
        assert repo.store.log.refs[repo.lock_ref] is not None
        assert check(repo).problems == ()
        shutil.rmtree(root / "data")
        monkeypatch.chdir(root)
        assert main(["checkout"]) == 0
        assert read_tree(root) == BASE | files


def test_six_processes_push_different_branches_at_once(tmp_path: Path) -> None:
    push(new_repo(tmp_path / "base", BASE, remote="../remote"), ORIGIN)
    for n in range(6):
        shutil.copytree(tmp_path / "base", tmp_path / f"clone-{n}")
        repo = open_repo(tmp_path / f"clone-{n}")
        switch(repo, f"branch-{n}", new=True)
        save(repo, {f"data/of-{n}": str(n).encode() * 5000, "data/common": b"common" * 9000})
    environment = {**os.environ, "PYTHONPATH": str(Path(xver.__file__).parents[1])}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "xver", "push"],
            cwd=tmp_path / f"clone-{n}",
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for n in range(6)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    there = remote_store(tmp_path)
    for n in range(6):
        expected = open_repo(tmp_path / f"clone-{n}").store.log.refs[f"{HEADS}branch-{n}"]
        assert there.log.refs[f"{HEADS}branch-{n}"] == expected
        clone(str(tmp_path / "remote"), tmp_path / "copy", branch=f"branch-{n}")
        assert read_tree(tmp_path / "copy") == BASE | {
            f"data/of-{n}": str(n).encode() * 5000,
            "data/common": b"common" * 9000,
        }
        shutil.rmtree(tmp_path / "copy")

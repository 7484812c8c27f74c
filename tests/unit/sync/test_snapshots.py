"""The snapshots of git's commits: everybody derives the same, and what a shallow clone cannot know is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import write_tree
from tests.unit.sync.sides import ORIGIN
from xver.errors import ContentNotFound, InvalidInput
from xver.history.graph import history, read_snapshot
from xver.model.ids import SnapshotId
from xver.model.refs import SNAPSHOTS
from xver.repo import Repo, init_repo, open_repo
from xver.store.log import Change
from xver.sync.pull import pull
from xver.sync.push import push
from xver.sync.snapshots import Derived, derive
from xver.upkeep.fsck import check
from xver.versioning.tracking import add


@pytest.fixture(autouse=True)
def git_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def save(repo: Repo, name: str, data: bytes) -> str:
    write_tree(repo.root, {name: data})
    if name.startswith("data/"):
        add(repo, ["data"])
    git(repo.root, "add", "-A")
    git(repo.root, "commit", "-q", "-m", f"{name} changes")
    return git(repo.root, "rev-parse", "HEAD")


@pytest.fixture
def one(tmp_path: Path) -> Repo:
    """Return a repository with four commits: data, code, data, code."""
    git(tmp_path, "init", "-q", "-b", "main", "one")
    repo, _ = init_repo(tmp_path / "one")
    (repo.root / "xver.toml").write_text('[remotes.origin]\nurl = "../remote"\n')
    for name, data in (("data/a", b"1"), ("code.py", b"1"), ("data/a", b"2"), ("code.py", b"2")):
        save(repo, name, data)
    return repo


def derived(repo: Repo) -> Derived:
    assert repo.git is not None
    with repo.store.packer() as packer:
        found = derive(repo.git, "HEAD", known={}, packer=packer)
        index = packer.finish()
    if index is not None:
        repo.store.move("derive", {}, index)
    return found


def test_only_commits_that_changed_data_have_one_and_parents_skip_the_rest(one: Repo) -> None:
    found = derived(one)
    assert found.head is not None
    line = list(history(one.store, found.head))
    assert [snapshot.message.strip() for _, snapshot in line] == ["data/a changes", "data/a changes"]
    assert line[0][1].parents == (line[1][0],)
    assert {snapshot.git for _, snapshot in line} == set(found.by_commit)
    assert set(found.new) == set(found.by_commit)


def test_everybody_derives_the_same(one: Repo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "one", "two")
    assert derived(open_repo(tmp_path / "two")).by_commit == derived(one).by_commit


def test_a_clone_that_pushes_without_ever_having_pulled_has_a_whole_store(one: Repo, tmp_path: Path) -> None:
    push(one, ORIGIN)
    git(tmp_path, "clone", "-q", "one", "two")
    two = open_repo(tmp_path / "two")
    push(two, ORIGIN)
    assert check(open_repo(two.root)).problems == ()
    head = two.store.log.refs[SNAPSHOTS + git(one.root, "rev-list", "-1", "HEAD", "--", "xver.lock")]
    assert read_snapshot(two.store, SnapshotId(head.id)).parents
    pull(two, ORIGIN)
    assert (two.root / "data" / "a").read_bytes() == b"2"


@pytest.mark.parametrize("at", [1, 2])
def test_a_collection_here_while_a_push_derives_costs_a_repetition(one: Repo, tmp_path: Path, at: int) -> None:
    """First the metadata that others pushed become live, then our own commit's snapshot."""
    push(one, ORIGIN)
    git(tmp_path, "clone", "-q", "one", "two")
    two = open_repo(tmp_path / "two")
    save(two, "data/b", b"ours")
    entries: list[str] = []

    def collect(method: str, key: str) -> None:
        if method == "create" and key.startswith("log/"):
            entries.append(key)
            if len(entries) == at:
                other = open_repo(two.root).store
                other.commit(Change("something else"))
                other.commit(Change("gc", fence=other.log.n))

    two = open_repo(two.root)
    two.storage = FaultyStorage(two.storage, before=collect)  # type: ignore[assignment]
    pushed = push(two, ORIGIN)
    assert len(entries) >= 3
    assert pushed.branch == "main"
    assert check(open_repo(two.root)).problems == ()
    git(tmp_path, "clone", "-q", "two", "three")
    pull(open_repo(tmp_path / "three"), ORIGIN)
    assert (tmp_path / "three" / "data" / "b").read_bytes() == b"ours"


def test_data_that_nobody_pushed_is_named_and_nothing_is_registered(one: Repo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "one", "two")
    two = open_repo(tmp_path / "two")
    with pytest.raises(ContentNotFound) as caught:
        push(two, ORIGIN)
    assert "data was not pushed" in str(caught.value.hint)
    assert not [name for name in two.store.log.refs if name.startswith(SNAPSHOTS)]
    assert check(open_repo(two.root)).problems == ()


def test_a_shallow_clone_is_refused_where_it_cannot_know_and_works_where_the_remote_does(
    one: Repo, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{tmp_path}/one", "shallow")
    shallow = open_repo(tmp_path / "shallow")
    with pytest.raises(InvalidInput, match="shallow"):
        push(shallow, ORIGIN)
    push(one, ORIGIN)
    push(open_repo(shallow.root), ORIGIN)

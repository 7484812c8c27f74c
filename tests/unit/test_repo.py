"""Where a repository is found, what it makes, and that one command at a time works in it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.repos import reopened, save, write_tree
from tests.support.trees import posix
from tests.unit.git.repository import Repository
from xver.errors import InvalidInput, Locked, RepositoryNotFound
from xver.repo import Repo, init_repo, open_repo
from xver.versioning.logs import log
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.worktree.stat_index import StatIndex


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    (tmp_path / "r").mkdir()
    return init_repo(tmp_path / "r")[0]


def test_from_any_folder_below(repo: Repo) -> None:
    (repo.root / "a" / "b").mkdir(parents=True)
    assert open_repo(repo.root / "a" / "b").root == repo.root


def test_none(tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFound) as caught:
        open_repo(tmp_path)
    assert caught.value.hint == "xver init"


def test_init_again_changes_nothing(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    before = {path: path.read_bytes() for path in repo.root.rglob("*") if path.is_file()}
    assert init_repo(repo.root)[1] is False
    assert {path: path.read_bytes() for path in repo.root.rglob("*") if path.is_file()} == before


def test_beside_git_the_store_is_in_git_s_folder_shared_by_worktrees(tmp_path: Path) -> None:
    git = Repository(tmp_path / "main")
    (git.root / "sub").mkdir()
    repo, is_new = init_repo(git.root / "sub")
    assert (is_new, repo.root) == (True, git.root)
    assert sorted(os.listdir(git.root)) == [".git", "sub", "xver.lock", "xver.toml"]
    git.run("add", ".")
    git.run("-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x")
    git.run("worktree", "add", "-q", str(tmp_path / "linked"))
    linked = open_repo(tmp_path / "linked")
    assert linked.places.shared == repo.places.shared
    assert linked.places.own != repo.places.own
    assert linked.lock_ref != repo.lock_ref


def test_a_clone_made_by_git_gets_a_store_of_the_same_repository(tmp_path: Path) -> None:
    git = Repository(tmp_path / "main")
    repo, _ = init_repo(git.root)
    git.run("add", ".")
    git.run("-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x")
    git.run("clone", "-q", str(git.root), str(tmp_path / "clone"))
    assert open_repo(tmp_path / "clone").store.repository == repo.store.repository


def test_settings_alone_make_no_repository(tmp_path: Path) -> None:
    git = Repository(tmp_path / "main")
    git.write("xver.toml", "")
    with pytest.raises(RepositoryNotFound, match=r"no store and no xver\.lock"):
        _ = open_repo(git.root).store


def test_git_that_comes_later_does_not_hide_the_history(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    git = Repository(repo.root)
    found = open_repo(repo.root)
    assert found.git is None
    assert [one.title for one in log(found)] == ["a version"]
    assert init_repo(repo.root)[1] is False
    assert open_repo(repo.root).git is None
    assert not [name for name in git.run("ls-files", "-o", "--exclude-standard").split("\n") if ".xver" in name]


def test_a_repository_inside_another_is_its_own(repo: Repo) -> None:
    (repo.root / "in").mkdir()
    inner, is_new = init_repo(repo.root / "in")
    assert (is_new, inner.root) == (True, repo.root / "in")
    assert inner.store.repository != repo.store.repository


def test_a_lock_that_says_so_already_is_not_written(repo: Repo) -> None:
    before = repo.lock_path.stat()
    repo.write_lock(repo.lock)
    assert repo.lock_path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("text", [None, "", "short", "zz" * 8])
def test_the_work_tree_s_name_is_made_anew_where_it_is_damaged(repo: Repo, text: str | None) -> None:
    path = repo.places.own / "worktree"
    path.unlink(missing_ok=True) if text is None else path.write_text(text, encoding="ascii")
    made = repo.lock_ref
    assert len(made) == len("lock/") + 16
    assert reopened(repo).lock_ref == made


@pytest.mark.parametrize(
    ("word", "start", "path"),
    [("a", "", "a"), ("a/", "", "a"), (".", "", ""), ("..", "s", ""), ("../a", "s", "a"), ("./a/./b/..", "s", "s/a")],
)
def test_paths_as_they_are_typed(repo: Repo, word: str, start: str, path: str) -> None:
    assert repo.relative(word, start=repo.root / start) == path
    assert repo.relative(repo.root / start / word, start=Path("/")) == path


@posix
def test_a_way_to_the_root_over_a_link(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(repo.root)
    (repo.root / "link").symlink_to("/etc")
    assert repo.relative(tmp_path / "short" / "d", start=repo.root) == "d"
    assert repo.relative("link", start=repo.root) == "link"


@pytest.mark.parametrize("word", ["..", "../x", "/", "../r2", ""])
def test_paths_outside(repo: Repo, word: str) -> None:
    with pytest.raises(InvalidInput):
        repo.relative(word, start=repo.root)


HOLDER = """
import sys
from xver.repo import open_repo
with open_repo(sys.argv[1]).held():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_holds_it(repo: Repo) -> None:
    waits: list[str] = []
    repo.on_wait = waits.append
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(repo.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(Locked, match=f"in use by pid {other.pid} on .* since more than 0.05 s"),
            repo.held(timeout=0.05),
        ):
            pytest.fail("two hold it")
        assert [wait.split(" on ")[0] for wait in waits] == [f"pid {other.pid}"]
        other.kill()
    with repo.held(timeout=30):
        assert (repo.places.own / "lock-holder").read_text().startswith(f"pid {os.getpid()} on ")


def test_two_threads_with_repositories_of_their_own(repo: Repo) -> None:
    write_tree(repo.root, {f"d{number}/a": b"1" for number in range(6)})
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: add(open_repo(repo.root), [f"d{number}"]), range(6)))
    assert list(repo.lock.entries) == [f"d{number}" for number in range(6)]
    assert status(reopened(repo)).changed == {}


def test_held_within_held_is_one(repo: Repo) -> None:
    with repo.held(), repo.held(timeout=0):
        pass
    with pytest.raises(ZeroDivisionError), repo.held():
        _ = 1 / 0
    with reopened(repo).held(timeout=0):
        pass


def test_what_another_wrote_while_we_waited_is_read(repo: Repo) -> None:
    _ = repo.stat_index, repo.ignore, repo.store
    save(reopened(repo), {"d/a": b"1"})
    (repo.root / ".xverignore").write_text("*.log\n", encoding="utf-8")
    write_tree(repo.root, {"d/x.log": b"", "e/b": b"1"})
    add(repo, ["e"])
    assert StatIndex(repo.places.own / "stat-index").paths() == ["d", "e"]
    add(repo, ["d"])
    assert status(repo).changed == {}


def test_looking_does_not_overwrite_what_a_command_wrote_meanwhile(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    looker = reopened(repo)
    _ = looker.stat_index
    save(repo, {"e/a": b"1"})
    status(looker)
    assert StatIndex(repo.places.own / "stat-index").paths() == ["d", "e"]


def test_looking_waits_for_nobody(repo: Repo) -> None:
    save(repo, {"d/a": b"1"})
    (repo.places.own / "stat-index").unlink()
    with reopened(repo).held():
        assert status(repo).is_clean
    assert not (repo.places.own / "stat-index").exists()
    assert status(reopened(repo)).is_clean
    assert (repo.places.own / "stat-index").exists()

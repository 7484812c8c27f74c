"""What git-lfs keeps, adopted: the same files at every commit, nothing copied, its store left alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.adopted import LFS_REVISIONS, git, pointed, state_of, taken
from tests.support.repos import reopened
from xver.errors import CorruptData, InvalidInput
from xver.intake.adopting import adopt
from xver.intake.lfs import Lfs
from xver.repo import Repo, init_repo
from xver.versioning.logs import log
from xver.versioning.undoing import undo

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def made_by_lfs(root: Path) -> list[dict[str, str]]:
    """Make the same with git-lfs itself; return the SHA-256 of each file that it checks out at each commit."""
    root.mkdir()
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(root.parent / "gitconfig"), "GIT_LFS_SKIP_SMUDGE": "0"}
    environment |= {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "a@example.org"}
    environment |= {"GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "a@example.org"}

    def run(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    run("init", "-q", "-b", "main")
    run("lfs", "install", "--local", "--skip-repo")
    run("lfs", "track", "*.bin")
    for change in LFS_REVISIONS:
        for name, data in change.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(data)
        run("add", "-A")
        run("commit", "-qm", "a revision")
    said = []
    for commit in run("rev-list", "--reverse", "main").split():
        run("checkout", "-q", commit)
        files = sorted(root.rglob("*.bin"))
        said.append({one.relative_to(root).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest() for one in files})
    run("checkout", "-q", "main")
    return said


def lfs(repo: Repo) -> Lfs:
    assert repo.git is not None
    return Lfs(repo.git)


def test_every_commit_has_the_files_and_the_store_is_left_alone(tmp_path: Path) -> None:
    said = pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    before = state_of(repo.root / ".git" / "lfs")
    done = adopt(repo, lfs(repo), history="HEAD")
    assert (done.versions, done.left) == (3, ())
    assert taken(repo) == said
    assert sum(one.size for one in repo.storage.list("packs/") if one.key.endswith(".data")) < 10_000
    assert state_of(repo.root / ".git" / "lfs") == before


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs on the PATH")
def test_every_commit_has_the_files_that_git_lfs_checks_out(tmp_path: Path) -> None:
    said = made_by_lfs(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    adopt(repo, lfs(repo), history="HEAD")
    assert taken(repo) == said


def test_the_next_commit_has_the_paths_in_the_lock_and_not_in_git(tmp_path: Path) -> None:
    pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    adopt(repo, lfs(repo), history="HEAD")
    git(repo.root, "commit", "-qm", "adopted")
    names = git(repo.root, "ls-files").splitlines()
    assert "code.py" in names
    assert "xver.lock" in names
    assert not [name for name in names if name.endswith(".bin")]
    assert sorted(repo.lock.entries) == ["a.bin", "big.bin", "sub/c d.bin"]
    assert [one.title for one in log(repo)] == ["adopted", "revision 3", "revision 2", "revision 1"]


def test_undone_git_has_the_paths_again(tmp_path: Path) -> None:
    pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    git(repo.root, "add", "xver.lock", "xver.toml")
    git(repo.root, "commit", "-qm", "xver")
    before = git(repo.root, "ls-files", "--stage"), git(repo.root, "status", "--short")
    adopt(repo, lfs(repo))
    assert "D  a.bin" in git(repo.root, "status", "--short")
    undo(repo)
    assert (git(repo.root, "ls-files", "--stage"), git(repo.root, "status", "--short")) == before
    assert repo.lock.entries == {}


def test_what_the_store_lacks_is_left_in_git(tmp_path: Path) -> None:
    pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    oid = hashlib.sha256(b"second").hexdigest()
    (repo.root / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).unlink()
    done = adopt(repo, lfs(repo))
    assert [line.partition(" ")[0] for line in done.left] == ["a.bin"]
    assert "a.bin" in git(repo.root, "ls-files").splitlines()


def test_a_store_that_lies_is_refused(tmp_path: Path) -> None:
    pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    oid = hashlib.sha256(b"second").hexdigest()
    (repo.root / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid).write_bytes(b"third!")
    with pytest.raises(CorruptData, match="has not the bytes"):
        adopt(repo, lfs(repo))


def test_what_was_read_before_it_failed_is_not_read_again(tmp_path: Path) -> None:
    pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    oid = hashlib.sha256(b"new").hexdigest()
    held = repo.root / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    held.write_bytes(b"lie")
    with pytest.raises(CorruptData, match="has not the bytes"):
        adopt(repo, lfs(repo))
    held.write_bytes(b"new")
    done = adopt(repo, lfs(repo))
    assert (len(done.entries), done.files) == (3, 1)


def test_when_it_fails_half_way_git_keeps_the_paths_and_it_is_undone(tmp_path: Path) -> None:
    pointed(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    before = git(repo.root, "ls-files", "--stage", "--", "*.bin")
    # A line of a block that is not whole: what is tracked cannot be written into .gitignore.
    (repo.root / ".gitignore").write_text("# >>> xver: data tracked by xver, not by git\n/a.bin\n")
    with pytest.raises(InvalidInput):
        adopt(repo, lfs(repo))
    assert git(repo.root, "ls-files", "--stage", "--", "*.bin") == before
    (repo.root / ".gitignore").unlink()
    undo(reopened(repo))
    assert reopened(repo).lock.entries == {}


def test_a_repository_without_git_lfs_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    repo, _ = init_repo(tmp_path)
    with pytest.raises(InvalidInput, match="no store of git-lfs"):
        lfs(repo)

"""What git can reach is kept by a collection, whichever work tree names it; what git let go of is not."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.support.repos import collect_here, reopened, write_tree
from xver.model.ids import chunk_id
from xver.repo import Repo, init_repo, open_repo
from xver.upkeep.gc import NONE
from xver.versioning.tracking import add


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(200_000)


@contextmanager
def index_in_use(tree: Path) -> Iterator[None]:
    """Let another command of git have the index of a work tree: an `add` leaves what is staged there as it is."""
    where = subprocess.run(
        ["git", "rev-parse", "--git-path", "index.lock"], cwd=tree, check=True, capture_output=True, encoding="utf-8"
    )
    lock = tree / where.stdout.strip()
    lock.touch(exist_ok=False)
    try:
        yield
    finally:
        lock.unlink()


class TestGit:
    @pytest.fixture
    def git_repo(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            monkeypatch.delenv(name)
        for who in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
            monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "r")], check=True)
        return init_repo(tmp_path / "r")[0]

    def git(self, repo: Repo, *words: str) -> None:
        subprocess.run(["git", *words], cwd=repo.root, check=True, capture_output=True)

    def version(self, repo: Repo, seed: int) -> bytes:
        data = noise(seed)
        write_tree(repo.root, {"data/x": data})
        add(reopened(repo), ["data"])
        self.git(repo, "add", "xver.lock", "xver.toml", ".gitignore")
        return data

    def commit(self, repo: Repo, seed: int) -> bytes:
        data = self.version(repo, seed)
        self.git(repo, "commit", "-q", "-m", f"version {seed}")
        return data

    @pytest.mark.parametrize(
        "place",
        [
            *("reset", "branch", "merged away", "stash", "autostash", "staged", "worktree", "tag", "amended"),
            *("bisect", "linked ref", "linked ORIG_HEAD", "pick to come", "staged away"),
        ],
    )
    def test_whatever_git_can_reach_is_kept(self, git_repo: Repo, place: str) -> None:
        self.commit(git_repo, 1)
        match place:
            case "reset":
                data = self.commit(git_repo, 2)
                self.git(git_repo, "reset", "-q", "--hard", "HEAD~1")
            case "branch":
                self.git(git_repo, "switch", "-q", "-c", "other")
                data = self.commit(git_repo, 2)
                self.git(git_repo, "switch", "-q", "main")
            case "merged away":
                self.git(git_repo, "switch", "-q", "-c", "other")
                data = self.commit(git_repo, 2)
                self.git(git_repo, "switch", "-q", "main")
                self.git(git_repo, "commit", "-q", "--allow-empty", "-m", "ours")
                self.git(git_repo, "merge", "-q", "-s", "ours", "other")
                self.git(git_repo, "branch", "-q", "-D", "other")
            case "stash":
                data = self.version(git_repo, 2)
                self.git(git_repo, "stash", "-q")
            case "autostash":
                self.git(git_repo, "branch", "other")
                for branch in ("other", "main"):
                    self.git(git_repo, "switch", "-q", branch)
                    write_tree(git_repo.root, {"text": branch.encode()})
                    self.git(git_repo, "add", "text")
                    self.git(git_repo, "commit", "-q", "-m", branch)
                data = self.version(git_repo, 2)
                with pytest.raises(subprocess.CalledProcessError):
                    self.git(git_repo, "merge", "-q", "--autostash", "other")
            case "staged":
                data = self.version(git_repo, 2)
                self.git(git_repo, "checkout", "-q", "HEAD~0")
            case "worktree":
                self.git(git_repo, "worktree", "add", "-q", str(git_repo.root.parent / "linked"))
                linked = open_repo(git_repo.root.parent / "linked")
                data = noise(2)
                write_tree(linked.root, {"data/x": data})
                add(linked, ["data"])
            case "tag":
                data = self.commit(git_repo, 2)
                self.git(git_repo, "tag", "-a", "v1", "-m", "it")
                self.git(git_repo, "reset", "-q", "--hard", "HEAD~1")
                self.git(git_repo, "reflog", "expire", "--expire=now", "--all")
            case "bisect" | "linked ref" | "linked ORIG_HEAD" | "pick to come" | "staged away":
                data = self.in_a_tree(git_repo, place)
            case _:
                data = self.commit(git_repo, 2)
                write_tree(git_repo.root, {"data/x": noise(3)})
                add(reopened(git_repo), ["data"])
                self.git(git_repo, "commit", "-q", "-a", "--amend", "-m", "amended")
        with index_in_use(git_repo.root) if place == "staged" else nullcontext():
            write_tree(git_repo.root, {"data/x": noise(99)})
            add(reopened(git_repo), ["data"])
            write_tree(git_repo.root, {"data/x": noise(1)})
            add(reopened(git_repo), ["data"])
        after = reopened(git_repo)
        collect_here(after, NONE)
        assert chunk_id(noise(99)) not in after.store
        assert chunk_id(data) in after.store

    def in_a_tree(self, repo: Repo, place: str) -> bytes:
        """Let one work tree alone name a version, or what is to become one."""
        linked = repo.root.parent / "linked"
        data = self.commit(repo, 2)
        self.git(repo, "worktree", "add", "-q", "--detach", str(linked))
        self.git(repo, "reset", "-q", "--hard", "HEAD~1")
        own = repo.root if place in ("bisect", "pick to come") else linked
        match place:
            case "bisect":
                self.git(repo, "update-ref", "refs/bisect/bad", "ORIG_HEAD")
            case "linked ref":
                subprocess.run(["git", "update-ref", "refs/worktree/mine", "HEAD"], cwd=linked, check=True)
            case "pick to come":
                (repo.root / ".git/sequencer").mkdir()
                (repo.root / ".git/sequencer/todo").write_text(f"pick {self.id(repo, 'ORIG_HEAD')[:9]} version 2\n")
            case "staged away":
                data = noise(3)
                write_tree(linked, {"data/x": data})
                add(open_repo(linked), ["data"])
                subprocess.run(["git", "add", "xver.lock"], cwd=linked, check=True)
                with index_in_use(linked):
                    write_tree(linked, {"data/x": noise(4)})
                    add(open_repo(linked), ["data"])
        how = "--soft" if place == "staged away" else "--hard"
        subprocess.run(["git", "reset", "-q", how, "HEAD~1"], cwd=linked, check=True)
        for name in ("ORIG_HEAD", "worktrees/linked/ORIG_HEAD"):
            if not (place == "linked ORIG_HEAD" and name.startswith("worktrees")):
                (repo.root / ".git" / name).unlink(missing_ok=True)
        self.git(repo, "reflog", "expire", "--expire=now", "--all")
        if linked == own:
            linked.rename(linked.with_name("away"))  # on a disk that is not mounted
        return data

    def id(self, repo: Repo, rev: str) -> str:
        done = subprocess.run(
            ["git", "rev-parse", rev], cwd=repo.root, check=True, capture_output=True, encoding="ascii"
        )
        return done.stdout.strip()

    def test_what_git_forgot_goes(self, git_repo: Repo) -> None:
        self.commit(git_repo, 1)
        data = self.commit(git_repo, 2)
        self.git(git_repo, "reset", "-q", "--hard", "HEAD~1")
        self.git(git_repo, "reflog", "expire", "--expire=now", "--all")
        (git_repo.root / ".git/ORIG_HEAD").unlink()
        write_tree(git_repo.root, {"data/x": noise(1)})
        add(reopened(git_repo), ["data"])
        after = reopened(git_repo)
        collect_here(after, NONE)
        assert chunk_id(data) not in after.store
        assert chunk_id(noise(1)) in after.store

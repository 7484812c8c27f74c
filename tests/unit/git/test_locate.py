from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.trees import posix
from xver.errors import RepositoryNotFound
from xver.git.locate import GitPlaces, find_git

from .repository import Repository


def asked_of_git(repo: Repository) -> GitPlaces:
    top, git_dir, common = repo.run(
        "rev-parse", "--path-format=absolute", "--show-toplevel", "--absolute-git-dir", "--git-common-dir"
    ).split("\n")
    return GitPlaces(Path(top), Path(git_dir), Path(common))


def test_the_top_and_every_folder_below_it(repo: Repository) -> None:
    below = repo.root / "a" / "b c"
    below.mkdir(parents=True)
    expected = asked_of_git(repo)
    assert find_git(repo.root) == find_git(below) == find_git(below / "not there") == expected
    assert expected == GitPlaces(repo.root, repo.root / ".git", repo.root / ".git")


@posix
def test_through_a_link_and_from_a_file(repo: Repository, tmp_path: Path) -> None:
    repo.write("a/file", "x")
    link = tmp_path / "link"
    link.symlink_to(repo.root / "a")
    assert find_git(link) == find_git(repo.root / "a" / "file") == asked_of_git(repo)


def test_a_linked_worktree_shares_the_common_dir(repo: Repository, tmp_path: Path) -> None:
    repo.save("first")
    repo.run("worktree", "add", "--quiet", str(tmp_path / "other é"), "-b", "other")
    other = Repository(tmp_path / "other é", init=False)
    places = find_git(other.root)
    assert places == asked_of_git(other)
    assert places is not None
    assert places.common_dir == repo.root / ".git"
    assert places.git_dir.parent == repo.root / ".git" / "worktrees"


def test_a_submodule_is_a_repository_of_its_own(repo: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.save("first", file="x")
    repo.run("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.root), "lib/inner")
    module = Repository(repo.root / "lib" / "inner", init=False)
    places = find_git(module.root)
    assert places == asked_of_git(module)
    assert places is not None
    assert places.git_dir == places.common_dir == repo.root / ".git" / "modules" / "lib" / "inner"


def test_nothing_there(tmp_path: Path) -> None:
    assert find_git(tmp_path) is None


def test_bare_and_inside_of_a_git_dir_have_no_work_tree(repo: Repository, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    repo.run("init", "--quiet", "--bare", str(bare))
    assert find_git(bare) is None
    assert find_git(bare / "refs") is None
    assert find_git(repo.root / ".git") is None
    assert find_git(repo.root / ".git" / "hooks") is None


@pytest.mark.parametrize(
    "config",
    [
        "[core]\n\tbare = true\n",
        "[CORE] bare=yes\n",
        '[core]\r\n  Bare = "true" ; so\r\n',
        "[core]\nbare\n",
        "[core]bare=1#\n",
    ],
)
def test_a_git_folder_that_is_bare(repo: Repository, config: str) -> None:
    # git reads nothing of a configuration without a version
    (repo.root / ".git" / "config").write_bytes(b"[core]\nrepositoryformatversion = 0\n" + config.encode())
    assert repo.run("rev-parse", "--is-bare-repository") == "true"
    assert find_git(repo.root) is None


@pytest.mark.parametrize(
    "config", ["", '[core "sub"]\nbare = true\n', "[core]\nbare = true\nbare = no\n", "[other]\nbare\n"]
)
def test_a_git_folder_that_is_not_bare(repo: Repository, config: str) -> None:
    # git reads nothing of a configuration without a version
    (repo.root / ".git" / "config").write_bytes(b"[core]\nrepositoryformatversion = 0\n" + config.encode())
    assert repo.run("rev-parse", "--is-bare-repository") == "false"
    assert find_git(repo.root) is not None


def test_worktrees_of_a_bare_repository(repo: Repository, tmp_path: Path) -> None:
    repo.save("first")
    repo.run("clone", "--quiet", "--bare", str(repo.root), str(tmp_path / "project" / ".bare"))
    project = tmp_path / "project"
    (project / ".git").write_text("gitdir: ./.bare\n")
    Repository(project / ".bare", init=False).run("worktree", "add", "--quiet", str(project / "main"), "main")
    tree = Repository(project / "main", init=False)
    assert find_git(project) is None
    assert find_git(tree.root) == asked_of_git(tree)


@posix
def test_what_only_looks_like_git_is_passed_over(repo: Repository) -> None:
    (repo.root / "a" / ".git").mkdir(parents=True)
    (repo.root / "a" / "b").mkdir()
    (repo.root / "a" / "b" / ".git").symlink_to("nowhere")
    assert find_git(repo.root / "a" / "b") == asked_of_git(repo)


def test_a_git_file_that_points_nowhere(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: gone/for/ever\n")
    with pytest.raises(RepositoryNotFound, match="gone/for/ever") as caught:
        find_git(tmp_path)
    assert caught.value.hint == "git worktree repair"


def test_git_dir_in_the_environment_is_not_read(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", os.fspath(repo.root / ".git"))
    assert find_git(tmp_path) is None

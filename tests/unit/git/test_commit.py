from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.trees import posix
from xver.errors import CommandFailed, InvalidInput
from xver.git.command import GitCommand
from xver.git.commit import commit, stage
from xver.git.history import commits_of, head, lock_at

from .repository import Repository

OWN = ["xver.lock", "xver.toml", ".gitignore"]


def hook(repo: Repository, name: str, script: str) -> None:
    target = repo.root / ".git" / "hooks" / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(f"#!/bin/sh\n{script}\n".encode())
    target.chmod(0o755)


def changed(repo: Repository) -> list[str]:
    return repo.run("show", "--name-status", "--format=", "HEAD").split("\n")


def test_the_first_commit(repo: Repository) -> None:
    repo.write("xver.lock", "1\n")
    repo.write("xver.toml", "")
    repo.write("other", "stays out")
    made = commit(repo.command, "títle\n\nbody", OWN)
    assert made == head(repo.command)
    assert changed(repo) == ["A\txver.lock", "A\txver.toml"]
    assert commits_of(repo.command)[0].message == "títle\n\nbody"
    assert lock_at(repo.command) == b"1\n"


def test_what_git_has_staged_goes_along(repo: Repository) -> None:
    repo.save("first", lock="1", code="1", draft="1")
    repo.write("code", "2")
    repo.run("add", "code")
    repo.write("draft", "2")
    repo.write("xver.lock", "2")
    commit(repo.command, "both", OWN)
    assert changed(repo) == ["M\tcode", "M\txver.lock"]


def test_a_path_that_is_gone(repo: Repository) -> None:
    repo.save("first", lock="1", **{"folder/a": "1"})
    (repo.root / "xver.lock").unlink()
    (repo.root / "folder" / "a").unlink()
    (repo.root / "folder").rmdir()
    commit(repo.command, "removed", [*OWN, "folder", "never was"])
    assert changed(repo) == ["D\tfolder/a", "D\txver.lock"]


def test_paths_are_literal(repo: Repository) -> None:
    odd = ["*", ":(top)x", "-n", "é\n "]
    for name in [*odd, "other"]:
        repo.write(name, "1")
    stage(repo.command, odd)
    assert sorted(repo.command.paths("ls-files", "-z")) == sorted(odd)


def test_nothing_to_commit(repo: Repository) -> None:
    with pytest.raises(InvalidInput, match=r"^nothing to commit$"):
        commit(repo.command, "x", OWN)
    first = repo.save("first", lock="1")
    repo.write("untracked", "x")
    with pytest.raises(InvalidInput, match=r"^nothing to commit$"):
        commit(repo.command, "x", OWN)
    assert head(repo.command) == first
    assert commit(repo.command, "x", OWN, allow_empty=True) != first


def test_a_merge_that_changes_nothing_is_committed(repo: Repository) -> None:
    repo.save("base", lock="1")
    repo.run("switch", "--quiet", "-c", "side")
    repo.save("side", lock="2")
    repo.run("switch", "--quiet", "main")
    repo.save("main", lock="3")
    assert not repo.command.ok("merge", "side")
    with pytest.raises(CommandFailed, match="unmerged"):
        commit(repo.command, "merge", [])
    repo.write("xver.lock", "3")
    commit(repo.command, "merge", OWN)
    assert len(commits_of(repo.command)[0].parents) == 2


def test_hooks_run_and_a_failing_one_is_shown(repo: Repository) -> None:
    hook(repo, "pre-commit", "echo checking; echo 'line two' >&2; test ! -e bad")
    hook(repo, "commit-msg", "echo 'by hook' >> \"$1\"")
    repo.write("xver.lock", "1")
    repo.write("bad", "")
    with pytest.raises(CommandFailed) as caught:
        commit(repo.command, "x", OWN)
    assert caught.value.message == "git commit failed:\nchecking\nline two"
    assert caught.value.status == 1
    assert head(repo.command) is None
    (repo.root / "bad").unlink()
    commit(repo.command, "x", OWN)
    assert commits_of(repo.command)[0].message == "x\nby hook"


def test_a_hook_sees_the_users_locale_and_no_switches_of_ours(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    hook(repo, "pre-commit", 'test -z "$LC_ALL$GIT_OPTIONAL_LOCKS$GIT_NO_REPLACE_OBJECTS$GIT_LITERAL_PATHSPECS"')
    repo.write("xver.lock", "1")
    commit(repo.command, "x", OWN)


def test_signing_is_respected(repo: Repository, tmp_path: Path) -> None:
    signer = tmp_path / "signer"
    signer.write_bytes(b"#!/bin/sh\necho no key >&2\nexit 2\n")
    signer.chmod(0o755)
    repo.run("config", "commit.gpgSign", "true")
    repo.run("config", "gpg.program", str(signer))
    repo.write("xver.lock", "1")
    with pytest.raises(CommandFailed, match="gpg failed to sign"):
        commit(repo.command, "x", OWN)


def test_an_ignored_lock(repo: Repository) -> None:
    repo.write(".gitignore", "*.lock\n!*.toml\n")
    repo.write("xver.lock", "1")
    repo.write("xver.toml", "1")
    with pytest.raises(InvalidInput, match=r"git ignores xver\.lock \(line 1 of \.gitignore: \*\.lock\)") as caught:
        commit(repo.command, "x", OWN)
    assert caught.value.hint == "add the line !/xver.lock to the end of .gitignore"
    repo.write(".gitignore", "*.lock\n!/xver.lock\n")
    commit(repo.command, "x", OWN)


@posix
def test_without_a_message_the_editor_is_opened(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho editing\nkill -INT "$XVER_TEST_PID"\necho from the editor > "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("GIT_EDITOR", str(editor))
    monkeypatch.setenv("XVER_TEST_PID", str(os.getpid()))  # Ctrl-C in a terminal reaches us as well
    repo.write("xver.lock", "1")
    before = signal.getsignal(signal.SIGINT)
    commit(repo.command, None, OWN)
    assert signal.getsignal(signal.SIGINT) is before
    assert commits_of(repo.command)[0].message == "from the editor"
    assert "editing" in capfd.readouterr().out
    repo.write("xver.lock", "2")
    monkeypatch.setenv("GIT_EDITOR", "false")
    with pytest.raises(CommandFailed):
        commit(repo.command, None, OWN)


def test_in_a_linked_worktree_and_detached(repo: Repository, tmp_path: Path) -> None:
    first = repo.save("first", lock="1")
    repo.run("worktree", "add", "--quiet", "--detach", str(tmp_path / "other"))
    (tmp_path / "other" / "xver.lock").write_text("2")
    other = GitCommand(tmp_path / "other")
    made = commit(other, "there", OWN)
    assert (head(other), head(repo.command)) == (made, first)

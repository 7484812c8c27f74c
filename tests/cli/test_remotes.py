"""Remotes as a person types them: added, named, checked, trusted, and led elsewhere by somebody's branch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from xver.errors import StorageError
from xver.storage.local import LocalStorage

from .workplace import Workplace


def write(place: Workplace, text: str = "1") -> None:
    (place.root / "data").mkdir(exist_ok=True)
    (place.root / "data" / "a").write_text(text)
    place.ok("add", "data")
    place.ok("commit", "-m", "one")


def listed(place: Workplace) -> Any:
    done = place("remote", "list", "--json")
    return json.loads(done.stdout)


def test_a_branch_that_leads_elsewhere_is_refused_until_trusted(in_git: Workplace) -> None:
    write(in_git)
    in_git.ok("remote", "add", "origin", "../remote")
    in_git.git("add", "xver.toml")
    in_git.git("commit", "-qm", "remote")
    in_git.ok("push")
    in_git.git("checkout", "-qb", "innocent")
    toml = in_git.root / "xver.toml"
    toml.write_text(toml.read_text().replace("../remote", "../evil"))
    in_git.git("commit", "-qam", "better settings")
    for command in ("push", "fetch", "pull"):
        error, hint = in_git.fails(7, command)
        assert "it was ../remote, and xver.toml now says ../evil" in error
        assert hint.startswith("hint: xver remote trust origin")
    assert not (in_git.root.parent / "evil").exists()
    in_git.git("checkout", "-q", "main")
    in_git.ok("push")
    in_git.git("checkout", "-q", "innocent")
    assert in_git.ok("remote", "trust", "origin") == "was ../remote\nTrusted origin: ../evil\n"
    in_git.ok("push")
    assert (in_git.root.parent / "evil" / "log").is_dir()


def test_linked_work_trees_share_what_is_trusted(in_git: Workplace) -> None:
    write(in_git)
    in_git.ok("remote", "add", "origin", str(in_git.root.parent / "remote"))
    in_git.git("add", "xver.toml")
    in_git.git("commit", "-qm", "remote")
    in_git.ok("push")
    in_git.git("worktree", "add", "-q", "../second", "-b", "second")
    toml = in_git.root.parent / "second" / "xver.toml"
    toml.write_text(toml.read_text().replace("/remote", "/evil"))
    assert "has changed" in in_git.fails(7, "push", where="../second")[0]


def test_a_default_per_branch_is_kept_in_xver_toml(place: Workplace) -> None:
    write(place)
    for name in ("origin", "lab"):
        place.ok("remote", "add", name, f"../{name}")
    place.ok("remote", "default", "lab", "--branch", "main")
    assert place.ok("remote", "default") == "lab\n"
    assert place.ok("push").startswith("Pushed main")
    assert place.fails(3, "pull", "lab") == [
        "error: lab is a remote, and no tracked path",
        "hint: xver pull --remote lab",
    ]
    assert (place.root.parent / "lab" / "log").is_dir()
    assert not (place.root.parent / "origin").exists()
    assert [(one["name"], one["default"], one["default_of"]) for one in listed(place)] == [
        ("origin", False, []),
        ("lab", True, ["main"]),
    ]
    assert "default of main" in place.ok("remote", "list", "-v")
    place.ok("remote", "default", "--unset", "--branch", "main")
    assert place.ok("remote", "default") == "origin\n"
    assert place.fails(3, "remote", "default", "none")[0].startswith("error: there is no remote none")


def test_every_remote_is_asked(place: Workplace) -> None:
    write(place)
    for name in ("origin", "lab", "empty"):
        place.ok("remote", "add", name, f"../{name}")
    for name in ("origin", "lab"):
        place.ok("push", name)
    done = place("fetch", "--all")
    error, failure, _ = done.stderr.splitlines()
    assert (done.returncode, done.stdout.count("Fetched")) == (16, 2)
    assert "not every remote" in error
    assert failure.strip().startswith("empty: there is no xver store")
    place.ok("remote", "remove", "empty")
    place.ok("fetch", "--all")


def test_rename_set_url_and_remove(place: Workplace) -> None:
    write(place)
    place.ok("remote", "add", "origin", "../remote")
    place.ok("push")
    place.ok("remote", "rename", "origin", "archive")
    shutil.move(place.root.parent / "remote", place.root.parent / "moved")
    place.ok("remote", "set-url", "archive", "../moved")
    assert place.ok("push") == "archive has everything already\n"
    place.ok("remote", "remove", "archive")
    assert listed(place) == []
    assert place.fails(3, "remote", "trust", "archive")[0] == "error: there is no remote archive"
    assert place.fails(3, "remote", "set-url", "archive", "../moved")[0] == "error: there is no remote archive"


class TestCheck:
    def check(self, place: Workplace, code: int = 0) -> Any:
        done = place("remote", "check", "--json")
        assert (done.returncode, done.stderr) == (code, ""), done
        return json.loads(done.stdout)

    def test_before_the_first_push_and_after(self, place: Workplace) -> None:
        write(place)
        place.ok("remote", "add", "origin", "../remote")
        found = self.check(place)
        assert found["rights"] == {"list": True, "read": None, "create": True, "delete": True}
        assert (found["atomic_create"], found["repository"], found["ok"]) == (True, None, True)
        assert list(LocalStorage(place.root.parent / "remote").list("")) == []
        place.ok("push")
        found = self.check(place)
        assert found["rights"]["read"] is True
        assert found["same_repository"] is True
        text = place.ok("remote", "check")
        assert "ok    races       one of several writers wins" in text
        assert "this repository" in text

    def test_of_a_remote_that_is_gone_it_says_so_and_puts_nothing_in_its_place(self, place: Workplace) -> None:
        write(place)
        place.ok("remote", "add", "origin", "../away/remote")
        assert self.check(place)["ok"] is True
        assert not (place.root.parent / "away").exists()
        place.ok("push")
        away = place.root.parent / "away"
        shutil.move(away, place.root.parent / "kept")
        found = self.check(place, code=1)
        assert (found["gone"], found["ok"], found["rights"]["create"]) == (True, False, False)
        done = place("remote", "check")
        assert done.returncode == 1
        assert "fail  holds       nothing: the store that was there is gone\n" in done.stdout
        assert "xver remote set-url NAME URL, then xver push" in done.stdout
        assert not away.exists()
        shutil.move(place.root.parent / "kept", away)
        assert self.check(place)["gone"] is False

    def test_another_repository_is_no_place_for_this_one(self, alone: Workplace, tmp_path: Path) -> None:
        write(alone)
        alone.ok("remote", "add", "origin", "../remote")
        alone.ok("push")
        other = Workplace(tmp_path / "other", tmp_path / "home", git=False)
        other.ok("remote", "add", "origin", "../remote")
        found = self.check(other, code=1)
        assert (found["same_repository"], found["ok"]) == (False, False)

    def test_who_may_only_read_is_told_so(self, alone: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
        write(alone)
        alone.ok("remote", "add", "origin", "../remote")
        alone.ok("push")

        def refuse(self: LocalStorage, key: str, body: bytes) -> bool:
            raise StorageError("may not be written")

        monkeypatch.setattr(LocalStorage, "create", refuse)
        found = self.check(alone)
        assert found["rights"] == {"list": True, "read": True, "create": False, "delete": None}
        assert (found["atomic_create"], found["ok"]) == (None, True)

    def test_a_storage_where_two_can_win_is_told(self, alone: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
        alone.ok("remote", "add", "origin", "../remote")

        def careless(self: LocalStorage, key: str, body: bytes) -> bool:
            self.put(key, body)
            return True

        monkeypatch.setattr(LocalStorage, "create", careless)
        found = self.check(alone, code=1)
        assert (found["atomic_create"], found["ok"]) == (False, False)
        write(alone)
        assert "several writers" in alone.fails(12, "push")[0]


def test_a_name_that_a_remote_cannot_have_is_told_as_such(place: Workplace) -> None:
    assert place.fails(2, "remote", "add", "my lab", "../lab")[0] == (
        "error: not a name for a branch, tag or remote: 'my lab'"
    )


def cut(place: Workplace) -> None:
    [pack] = (place.root.parent / "remote" / "packs").glob("*.data")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:20])


def test_a_push_that_only_sends_again_what_was_cut_short_says_so_and_where_to(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("one", d__a="a" * 300)
    alone.ok("push")
    cut(alone)
    mended, sent = alone.ok("push").splitlines()
    assert mended == "Mended origin: 1 pack missing or cut short there replaced"
    assert sent.startswith("Sent to origin  0 commits  0 runs  ")
    assert "all whole" in alone.ok("fsck", "--remote", "--data")


def test_a_push_that_repairs_says_what_it_mended_and_not_that_nothing_was_to_do(alone: Workplace) -> None:
    alone.ok("remote", "add", "origin", "../remote")
    alone.save("one", d__a="a" * 300)
    alone.ok("push")
    assert alone.ok("push", "--repair") == "origin has everything already\n"
    cut(alone)
    again, moved, now = alone.ok("push", "--repair").splitlines()
    assert again.startswith("Sent 1 object again, ")
    assert again.endswith(" B")
    assert moved == "Moved 0 objects out of 1 damaged pack"
    assert now == "origin has everything now"

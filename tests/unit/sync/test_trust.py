"""Whoever can change xver.toml cannot lead anybody's data elsewhere without their word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.repos import new_repo, reopened, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned
from xver.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from xver.repo import Repo
from xver.settings import Remote, add_remote, set_default_remote, set_remote
from xver.storage.local import LocalStorage
from xver.sync import arranging
from xver.sync.fetch import fetch
from xver.sync.pull import pull
from xver.sync.push import push
from xver.sync.remotes import cache_folder, choose_remote, ordered_remotes
from xver.sync.trust import is_trusted, pinned

EVIL = Remote("origin", "../evil")


def rewritten(repo: Repo, remote: Remote) -> Repo:
    """Change the address in xver.toml, as git does when it brings another branch."""
    set_remote(repo.settings_path, remote)
    return reopened(repo)


class TestTrust:
    @pytest.mark.parametrize("share", [push, fetch, pull])
    def test_a_changed_address_is_refused_and_not_contacted(self, repo: Repo, share: object) -> None:
        push(repo, ORIGIN)
        repo = rewritten(repo, EVIL)
        assert callable(share)
        with pytest.raises(Conflict, match=r"it was \.\./remote, and xver.toml now says \.\./evil") as caught:
            share(repo, choose_remote(repo, None))
        assert caught.value.hint == "xver remote trust origin, if that is right"
        assert not (repo.root.parent / "evil").exists()

    def test_a_changed_server_is_a_changed_address(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        repo = rewritten(repo, replace(ORIGIN, endpoint_url="http://evil.example"))
        with pytest.raises(Conflict, match=r"\.\./remote at http://evil.example"):
            push(repo, choose_remote(repo, "origin"))

    def test_once_trusted_it_is_used(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        repo = rewritten(repo, EVIL)
        assert arranging.trust(repo, "origin") == (ORIGIN, EVIL)
        push(repo, choose_remote(repo, None))
        assert (repo.root.parent / "evil" / "log").is_dir()

    def test_a_clone_trusts_where_it_came_from(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        known = pinned(copy, "origin")
        assert known is not None
        assert Path(known.url) == repo.root.parent / "remote"
        copy = rewritten(copy, EVIL)
        with pytest.raises(Conflict, match="has changed"):
            fetch(copy, choose_remote(copy, None))

    @pytest.mark.parametrize("how", ["default", "the only one"])
    def test_a_new_remote_that_nobody_named_is_refused(self, repo: Repo, how: str) -> None:
        push(repo, ORIGIN)
        if how == "default":
            add_remote(repo.settings_path, Remote("evil", "../evil"))
            set_default_remote(repo.settings_path, "evil", "main")
        else:
            repo.settings_path.write_text('[remotes.evil]\nurl = "../evil"\n')
        repo = reopened(repo)
        with pytest.raises(Conflict, match=r"evil \(\.\./evil\), which was never used from here") as caught:
            choose_remote(repo, None)
        assert (caught.value.hint or "").startswith("xver remote trust evil")
        push(repo, choose_remote(repo, "evil"))
        assert choose_remote(repo, None).name == "evil"

    def test_data_that_is_not_here_is_not_asked_for_at_an_address_that_changed(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        add_remote(repo.settings_path, Remote("new", "../new"))
        repo = rewritten(repo, EVIL)
        assert ordered_remotes(repo) == []

    def test_the_first_remote_of_a_fresh_clone_needs_no_word(self, tmp_path: Path) -> None:
        repo = new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)
        assert is_trusted(repo, ORIGIN)
        push(repo, choose_remote(repo, None))
        assert pinned(repo, "origin") == ORIGIN

    def test_a_memory_cut_short_has_to_be_confirmed(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        for file in (repo.places.shared / "trusted").iterdir():
            file.write_bytes(b"")
        with pytest.raises(Conflict, match="it was unknown"):
            push(repo, ORIGIN)
        arranging.trust(repo, "origin")
        push(repo, ORIGIN)

    def test_names_that_differ_in_case_only_are_two(self, repo: Repo) -> None:
        arranging.add(repo, Remote("Origin", "../other"))
        push(repo, ORIGIN)
        assert pinned(repo, "Origin") == Remote("Origin", "../other")
        assert pinned(repo, "origin") == ORIGIN


class TestArranging:
    def test_a_new_address_is_trusted_and_what_was_fetched_stays(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        fetch(repo, ORIGIN)
        memory = cache_folder(repo, ORIGIN)
        assert memory.exists()
        (repo.root.parent / "remote").rename(repo.root.parent / "moved")
        assert arranging.set_url(repo, "origin", "../moved").endswith("moved")
        assert not memory.exists()
        assert repo.store.log.refs_under("remotes/origin/")
        save(repo, {"data/a": b"second"})
        assert push(repo, choose_remote(repo, None)).branch == "main"

    def test_a_renamed_remote_is_known_as_before(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        fetch(repo, ORIGIN)
        set_default_remote(repo.settings_path, "origin", "main")
        repo.store.promises.replace("origin", [b"1" * 32])
        arranging.rename(repo, "origin", "archive")
        assert "remotes/archive/main" in repo.store.log.refs
        assert not repo.store.log.refs_under("remotes/origin/")
        assert repo.store.promises.of("archive") == {b"1" * 32}
        assert repo.store.promises.of("origin") == set()
        assert pinned(repo, "origin") is None
        remote = choose_remote(reopened(repo), None)
        assert remote == Remote("archive", ORIGIN.url)
        assert fetch(repo, remote).moved == ()

    def test_a_name_that_is_taken_stays(self, repo: Repo) -> None:
        arranging.add(repo, Remote("lab", "../lab"))
        before = repo.settings_path.read_text()
        with pytest.raises(AlreadyExists):
            arranging.rename(repo, "origin", "lab")
        with pytest.raises(NotFound):
            arranging.rename(repo, "none", "other")
        with pytest.raises(InvalidInput):
            arranging.rename(repo, "origin", "a/b")
        assert repo.settings_path.read_text() == before

    def test_of_a_removed_remote_nothing_is_left(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        fetch(repo, ORIGIN)
        memory = cache_folder(repo, ORIGIN)
        set_default_remote(repo.settings_path, "origin")
        arranging.remove(reopened(repo), "origin")
        repo = reopened(repo)
        assert not repo.settings.remotes
        assert not repo.settings.default_remote
        assert not repo.store.log.refs_under("remotes/")
        assert pinned(repo, "origin") is None
        assert not memory.exists()
        assert list(LocalStorage(repo.root.parent / "remote").list("log/"))

    def test_a_remote_that_alone_keeps_our_data_stays(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        repo.store.promises.replace("origin", [b"1" * 32])
        with pytest.raises(Conflict, match="only origin keeps 1 objects"):
            arranging.remove(repo, "origin")
        repo.store.promises.replace("backup", [b"1" * 32])
        arranging.remove(repo, "origin")

    def test_comments_survive_every_change(self, repo: Repo) -> None:
        repo.settings_path.write_text('# ours\n[remotes.origin] # the old one\nurl = "../remote" # here\n')
        arranging.add(repo, Remote("lab", "../lab"))
        arranging.set_url(repo, "origin", "../other")
        arranging.rename(repo, "lab", "home")
        text = repo.settings_path.read_text()
        assert "# ours" in text
        assert "# the old one" in text
        settings = reopened(repo).settings
        assert settings.remotes["home"] == Remote("home", "../lab")
        assert settings.remotes["origin"].url == "../other"


class TestDefaults:
    def test_the_branch_s_own_then_everybody_s_then_origin(self, repo: Repo) -> None:
        for name in ("lab", "backup"):
            arranging.add(repo, Remote(name, f"../{name}"))
        push(repo, ORIGIN)
        assert choose_remote(repo, None).name == "origin"
        set_default_remote(repo.settings_path, "backup")
        assert choose_remote(reopened(repo), None).name == "backup"
        set_default_remote(repo.settings_path, "lab", "main")
        assert choose_remote(reopened(repo), None).name == "lab"
        set_default_remote(repo.settings_path, "backup", "other")
        set_default_remote(repo.settings_path, None, "main")
        assert choose_remote(reopened(repo), None).name == "backup"
        set_default_remote(repo.settings_path, None)
        assert choose_remote(reopened(repo), None).name == "origin"

    def test_one_that_is_no_remote_is_not_found(self, repo: Repo) -> None:
        with pytest.raises(NotFound):
            set_default_remote(repo.settings_path, "none")
        repo.settings_path.write_text(repo.settings_path.read_text() + '[default_remote]\n"*" = "none"\n')
        with pytest.raises(NotFound, match="no remote none"):
            choose_remote(reopened(repo), None)

    def test_a_default_that_is_no_text_is_refused(self, repo: Repo) -> None:
        repo.settings_path.write_text("[default_remote]\nmain = 7\n")
        with pytest.raises(InvalidInput, match="default_remote"):
            choose_remote(reopened(repo), None)

    def test_several_without_a_default_are_named(self, tmp_path: Path) -> None:
        repo = new_repo(tmp_path / "alone")
        for name in ("a", "b"):
            arranging.add(repo, Remote(name, f"../{name}"))
        with pytest.raises(InvalidInput, match="which remote"):
            choose_remote(reopened(repo), None)

"""Push: what is lacking is sent and nothing else, and what the remote lost is sent again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, reopened, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned, remote_packs, there
from xver.errors import (
    Conflict,
    CorruptData,
    Incomplete,
    InvalidInput,
)
from xver.model.refs import HEADS, TAGS
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.locate import locate
from xver.store.log import Change
from xver.sync import remotes, transfer
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import open_remote_afresh
from xver.upkeep.fsck import EVERYTHING, check, check_remote
from xver.versioning import branches
from xver.versioning.restoring import checkout


class TestPush:
    def test_it_sends_what_the_other_side_lacks_and_no_more(self, repo: Repo) -> None:
        first = push(repo, ORIGIN)
        assert (first.branch, first.commits, first.packs) == ("main", 1, 2)
        assert first.size > 400_000
        again = push(repo, ORIGIN)
        assert (again.branch, again.commits, again.size, again.packs) == (None, 0, 0, 0)
        save(repo, {"data/a": b"second"})
        second = push(repo, ORIGIN)
        assert (second.branch, second.commits) == ("main", 1)
        assert second.size < 3000

    def test_a_small_push_is_a_few_requests(self, repo: Repo, watch: Callable[[], list[tuple[str, str]]]) -> None:
        push(repo, ORIGIN)
        save(repo, {"data/a": b"second"})
        watch()
        push(repo, ORIGIN)
        calls = watch()
        assert len(calls) <= 12
        # What was lost there is seen in one listing, which is asked for with the log.
        assert calls.count(("list", "packs/")) == 1

    def test_requests_do_not_grow_with_files(self, repo: Repo, watch: Callable[[], list[tuple[str, str]]]) -> None:
        push(repo, ORIGIN)
        save(repo, {f"data/many/{n}": f"file {n}".encode() for n in range(2000)})
        watch()
        push(repo, ORIGIN)
        assert len(watch()) <= 12
        copy = cloned(repo)
        assert len(watch()) <= 25
        assert len(read_tree(copy.root)) == 2003

    def test_tags_go_along_and_a_taken_one_is_never_moved(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        branches.create(repo, TAGS, "v1")
        push(repo, ORIGIN)
        taken = there(repo).log.refs[TAGS + "v1"]
        save(copy, {"data/a": b"other"})
        branches.create(copy, TAGS, "v1")
        with pytest.raises(Conflict, match="another version as tags/v1"):
            push(copy, ORIGIN)
        assert there(repo).log.refs[TAGS + "v1"] == taken
        assert there(repo).log.refs[HEADS + "main"] == copy.store.log.refs[HEADS + "main"]

    def test_a_branch_that_is_behind_is_refused_and_nothing_moves(self, repo: Repo) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        save(copy, {"data/a": b"theirs"})
        push(copy, ORIGIN)
        save(repo, {"data/a": b"ours"})
        before = there(repo).log.refs
        with pytest.raises(Conflict, match="not here"):
            push(repo, ORIGIN)
        assert there(repo).log.refs == before

    def test_a_push_without_a_commit_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="no commit"):
            push(new_repo(tmp_path / "empty"), ORIGIN)

    def test_a_work_tree_s_own_store_is_not_believed_to_hold_all(self, repo: Repo, tmp_path: Path) -> None:
        """A clone's store knows listings whose content it never fetched."""
        push(repo, ORIGIN)
        sparse = clone(str(tmp_path / "remote"), tmp_path / "sparse", checks_out=False)
        push(repo, Remote("peer", str(sparse.root / ".xver" / "store")))
        assert check(reopened(sparse)).promised == 0
        checkout(reopened(sparse))

    def test_much_goes_in_parts_and_an_interrupted_push_goes_on(
        self, repo: Repo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transfer, "_PART_OBJECTS", 20)
        save(repo, {f"data/many/{n}": f"file {n}".encode() * 100 for n in range(200)})

        class Stops(Exception):
            pass

        def before(method: str, key: str) -> None:
            if method == "create" and key == "log/0000000005":
                raise Stops

        monkeypatch.setattr(remotes, "locate", lambda url, **how: FaultyStorage(locate(url, **how), before=before))
        with pytest.raises(Stops):
            push(repo, ORIGIN)
        assert there(repo).log.refs == {}
        assert len(there(repo).log.live_packs()) == 5
        monkeypatch.setattr(remotes, "locate", locate)
        sent = push(reopened(repo), ORIGIN)
        assert sent.packs <= 8
        assert there(repo).log.verify() == []
        assert read_tree(cloned(repo).root) == read_tree(repo.root)

    def test_a_damaged_frame_of_ours_is_not_passed_on(self, repo: Repo) -> None:
        (pack,) = (repo.root / ".xver" / "store" / "packs").glob("*.data")
        body = bytearray(pack.read_bytes())
        body[200_000] ^= 1
        pack.write_bytes(body)
        with pytest.raises(CorruptData, match="damaged"):
            push(reopened(repo), ORIGIN)
        assert there(repo).log.refs == {}


class TestLostPacks:
    @pytest.mark.parametrize("damage", ["deleted", "cut short"])
    def test_what_the_remote_lost_is_sent_again(self, repo: Repo, damage: str) -> None:
        push(repo, ORIGIN)
        for pack in remote_packs(repo):
            if damage == "deleted":
                pack.unlink()
            else:
                pack.write_bytes(pack.read_bytes()[:-30])
        sent = push(reopened(repo), ORIGIN)
        assert sent.size > 400_000
        assert sent.healed == 2
        again = push(reopened(repo), ORIGIN)
        assert (again.size, again.healed) == (0, 0)
        assert read_tree(cloned(repo).root) == FILES
        with open_remote_afresh(repo, ORIGIN) as there:
            assert check_remote(there, sample=EVERYTHING).damage == ()

    def test_what_nobody_here_has_is_named(self, repo: Repo, tmp_path: Path) -> None:
        push(repo, ORIGIN)
        copy = cloned(repo)
        branches.switch(copy, "other", new=True)
        save(copy, {"theirs/x": b"only there" * 1000})
        push(copy, ORIGIN)
        lost = max(remote_packs(repo), key=lambda path: path.stat().st_mtime_ns)
        for pack in remote_packs(repo):
            if pack.name.split("-")[0] == lost.name.split("-")[0]:
                pack.unlink()
        with pytest.raises(Incomplete, match="lost packs") as caught:
            push(reopened(repo), ORIGIN)
        assert caught.value.failures
        push(reopened(copy), ORIGIN)
        push(reopened(repo), ORIGIN)
        assert clone(str(tmp_path / "remote"), tmp_path / "third", branch="other") is not None

    def test_a_collection_at_the_remote_is_noticed(self, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between our reading and our writing somebody collects what we rely on."""
        push(repo, ORIGIN)
        save(repo, {"data/a": b"second"})
        done: list[str] = []

        def before(method: str, key: str) -> None:
            if method == "create" and key.startswith("log/") and not done:
                done.append(key)
                other = there(repo)
                main = other.log.refs[HEADS + "main"]
                packs = tuple(other.log.live_packs())
                other.log.append(Change("forget", refs={HEADS + "main": (main, None)}))
                other.log.append(Change("collect", remove_packs=packs, fence=3))
                for pack in packs:
                    other.storage.delete(pack)

        monkeypatch.setattr(remotes, "locate", lambda url, **how: FaultyStorage(locate(url, **how), before=before))
        push(repo, ORIGIN)
        assert done
        assert there(repo).lost_packs() == {}
        assert read_tree(cloned(repo).root) == read_tree(repo.root)

"""Moving a remote: everything is there afterwards, whatever happened on the way, and nobody pushes to the old place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, read_tree, save
from tests.unit.sync.sides import FILES, ORIGIN, cloned, there
from xver.errors import Conflict, CorruptData, HasMoved, InvalidInput, XverError
from xver.history.reach import reach, target_edge
from xver.repo import Repo
from xver.storage.local import LocalStorage
from xver.storage.memory import MemoryStorage
from xver.store.store import Store, open_store
from xver.sync import move as moving
from xver.sync.arranging import set_url
from xver.sync.fetch import fetch
from xver.sync.move import Moved, move, move_store
from xver.sync.pull import clone, pull
from xver.sync.push import push


def assert_same(old: Store, new: Store) -> None:
    """Compare what both stores say and hold; the old one has one entry more."""
    assert new.log.refs == old.log.refs
    assert new.log.n == old.log.n - 1
    assert new.log.moved_to is None
    assert new.log.verify() == []
    for edge in reach(new, [target_edge(target) for target in new.log.refs.values()]).values():
        assert new.get(edge.kind, edge.id) == old.get(edge.kind, edge.id)


def test_a_remote_moves_with_all_that_it_has(repo: Repo) -> None:
    push(repo, ORIGIN)
    other = cloned(repo)
    save(repo, {"data/a": b"second"})
    push(repo, ORIGIN)
    done = move(repo, ORIGIN, "../moved")
    assert done.packs > 0
    new = open_store(LocalStorage(repo.root.parent / "moved"), client="test")
    assert_same(there(repo), new)
    assert read_tree(clone(str(repo.root.parent / "moved"), repo.root.parent / "third").root) == {
        **FILES,
        "data/a": b"second",
    }
    # Here the new address is used from now on, and the log goes on where it was.
    assert repo.settings.remotes["origin"].url == "../moved"
    save(repo, {"data/a": b"third"})
    push(repo, repo.settings.remotes["origin"])
    # Another clone reads on, is told, and cannot push to the old place.
    remote = other.settings.remotes["origin"]
    assert fetch(other, remote).moved_to == new.storage.url
    save(other, {"data/mine": b"mine"})
    with pytest.raises(HasMoved) as caught:
        push(other, remote)
    assert caught.value.hint == f"xver remote set-url origin {new.storage.url}"
    set_url(other, "origin", new.storage.url)
    followed = other.settings.remotes["origin"]
    pull(other, followed)
    push(other, followed)


def test_a_push_on_the_way_goes_along(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    push(repo, ORIGIN)
    other = cloned(repo)
    save(other, {"data/late": b"late"})
    real = moving._compare
    done: list[object] = []

    def compare(*arguments: object, **options: object) -> None:
        if not done:
            done.append(push(other, other.settings.remotes["origin"]))
        real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(moving, "_compare", compare)
    move(repo, ORIGIN, "../moved")
    assert done
    new = open_store(LocalStorage(repo.root.parent / "moved"), client="test")
    assert_same(there(repo), new)


def test_who_was_about_to_push_is_refused(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    push(repo, ORIGIN)
    other = cloned(repo)
    save(other, {"data/late": b"late"})
    real = Store.commit
    done: list[Moved] = []

    def commit(self: Store, *arguments: object, **options: object) -> int:
        if not done and self.storage.url.endswith("remote"):
            done.append(move_store(there(repo), MemoryStorage()))
        return real(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "commit", commit)
    with pytest.raises(HasMoved):
        push(other, other.settings.remotes["origin"])
    assert done
    assert there(repo).log.moved_to == done[0].url


def test_wherever_it_breaks_off_the_next_one_goes_on(repo: Repo) -> None:
    push(repo, ORIGIN)
    save(repo, {"data/a": b"second"})
    push(repo, ORIGIN)
    files = {stat.key: there(repo).storage.get(stat.key) for stat in there(repo).storage.list("")}
    n, fired = 0, True
    while fired:
        n += 1
        old, target = MemoryStorage("old"), MemoryStorage("new")
        for key, data in files.items():
            old.put(key, data)
        faulty_old = FaultyStorage(old, fail_at=n if n % 2 else None)
        faulty_new = FaultyStorage(target, fail_at=None if n % 2 else n, loses_answer=n % 4 == 0)
        try:
            move_store(open_store(faulty_old, client="test"), faulty_new)
        except XverError:
            assert open_store(old, client="test").log.moved_to in (None, "memory://new")
        fired = faulty_old.fired or faulty_new.fired or n < 60
        move_store(open_store(old, client="test"), target)
        assert_same(open_store(old, client="test"), open_store(target, client="test"))
    assert n >= 60


def test_moved_twice_it_says_where_it_went_first(repo: Repo) -> None:
    push(repo, ORIGIN)
    move_store(there(repo), MemoryStorage("first"))
    with pytest.raises(Conflict, match="memory://first already"):
        move_store(there(repo), MemoryStorage("second"))


def test_what_is_damaged_or_taken_is_refused(repo: Repo, tmp_path: Path) -> None:
    push(repo, ORIGIN)
    with pytest.raises(InvalidInput, match="where it is"):
        move(repo, ORIGIN, ORIGIN.url)
    foreign = new_repo(tmp_path / "foreign", {"x/y": b"1"}, remote="../taken")
    push(foreign, foreign.settings.remotes["origin"])
    with pytest.raises(Conflict, match="another repository"):
        move(repo, ORIGIN, "../taken")
    pack = next((tmp_path / "remote" / "packs").glob("*.data"))
    data = bytearray(pack.read_bytes())
    data[20] ^= 1
    pack.write_bytes(data)
    with pytest.raises(CorruptData, match="is damaged"):
        move(repo, ORIGIN, "../moved")
    assert there(repo).log.moved_to is None
    assert repo.settings.remotes["origin"].url == ORIGIN.url

"""Forgetting: what was forgotten can be collected, and nothing else ever is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.repos import collect_here, new_repo, save
from xver.errors import Conflict, ContentNotFound
from xver.history.bounds import bounds_of
from xver.history.graph import read_snapshot
from xver.history.reach import Edge, reach
from xver.history.revisions import snapshot_target
from xver.model.ids import Kind, SnapshotId, chunk_id
from xver.model.refs import EVICTED, HEADS, TAGS, TargetKind
from xver.repo import Repo
from xver.settings import Retention
from xver.store.log import Change
from xver.store.store import Store
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.upkeep.evict import evict, plan_eviction
from xver.upkeep.forget import Plan, Rule, forget, plan_by_name, plan_by_rule
from xver.upkeep.fsck import check
from xver.upkeep.gc import NONE, collect, marks_of
from xver.upkeep.past import History, past_in_store, tips
from xver.versioning import branches
from xver.versioning.commits import commit_merge
from xver.versioning.logs import log
from xver.versioning.versions import entries_at


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work")


def past(repo: Repo) -> History:
    return past_in_store(repo, repo.store, tips(repo))


def give_up(repo: Repo, plan: Plan) -> None:
    forget(repo.store, plan, TargetKind.SNAPSHOT, by_rule=True)


def versions(repo: Repo, count: int) -> list[str]:
    return [save(repo, {"data/a": f"version {n}".encode(), "data/same": b"same"}) for n in range(count)]


def holds(repo: Repo, text: str) -> bool:
    return chunk_id(text.encode()) in repo.store


def test_what_only_a_forgotten_version_has_is_collected_and_nothing_else(repo: Repo) -> None:
    ids = versions(repo, 4)
    give_up(repo, plan_by_name(past(repo).versions, [ids[1]]))
    assert holds(repo, "version 1")
    collect_here(repo, NONE)
    assert [holds(repo, f"version {n}") for n in range(4)] == [True, False, True, True]
    assert holds(repo, "same")
    assert check(repo).problems == ()
    assert [one.id for one in log(repo)] == ids[::-1]
    with pytest.raises(ContentNotFound) as caught:
        entries_at(repo, ids[1])
    assert ids[1][:7] in (caught.value.hint or "")


def test_a_rule_spares_what_is_named_and_takes_the_rest(repo: Repo) -> None:
    ids = versions(repo, 4)
    branches.create(repo, TAGS, "v1", ids[1])
    plan = plan_by_rule(past(repo), Rule(before=1 << 40))
    assert {one.label for one in plan.forget} == {ids[0], ids[2]}
    assert {one.label: one.tag for one in plan.spared if one.tag} == {ids[1]: "v1"}
    assert ids[3] in {one.label for one in plan.spared}
    assert plan.left == 2


def test_a_version_with_the_data_of_a_tip_is_needed_by_it(repo: Repo) -> None:
    ids = versions(repo, 2)
    again = save(repo, {"data/a": b"version 0"})
    plan = plan_by_rule(past(repo), Rule(before=1 << 40))
    assert {one.label for one in plan.forget} == {ids[1]}
    assert {one.label for one in plan.spared} == {ids[0], again}


@pytest.mark.parametrize("keep_tags", [True, False])
def test_a_retention_table_is_asked_of_each_branch(repo: Repo, keep_tags: bool) -> None:
    trunk = versions(repo, 3)
    branches.create(repo, TAGS, "v0", trunk[0])
    branches.switch(repo, "side", new=True)
    side = [save(repo, {"data/a": f"side {n}".encode()}) for n in range(3)]
    plan = plan_by_rule(past(repo), Rule(retention=Retention(keep_last=2, keep_tags=keep_tags)))
    # main keeps its last two, side its own last two; of all three that v0 could save it saves one.
    expected = {side[0]} | (set() if keep_tags else {trunk[0]})
    assert {one.label for one in plan.forget} == expected


def test_what_was_forgotten_once_is_not_counted_again(repo: Repo) -> None:
    ids = versions(repo, 4)
    give_up(repo, plan_by_name(past(repo).versions, ids[:1]))
    assert set(past(repo).versions) == set(ids[1:])
    assert plan_by_rule(past(repo), Rule(before=1 << 40)).left == 1


def test_a_tag_that_comes_meanwhile_stops_a_rule(repo: Repo) -> None:
    ids = versions(repo, 3)
    plan = plan_by_rule(past(repo), Rule(before=1 << 40))
    other = Repo(repo.places)
    branches.create(other, TAGS, "v0", ids[0])
    with pytest.raises(Conflict, match="named one of these"):
        give_up(repo, plan)
    assert bounds_of(Repo(repo.places).store).forgotten == set()


def test_a_branch_at_a_forgotten_version_brings_it_back_while_it_is_there(repo: Repo) -> None:
    ids = versions(repo, 3)
    give_up(repo, plan_by_name(past(repo).versions, ids[:2]))
    branches.create(repo, HEADS, "back", ids[0])
    collect_here(repo, NONE)
    assert [holds(repo, f"version {n}") for n in range(3)] == [True, False, True]
    branches.create(repo, TAGS, "gone", ids[1])  # too late for its data; the name still tells which version it was
    assert bounds_of(repo.store).forgotten == {bytes.fromhex(ids[1])}
    assert check(repo).problems == ()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_is_kept_is_ever_lost(repo: Repo, seed: int) -> None:
    rng = random.Random(seed)
    ids: list[str] = []
    for n in range(12):
        if ids and rng.random() < 0.3:
            branches.switch(repo, rng.choice(ids), force=True)
        contents = {f"data/{rng.randrange(4)}": rng.choice([f"{n}".encode(), rng.randbytes(300_000), b"again"])}
        if len(ids) > 2 and rng.random() < 0.2:
            one, other = rng.sample(ids, 2)
            ids.append(commit_merge(repo, "join", (_id(one), _id(other))).id)
        else:
            ids.append(save(repo, {**contents, "data/n": f"version {n}".encode()}))
        repo.store.move("keep", {f"snapshots/{ids[-1]}": snapshot_target(_id(ids[-1]))})
    doomed = rng.sample(ids[:-1], 5)
    give_up(repo, plan_by_name(past(repo).versions, [one for one in doomed if one in past(repo).versions]))
    collect_here(repo, NONE)
    fresh = Repo(repo.places)
    for one in {*ids} - {*doomed}:
        root = read_snapshot(fresh.store, _id(one)).root
        for edge in reach(fresh.store, [Edge(Kind.LISTING, root)]).values():
            fresh.store.get(edge.kind, edge.id)
    assert check(fresh).problems == ()


def _id(text: str) -> SnapshotId:
    return SnapshotId(bytes.fromhex(text))


def test_many_versions_are_forgotten_in_entries_that_are_not_too_large(repo: Repo) -> None:
    ids = versions(repo, 1)
    with repo.store.packer() as packer:
        from xver.format.snapshots import encode_snapshot

        one = read_snapshot(repo.store, _id(ids[0]))
        many = [
            packer.put(Kind.SNAPSHOT, encode_snapshot(type(one)(one.root, (), one.author, n, 0, "x")))
            for n in range(4000)
        ]
        index = packer.finish()
    assert index is not None
    refs = {f"snapshots/{id.hex()}": (None, snapshot_target(SnapshotId(id))) for id in many}
    repo.store.commit(Change("many", refs=refs, add_index=(index,)))
    forget(
        repo.store,
        plan_by_name(past(repo).versions, [id.hex() for id in many]),
        TargetKind.SNAPSHOT,
        by_rule=True,
    )
    assert bounds_of(Repo(repo.places).store).forgotten == set(many)


def test_a_collection_between_the_plan_and_the_entry_stops_nobody_at_a_remote(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "work", remote=str(tmp_path / "remote"))
    (remote,) = repo.settings.remotes.values()
    ids = []
    for n in range(3):
        ids.append(save(repo, {"data/a": random.Random(n).randbytes(200_000)}))
        push(repo, remote)
    there, other = open_remote(repo, remote), open_remote(repo, remote)
    plan = plan_by_name(past_in_store(repo, there, tips(repo, there)).versions, [ids[1]])
    first = plan_by_name(past_in_store(repo, other, tips(repo, other)).versions, [ids[0]])
    forget(other, first, TargetKind.SNAPSHOT, by_rule=True)
    assert collect(other, marks_of(other), NONE).done.removed
    forget(there, plan, TargetKind.SNAPSHOT, by_rule=True)
    assert bounds_of(there).forgotten == {bytes.fromhex(id) for id in ids[:2]}


class TestEvicted:
    """Versions at a remote of which a clone gave its own copy up."""

    @pytest.fixture
    def ids(self, tmp_path: Path) -> list[str]:
        """Push four versions, evict after the third; return their ids."""
        repo = new_repo(tmp_path / "work", remote=str(tmp_path / "remote"))
        (remote,) = repo.settings.remotes.values()
        ids = []
        for n in range(4):
            ids.append(save(repo, {"data/a": random.Random(n).randbytes(200_000)}))
            push(repo, remote)
            if n == 2:
                there = open_remote(repo, remote)
                evict(repo, there, "origin", plan_eviction(repo, there))
        return ids

    @pytest.fixture
    def there(self, ids: list[str], tmp_path: Path) -> tuple[Repo, Store]:
        """Return another clone, and the remote as it sees it."""
        copy = clone(str(tmp_path / "remote"), tmp_path / "copy")
        return copy, open_remote(copy, copy.settings.remotes["origin"])

    def test_a_rule_spares_them_with_all_that_came_before(self, ids: list[str], there: tuple[Repo, Store]) -> None:
        copy, store = there
        history = past_in_store(copy, store, tips(copy, store))
        plan = plan_by_rule(history, Rule(before=1 << 40))
        assert plan.forget == ()
        assert [one.label for one in plan.spared if one.evicted.startswith("clone ")] == ids[2::-1]
        plan = plan_by_rule(history, Rule(before=1 << 40, takes_evicted=True))
        assert {one.label for one in plan.forget} == {*ids[:3]}

    def test_by_name_only_if_that_is_said(self, ids: list[str], there: tuple[Repo, Store]) -> None:
        copy, store = there
        past = past_in_store(copy, store, tips(copy, store)).versions
        with pytest.raises(Conflict, match=f"evicted {ids[1][:7]}") as caught:
            plan_by_name(past, [ids[1]])
        assert "--evicted" in (caught.value.hint or "")
        assert plan_by_name(past, [ids[1]], takes_evicted=True).forget == (past[ids[1]],)
        assert plan_by_name(past, [ids[3]]).forget == (past[ids[3]],)

    @pytest.mark.parametrize("by_rule", [True, False])
    def test_an_eviction_after_the_plan_stops_it(self, ids: list[str], tmp_path: Path, by_rule: bool) -> None:
        repo = clone(str(tmp_path / "remote"), tmp_path / "copy")
        remote = repo.settings.remotes["origin"]
        there, other = open_remote(repo, remote), open_remote(repo, remote)
        there.move("drop", {name: None for name in there.log.refs if name.startswith(EVICTED)})
        history = past_in_store(repo, there, tips(repo, there))
        plan = plan_by_rule(history, Rule(before=1 << 40))
        assert {one.label for one in plan.forget} == {*ids[:3]}
        evict(repo, other, "origin", plan_eviction(repo, other))
        with pytest.raises(Conflict, match="evicted something meanwhile"):
            forget(there, plan, TargetKind.SNAPSHOT, by_rule=by_rule)
        assert bounds_of(open_remote(repo, remote)).forgotten == set()

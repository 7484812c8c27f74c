"""fsck --repair and --rebuild-index: whole again from any copy that is, and never from one that is not."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from tests.support.faulty import FaultyStorage
from tests.support.recorded import project
from tests.support.repos import new_repo, read_tree, reopened, save
from tests.support.samples import CHUNK, CHUNK_ID, EDITED
from xver.cli.app import main
from xver.format.codecs import Codec, encode_delta
from xver.format.indexes import Container, Place
from xver.history.graph import read_snapshot
from xver.model.ids import Kind, SnapshotId, chunk_id
from xver.repo import Repo, open_repo
from xver.settings import Remote, add_remote
from xver.storage.local import LocalStorage
from xver.store import log, pack_writer, packing
from xver.store.store import Store, open_store
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import open_remote, open_remote_afresh
from xver.upkeep import rebuild
from xver.upkeep.copies import Source
from xver.upkeep.findings import Findings
from xver.upkeep.fsck import NOTHING, check, check_remote
from xver.upkeep.own_files import take_files
from xver.upkeep.rebuild import rebuild_index
from xver.upkeep.repair import Repaired, repair
from xver.versioning.branches import switch
from xver.versioning.tracking import add

ORIGIN = Remote("origin", "../remote")
FIRST = {"data/a": b"text " * 300, "data/b": random.Random(1).randbytes(600_000), "note": b"1"}
SECOND = {"data/a": b"second"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits in packs of at most 100 kB, with every kind of file, pushed."""
    root = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack_writer, "DATA_PACK_SIZE", 100_000)
        patch.setattr(packing, "INLINE_MAX", 100)
        patch.setattr(log, "CHECKPOINT_EVERY", 4)
        repo = new_repo(root / "work", FIRST, remote=ORIGIN.url)
        save(repo, SECOND, "second")
        for n in range(4):
            repo.store.move("tick", {"tags/tick": repo.store.log.refs["heads/main"] if n % 2 == 0 else None})
        push(repo, ORIGIN)
    return root


@pytest.fixture
def repo(pristine: Path, tmp_path: Path) -> Repo:
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return open_repo(tmp_path / "work")


def mend(repo: Repo, *, remote: bool = True, files: bool = False) -> tuple[Repaired, Findings]:
    return repair(
        repo.store,
        partial(check, repo),
        [Source("origin", open_remote(repo, ORIGIN))] if remote else [],
        may_be_elsewhere=bool(repo.settings.remotes),
        files=partial(take_files, repo) if files else None,
    )


def mend_remote(repo: Repo) -> tuple[Repaired, Findings]:
    with open_remote_afresh(repo, ORIGIN) as there:
        return repair(there, partial(check_remote, there, sample=NOTHING), [Source("here", repo.store)])


def without_remote(repo: Repo) -> Repo:
    repo.settings_path.write_text("")
    return reopened(repo)


def both_versions(repo: Repo) -> None:
    """Both commits can be checked out, byte by byte."""
    again = reopened(repo)
    head = read_snapshot(again.store, SnapshotId(again.store.log.refs["heads/main"].id))
    switch(again, head.parents[0].hex())
    assert read_tree(again.root) == FIRST
    switch(again, "main")
    assert read_tree(again.root) == FIRST | SECOND


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda body: body[:at] + bytes([body[at] ^ 1]) + (body[at + 1 :] if at != -1 else b"")


HARM: dict[str, tuple[str, Callable[[bytes], bytes | None]]] = {
    "a data pack is gone": ("packs/*.data", lambda body: None),
    "every data pack is cut": ("packs/*.data *", lambda body: body[: len(body) // 2]),
    "an object is flipped": ("packs/*.data", flipped(14)),
    "a footer is flipped": ("packs/*.data", flipped(-30)),
    "a metadata pack is gone": ("packs/*.meta", lambda body: None),
    "all metadata is flipped": ("packs/*.meta *", flipped(14)),
    "everything is gone": ("packs/* *", lambda body: None),
    "an index is gone": ("index/*", lambda body: None),
    "all indexes are flipped": ("index/* *", flipped(-1)),
    "all indexes and a pack are gone": ("[ip]*/* *", lambda body: None),
    "a checkpoint is flipped": ("checkpoints/*", flipped(-1)),
}


def harm(store: Path, pattern: str, change: Callable[[bytes], bytes | None]) -> int:
    names, _, every = pattern.partition(" ")
    paths = sorted(store.glob(names))
    paths = paths if every else paths[:1]
    for path in paths:
        body = change(path.read_bytes())
        if body is None:
            path.unlink()
        else:
            path.write_bytes(body)
    return len(paths)


@pytest.mark.parametrize("name", HARM)
def test_the_local_store_is_mended_from_a_remote(repo: Repo, name: str) -> None:
    refs = dict(repo.store.log.refs)
    assert harm(repo.root / ".xver" / "store", *HARM[name])
    assert check(reopened(repo)).damage != ()
    done, left = mend(reopened(repo))
    assert left.damage == ()
    assert done.lost == {}
    again = reopened(repo)
    assert check(again).damage == ()
    # Content that the remote has need not be here; everything else is.
    both = without_remote(repo)
    again, left = both, mend(both)[1]
    assert left.damage == ()
    assert again.store.log.refs == refs
    both_versions(repo)


@pytest.mark.parametrize("name", [name for name in HARM if "checkpoint" not in name])
def test_a_remote_is_mended_from_the_local_store(repo: Repo, name: str) -> None:
    assert harm(repo.root.parent / "remote", *HARM[name])
    with open_remote_afresh(repo, ORIGIN) as there:
        found = check_remote(there, sample=NOTHING)
    if "flipped" in name and "object" in name:
        assert found.damage == ()  # content was not asked for
        return
    assert found.damage != ()
    _, left = mend_remote(repo)
    assert left.damage == ()
    shutil.rmtree(repo.cache)
    with open_remote_afresh(repo, ORIGIN) as there:
        assert check_remote(there).damage == ()
    copy = clone(str(repo.root.parent / "remote"), repo.root.parent / "copy")
    assert read_tree(copy.root) == FIRST | SECOND


@pytest.mark.parametrize("name", ["a data pack is gone", "all metadata is flipped", "all indexes are flipped"])
def test_the_files_of_the_work_tree_are_a_source_for_what_they_hold(repo: Repo, name: str) -> None:
    alone = without_remote(repo)
    switch(alone, "main")
    harm(alone.root / ".xver" / "store", *HARM[name])
    before = check(reopened(alone))
    done, left = mend(reopened(alone), remote=False, files=True)
    if name == "all indexes are flipped":
        assert (left.damage, done.brought) == ((), {})
    elif name == "a data pack is gone":
        # What the first commit alone had is in no file any more; what both have is.
        assert done.brought.keys() == {"files"}
        assert len(left.damage) < len(before.damage)
        assert all(":data/a" in one.path for one in left.damage)
    else:
        # Snapshots are in no file: what is lost is named, with what it touches.
        assert any(one.kind is Kind.SNAPSHOT for one in left.damage)
    assert read_tree(alone.root) == FIRST | SECOND


def test_a_file_that_was_changed_is_no_copy_and_what_nobody_has_stays_named(repo: Repo) -> None:
    alone = without_remote(repo)
    (alone.root / "note").write_bytes(b"another")
    place = alone.store.locate(chunk_id(b"1"))
    harm(alone.root / ".xver" / "store", place.container.name, lambda body: None)
    rows = set(alone.store.index.ids())
    _, left = mend(reopened(alone), remote=False, files=True)
    again = reopened(alone)
    assert chunk_id(b"another") not in again.store
    assert {one.path for one in left.damage} >= {"note"}
    assert all(one.what == "is missing" for one in left.damage)
    assert all(len(one.commits) in (1, 2) for one in left.damage)
    assert set(again.store.index.ids()) < rows
    # No index claims it any more, so whoever has it can store it again.
    (again.root / "note").write_bytes(b"1")
    add(again, ["note"], rehash=True)
    assert "note" not in {one.path for one in check(reopened(again)).damage}


def test_a_damaged_copy_mends_nothing(repo: Repo) -> None:
    place = repo.store.locate(chunk_id(b"1"))
    there = open_remote(repo, ORIGIN)
    other = there.locate(chunk_id(b"1"))
    for store, one in ((repo.root / ".xver" / "store", place), (repo.root.parent / "remote", other)):
        harm(store, one.container.name, flipped(one.offset))
    done, left = mend(reopened(without_remote(repo)))
    assert done.brought == {}
    assert set(done.lost) == {chunk_id(b"1")}
    assert {one.path for one in left.damage} == {"note"}


def test_what_is_whole_in_a_damaged_pack_moves_and_the_pack_leaves_the_log(repo: Repo) -> None:
    place = repo.store.locate(chunk_id(b"1"))
    pack = place.container.name
    beside = sum(one.container.name == pack for one in map(repo.store.locate, repo.store.index.ids())) - 1
    harm(repo.root / ".xver" / "store", pack, flipped(place.offset))
    done, left = mend(reopened(repo))
    again = reopened(repo)
    assert (done.brought, done.moved, done.packs) == ({"origin": 1}, beside, 1)
    assert pack in again.store.log.removed
    assert pack not in again.store.log.live_packs()
    # Whoever reads it now may go on: deleting is left to a collection.
    assert again.storage.stat(pack) is not None
    assert left.damage == ()


def test_a_whole_store_is_left_alone(repo: Repo) -> None:
    n = repo.store.log.n
    done, left = mend(repo, files=True)
    assert (done.steps, done.rebuilt, left.damage) == (0, False, ())
    assert reopened(repo).store.log.n == n


def test_a_commit_in_the_middle_of_a_repair_is_kept_and_its_objects_too(repo: Repo) -> None:
    place = repo.store.locate(chunk_id(b"1"))
    harm(repo.root / ".xver" / "store", place.container.name, flipped(place.offset))
    meanwhile = {"late/file": b"late " * 100}
    fired: list[str] = []

    def interfere(method: str, key: str) -> None:
        if method == "create" and key.startswith("log/") and len(fired) < 2:
            fired.append(key)
            save(open_repo(repo.root), {f"late/{len(fired)}": b"late", **meanwhile}, "late")

    slow = reopened(repo)
    slow.storage = FaultyStorage(slow.storage, before=interfere)  # type: ignore[assignment]
    _, left = mend(slow)
    assert len(fired) == 2
    assert left.damage == ()
    again = reopened(repo)
    assert check(again).damage == ()
    assert set(again.lock.entries) == {"data", "note", "late"}


def test_an_index_made_anew_says_what_the_old_ones_said(repo: Repo) -> None:
    def said(store: Store) -> dict[bytes, tuple[object, ...]]:
        places = [place for live in store.log.indexes.values() for place in store.index.open(live).places()]
        return {one.id: (one.container.name, one.offset, one.stored, one.raw, one.kind, one.codec) for one in places}

    before = said(repo.store)
    made = rebuild_index(repo.store)
    assert (made.rows, made.unreadable) == (len(before), ())
    assert len(repo.store.log.indexes) == 1
    assert said(reopened(repo).store) == before
    harm(repo.root / ".xver" / "store", "index/* *", lambda body: None)
    blind = reopened(repo)
    rebuild_index(blind.store)
    assert said(reopened(repo).store) == before
    assert check(reopened(repo)).damage == ()


def test_many_packs_are_rebuilt_into_several_indexes(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "_PACKS", 2)
    monkeypatch.setattr(rebuild, "_AT_A_TIME", 1)
    packs = len(repo.store.log.live_packs())
    made = rebuild_index(repo.store)
    assert made.indexes == len(repo.store.log.indexes) == (packs + 1) // 2
    assert check(reopened(repo)).damage == ()


def test_a_pack_that_only_an_index_knows_keeps_its_rows(repo: Repo) -> None:
    place = repo.store.locate(chunk_id(b"1"))
    harm(repo.root / ".xver" / "store", place.container.name, flipped(-30))
    made = rebuild_index(reopened(repo).store)
    assert made.unreadable == ()
    again = reopened(repo)
    assert again.store.get(Kind.CHUNK, chunk_id(b"1")) == b"1"
    harm(repo.root / ".xver" / "store", "index/* *", lambda body: None)
    made = rebuild_index(reopened(repo).store)
    assert made.unreadable == (place.container.name,)
    assert mend(reopened(without_remote(repo)))[1].damage == ()
    both_versions(repo)


def test_a_delta_whose_base_is_lost_comes_back_whole(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "work", {"d/a": CHUNK, "d/b": EDITED})
    save(repo, {"note": b"1"})
    other = open_store(LocalStorage(shutil.copytree(repo.storage.url, tmp_path / "copy")), client="test")
    # The same store with b as a delta against a, in a pack of its own.
    packed = zstandard.ZstdCompressor(
        dict_data=zstandard.ZstdCompressionDict(CHUNK, dict_type=zstandard.DICT_TYPE_RAWCONTENT),
        write_content_size=True,
    ).compress(EDITED)
    frame = encode_delta([CHUNK_ID], packed)
    with repo.store.packer(anew=True) as packer:
        place = Place(
            chunk_id(EDITED), Container("packs/0.x-0.data", 1, 0), 0, len(frame), len(EDITED), Kind.CHUNK, Codec.DELTA
        )
        packer.put_frame(place, frame)
        repo.store.move("delta", {}, packer.finish())
    assert repo.store.locate(chunk_id(EDITED)).codec is Codec.DELTA
    assert repo.store.get(Kind.CHUNK, chunk_id(EDITED)) == EDITED

    base = repo.store.locate(CHUNK_ID)
    harm(repo.root / ".xver" / "store", base.container.name, flipped(base.offset))
    found = check(reopened(repo))
    assert {one.path for one in found.damage} == {"d/a", "d/b"}
    again = reopened(repo)
    done, left = repair(again.store, partial(check, again), [Source("copy", other)])
    assert left.damage == ()
    assert done.lost == {}
    assert reopened(repo).store.get(Kind.CHUNK, chunk_id(EDITED)) == EDITED


def test_the_commands(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(repo.root)
    harm(repo.root / ".xver" / "store", "packs/*.meta *", lambda body: None)
    assert main(["fsck"]) == 1
    assert "xver fsck --repair mends what others have" in capfd.readouterr().out
    assert main(["fsck", "--repair", "--from", "origin"]) == 0
    assert "objects from origin" in capfd.readouterr().out
    assert main(["fsck", "--rebuild-index", "--data"]) == 0
    harm(repo.root.parent / "remote", "packs/*.meta *", lambda body: None)
    assert main(["fsck", "--remote"]) == 1
    assert main(["fsck", "--remote", "--repair"]) == 0
    assert "objects from this clone" in capfd.readouterr().out
    assert main(["fsck", "--remote", "--rebuild-index", "--data"]) == 0
    assert main(["fsck", "--from", "origin"]) == 2
    shutil.rmtree(repo.root.parent / "remote")
    harm(repo.root / ".xver" / "store", "packs/*.meta *", lambda body: None)
    capfd.readouterr()
    assert main(["fsck", "--repair"]) == 1
    assert "origin is left out" in capfd.readouterr().err
    assert main(["fsck", "--repair", "--from", "origin"]) == 10


def test_a_damaged_log_is_said_to_be_beyond_repair_and_the_way_on_works(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo.root)
    store = repo.root / ".xver" / "store"
    harm(store, f"log/{repo.store.log.n - 1:010d}", lambda body: body[:-1])
    assert main(["fsck", "--repair"]) == 10
    told = capfd.readouterr().err
    assert "hint: the log cannot be made anew: xver clone a remote into a new folder" in told
    assert main(["clone", str(repo.root.parent / "remote"), str(repo.root.parent / "copy")]) == 0
    assert read_tree(repo.root.parent / "copy") == FIRST | SECOND
    assert f"move {repo.storage.url} away, then xver init, xver add" in told
    store.rename(repo.root.parent / "away")
    repo.settings_path.write_text("")
    assert main(["init"]) == 0
    assert main(["add", "data", "note"]) == 0
    assert main(["fsck", "--data"]) == 0


def test_beside_git_the_store_comes_back_from_the_remote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    repo = project(tmp_path / "work", FIRST, tracked=("data", "note"), beside_git=True)
    add_remote(repo.settings_path, ORIGIN)
    push(reopened(repo), ORIGIN)
    harm(Path(repo.storage.url), f"log/{repo.store.log.n - 1:010d}", lambda body: b"")
    monkeypatch.chdir(repo.root)
    assert main(["fsck"]) == 10
    assert f"move {repo.storage.url} away, then xver pull" in capfd.readouterr().err
    Path(repo.storage.url).rename(tmp_path / "away")
    shutil.rmtree(repo.root / "data")
    assert main(["pull"]) == 0
    assert main(["fsck", "--data"]) == 0
    assert (repo.root / "data" / "b").read_bytes() == FIRST["data/b"]


def test_an_old_entry_that_is_damaged_is_named_and_content_is_mended_all_the_same(repo: Repo) -> None:
    harm(repo.root / ".xver" / "store", "log/0000000001", lambda body: body[:-1])
    place = repo.store.locate(chunk_id(b"1"))
    harm(repo.root / ".xver" / "store", place.container.name, lambda body: None)
    _, left = mend(reopened(without_remote(repo)))
    assert [one.key for one in left.damage] == ["log/0000000001"]

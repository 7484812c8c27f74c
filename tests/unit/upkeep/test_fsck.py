"""fsck: every kind of damage is found and named, and a whole store has none."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.support.repos import new_repo, read_tree, reopened, save
from xver.cli.app import main
from xver.errors import XverError
from xver.format.canonical import encode_json
from xver.model.ids import chunk_id
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.store import log, packing
from xver.store.store import open_store
from xver.sync.pull import clone
from xver.sync.push import push
from xver.upkeep.fsck import check
from xver.versioning.restoring import checkout

FILES = {"data/a": b"text " * 300, "data/b": random.Random(1).randbytes(300_000), "note": b"1"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with every kind of file: packs, an index of its own, a checkpoint, entries with indexes inside."""
    repo = new_repo(tmp_path_factory.mktemp("pristine"), FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "INLINE_MAX", 100)
        save(repo, {f"many/{n}": f"file {n}".encode() for n in range(100)}, "many")
        patch.setattr(log, "CHECKPOINT_EVERY", 8)
        for n in range(12):
            repo.store.move("tick", {"tags/tick": repo.store.log.refs["heads/main"] if n % 2 else None})
        patch.undo()
    save(repo, {"data/a": b"second"}, "second")
    return repo.root


@pytest.fixture
def repo(pristine: Path, tmp_path: Path) -> Repo:
    shutil.copytree(pristine, tmp_path / "repo")
    return open_repo(tmp_path / "repo")


def store_files(repo: Repo) -> list[Path]:
    store = repo.root / ".xver" / "store"
    return sorted(path for path in store.rglob("*") if path.is_file() and path.name != "README.txt")


def problems(repo: Repo) -> list[str]:
    """Return what fsck finds, or what keeps the store from being opened."""
    try:
        return list(check(reopened(repo)).problems)
    except XverError as error:
        return [error.message]


def test_a_whole_store_is_whole_and_everything_in_it_is_read(repo: Repo) -> None:
    found = check(repo)
    assert found.problems == ()
    assert found.objects == repo.store.index.rows()
    assert found.size > 300_000
    assert found.promised == 0
    kinds = {path.relative_to(repo.root / ".xver" / "store").parts[0] for path in store_files(repo)}
    assert kinds == {"xver.json", "log", "index", "packs", "checkpoints"}


def state(repo: Repo) -> object:
    """Return all that a store means: refs, live packs, and the bytes of every object."""
    store = open_store(repo.storage, client="test")
    objects = {}
    for live in store.log.indexes.values():
        for place in store.index.open(live).places():
            objects[place.id] = store.get(place.kind, place.id)
    return store.repository, store.log.refs, store.log.live_packs(), objects


@pytest.mark.parametrize("part", range(4))
def test_a_flipped_byte_in_any_file_is_found_or_harmless(repo: Repo, part: int) -> None:
    rng = random.Random(part)
    before = state(repo)
    silent = []
    for path in store_files(repo):
        body = path.read_bytes()
        # Most entries are alike: of the log the first and last are tried each time, of the rest some.
        if (
            path.parent.name == "log"
            and rng.random() < 0.85
            and not path.name.endswith(("00", str(repo.store.log.n - 1)))
        ):
            continue
        for at in {rng.randrange(len(body)), min(len(body) - 1, rng.randrange(200))}:
            path.write_bytes(body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :])
            if not problems(repo):
                silent.append((path, at))
                assert state(repo) == before, (path, at)
            path.write_bytes(body)
    # Only the newest entry's words about itself (time, client, nonce) are guarded by nothing yet.
    assert all(path.parent.name == "log" for path, _ in silent)


@pytest.mark.parametrize("damage", ["removed", "cut short", "emptied", "grown"])
def test_a_file_that_is_not_whole_is_named(repo: Repo, damage: str) -> None:
    for path in store_files(repo):
        if damage == "removed" and path.name == "xver.json":
            # It is made anew under the id that xver.lock has, as in a fresh git clone.
            continue
        if damage == "removed" and path.name == f"{repo.store.log.n - 1:010d}":
            # Without its newest entry a log is what it was before: only who remembers that entry can tell.
            continue
        body = path.read_bytes()
        if damage == "removed":
            path.unlink()
        else:
            path.write_bytes({"cut short": body[:-1], "emptied": b"", "grown": body + b"\0"}[damage])
        found = problems(repo)
        assert found, path
        if path.parent.name in ("packs", "index", "checkpoints", "log"):
            assert any(path.name in problem for problem in found) or "log entry" in found[0], (path, found)
        path.write_bytes(body)
    assert problems(repo) == []


def test_a_damaged_object_is_named_with_its_path(repo: Repo) -> None:
    place = repo.store.locate(chunk_id(b"file 47"))
    pack = Path(repo.storage.path(place.container.name))
    body = bytearray(pack.read_bytes())
    body[place.offset] ^= 1
    pack.write_bytes(body)
    assert any("many/47 is damaged" in problem for problem in problems(repo))


def test_an_object_that_no_ref_reaches_is_checked_as_well(repo: Repo) -> None:
    """The next add would rely on it."""
    place = repo.store.locate(chunk_id(b"text " * 300))
    repo.store.move("forget", dict.fromkeys(list(repo.store.log.refs)))
    assert check(reopened(repo)).problems == ()
    pack = Path(repo.storage.path(place.container.name))
    body = bytearray(pack.read_bytes())
    body[place.offset + 4] ^= 1
    pack.write_bytes(body)
    assert any(chunk_id(b"text " * 300).hex()[:8] in problem for problem in problems(repo))


def test_a_lock_of_another_repository_is_told(repo: Repo) -> None:
    marker = repo.root / ".xver" / "store" / "xver.json"
    record = json.loads(marker.read_bytes())
    marker.write_bytes(encode_json(record | {"repository": "another"}))
    assert problems(repo) == ["xver.lock belongs to another repository than the store"]


def test_what_the_lock_names_and_the_store_lost_is_told(repo: Repo) -> None:
    for entry in list((repo.root / ".xver" / "store" / "log").iterdir()):
        entry.unlink()
    found = problems(repo)
    assert any(line.startswith("listing") and line.endswith("of many is missing") for line in found)


def test_what_a_remote_keeps_is_promised_and_no_damage(tmp_path: Path) -> None:
    origin = Remote("origin", "../remote")
    push(new_repo(tmp_path / "work", FILES, remote=origin.url), origin)
    copy = clone(str(tmp_path / "remote"), tmp_path / "copy", checks_out=False)
    found = check(copy)
    assert found.problems == ()
    assert found.promised > 2


def test_without_a_remote_what_is_not_here_is_missing(tmp_path: Path) -> None:
    origin = Remote("origin", "../remote")
    push(new_repo(tmp_path / "work", FILES, remote=origin.url), origin)
    copy = clone(str(tmp_path / "remote"), tmp_path / "copy", checks_out=False)
    copy.settings_path.write_text("")
    found = check(reopened(copy))
    assert found.promised == 0
    assert any("data/a is missing" in problem for problem in found.problems)


def test_the_command_ends_with_1_and_a_line_for_each_problem(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo.root)
    assert main(["fsck"]) == 0
    (pack,) = (path for path in store_files(repo) if path.name.startswith("0.") and path.name.endswith(".data"))
    body = pack.read_bytes()
    pack.write_bytes(body[:-1])
    capfd.readouterr()
    assert main(["fsck"]) == 1
    assert pack.name in capfd.readouterr().out
    pack.write_bytes(body)
    shutil.rmtree(repo.root / "data")
    checkout(reopened(repo))
    assert read_tree(repo.root)["data/b"] == FILES["data/b"]


def test_of_a_pack_with_many_damaged_objects_some_are_named_and_all_of_them_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    repo = new_repo(tmp_path / "repo", {f"many/{n}": f"file {n}".encode() for n in range(100)})
    monkeypatch.chdir(repo.root)
    (pack,) = (path for path in store_files(repo) if path.name.endswith(".data"))
    pack.unlink()
    assert main(["fsck"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert sum(line.startswith("chunk ") for line in lines) in (19, 20)
    assert f"… and 81 more in packs/{pack.name} (--json names all)" in lines
    assert len(lines) == 22
    assert main(["fsck", "--json"]) == 1
    assert len(json.loads(capfd.readouterr().out)["damage"]) == 101


def test_what_is_damaged_in_one_pack_and_whole_in_another_is_no_damaged_object(repo: Repo) -> None:
    place = repo.store.locate(chunk_id(b"file 47"))
    with repo.store.packer(anew=True) as packer:
        packer.put(place.kind, b"file 47", place.id)
        repo.store.move("again", {}, packer.finish())
    pack = Path(repo.storage.path(place.container.name))
    body = bytearray(pack.read_bytes())
    body[place.offset] ^= 1
    pack.write_bytes(body)
    assert problems(repo) == [f"{place.container.name} holds an object that cannot be read, and that other packs have"]
    assert place.container.name in check(reopened(repo)).damaged

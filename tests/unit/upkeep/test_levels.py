"""fsck in levels, here and at a remote: what each finds and reads, whom it names, and that an outage is no damage."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faulty import FaultyStorage
from tests.support.repos import new_repo, reopened, save
from xver.cli.app import main
from xver.errors import CorruptData, TransientStorageError
from xver.format.runs import encode_run
from xver.model.ids import Kind, chunk_id
from xver.model.refs import RUNS, Target, TargetKind
from xver.model.runs import Evidence, Output, Run, Status
from xver.repo import Repo, open_repo
from xver.settings import Remote
from xver.storage.local import LocalStorage
from xver.store import pack_writer, packing
from xver.store.store import open_store
from xver.sync.push import push
from xver.sync.remotes import open_remote, open_remote_afresh
from xver.upkeep.checks import footers
from xver.upkeep.findings import Findings
from xver.upkeep.fsck import EVERYTHING, NOTHING, Sample, check, check_remote

ORIGIN = Remote("origin", "../remote")
FIRST = {"data/a": b"text " * 300, "data/b": random.Random(1).randbytes(600_000), "note": b"1"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits in packs of at most 100 kB, pushed; the second keeps data/b of the first."""
    root = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack_writer, "DATA_PACK_SIZE", 100_000)
        patch.setattr(packing, "INLINE_MAX", 100)
        repo = new_repo(root / "work", FIRST, remote=ORIGIN.url)
        save(repo, {"data/a": b"second"}, "second")
        push(repo, ORIGIN)
    return root


@pytest.fixture
def repo(pristine: Path, tmp_path: Path) -> Repo:
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    return open_repo(tmp_path / "work")


def flip(store: Path, key: str, at: int) -> None:
    body = bytearray((store / key).read_bytes())
    body[at] ^= 1
    (store / key).write_bytes(body)


def flip_object(repo: Repo, data: bytes) -> str:
    """Damage an object in the local store; return its pack."""
    place = repo.store.locate(chunk_id(data))
    flip(repo.root / ".xver" / "store", place.container.name, place.offset)
    return place.container.name


def remote_found(repo: Repo, sample: Sample = NOTHING) -> Findings:
    with open_remote_afresh(repo, ORIGIN) as there:
        return check_remote(there, sample=sample)


def test_content_is_read_only_when_asked_for_and_what_was_not_read_is_counted(repo: Repo) -> None:
    flip_object(repo, b"1")
    quick, whole = check(reopened(repo), sample=NOTHING), check(reopened(repo), sample=EVERYTHING)
    assert quick.damage == ()
    assert (quick.objects, quick.unread) == (0, sum(repo.store.log.live_packs().values()))
    assert [str(one).startswith("chunk b3:") and " of note is damaged" in str(one) for one in whole.damage] == [True]
    assert (whole.objects, whole.unread) == (repo.store.index.rows(), 0)


@pytest.mark.parametrize("harm", ["gone", "cut", "footer", "header"])
def test_a_pack_that_is_no_pack_is_found_without_reading_content(repo: Repo, harm: str) -> None:
    (name,) = {place.container.name for place in [repo.store.locate(chunk_id(b"1"))]}
    path = Path(repo.storage.path(name))
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        flip(repo.root / ".xver" / "store", name, -30 if harm == "footer" else 3)
    found = check(reopened(repo), sample=NOTHING)
    assert any(one.key == name and one.id is None for one in found.damage)
    assert found.damaged == {name}
    # Content is named where it is lost, and only there: a damaged table of objects hides no byte of theirs.
    assert any(one.path == "note" for one in found.damage) == (harm == "gone")


def test_what_is_lost_is_named_with_each_commit_and_run_it_touches(repo: Repo) -> None:
    commits = {target.id.hex() for name, target in repo.store.log.refs.items() if name.startswith("heads/")}
    run = Run(
        "01J00000000000000000000000", "brisk-heron", Status.OK, ("make",), "", 1, 1, "ada", "here",
        outputs=(Output("note", chunk_id(b"1"), 1, Evidence.WATCHED, kept=True),),
    )  # fmt: skip
    with repo.store.packer() as packer:
        id = packer.put(Kind.RUN, encode_run(run))
        repo.store.move("run", {RUNS + run.ulid: Target(TargetKind.RUN, id)}, packer.finish())
    flip_object(repo, b"1")
    flip_object(repo, b"text " * 300)
    by_path = {one.path.rpartition(":")[2]: one for one in check(reopened(repo)).damage}
    assert set(by_path) == {"note", "data/a"}
    assert len(by_path["note"].commits) == 2
    assert commits < set(by_path["note"].commits)
    # The old text is in the first commit only, and named by it.
    assert len(by_path["data/a"].commits) == 1
    assert not commits & set(by_path["data/a"].commits)
    assert by_path["data/a"].path == f"{by_path['data/a'].commits[0][:8]}:data/a"
    assert (by_path["note"].runs, by_path["data/a"].runs) == (("brisk-heron",), ())
    assert str(by_path["note"]).endswith("; run brisk-heron")


def test_of_a_file_with_many_lost_chunks_one_line_tells(repo: Repo) -> None:
    for path in (repo.root / ".xver" / "store" / "packs").glob("*.data"):
        path.unlink()
    found = check(reopened(repo), sample=NOTHING)
    lines = [one for one in found.damage if one.path == "data/b"]
    assert len(lines) == 1
    assert lines[0].more > 2
    assert f"and {lines[0].more} more objects of it" in str(lines[0])


def test_a_share_is_chosen_by_its_seed_and_at_least_one_pack_is_read(repo: Repo) -> None:
    packs = len(repo.store.log.live_packs())
    assert packs > 6
    some = [check(repo, sample=Sample(0.5, seed)).objects for seed in (1, 1, 2, 3, 4)]
    assert some[0] == some[1]
    assert len(set(some)) > 1
    assert 0 < check(repo, sample=Sample(0.5, 1)).sampled < packs
    least = check(repo, sample=Sample(0.0001, 5))
    assert least.sampled == 1
    assert least.objects > 0


def test_a_tombstone_is_no_loss(repo: Repo) -> None:
    name = flip_object(repo, b"1")
    Path(repo.storage.path(name)).unlink()
    again = reopened(repo)
    again.store.log.tombstones = {chunk_id(b"1").hex()}
    found = check(again, sample=NOTHING)
    assert not any(one.path == "note" for one in found.damage)


REMOTE_HARM: list[tuple[str, Callable[[bytes], bytes | None]]] = [
    ("packs/*.data", lambda body: None),
    ("packs/*.data", lambda body: body[:-1]),
    ("packs/*.data", lambda body: body[:-40] + bytes([body[-40] ^ 1]) + body[-39:]),
    ("packs/*.meta", lambda body: None),
    ("packs/*.meta", lambda body: body[:-40] + bytes([body[-40] ^ 1]) + body[-39:]),
    ("packs/*.meta", lambda body: body[:30] + bytes([body[30] ^ 1]) + body[31:]),
    ("index/*", lambda body: None),
    ("index/*", lambda body: body[:300] + bytes([body[300] ^ 1]) + body[301:]),
    ("index/*", lambda body: body + b"\0"),
]


@pytest.mark.parametrize(("pattern", "harm"), REMOTE_HARM)
def test_damage_at_a_remote_is_named_though_we_remember_it_whole(
    repo: Repo, pattern: str, harm: Callable[[bytes], bytes | None]
) -> None:
    assert remote_found(repo, EVERYTHING).damage == ()
    open_remote(repo, ORIGIN)
    path = max((repo.root.parent / "remote").glob(pattern))
    new = harm(path.read_bytes())
    if new is None:
        path.unlink()
    else:
        path.write_bytes(new)
    found = remote_found(repo)
    key = path.relative_to(repo.root.parent / "remote").as_posix()
    assert any(key in str(one) for one in found.damage), found.damage


def test_a_log_that_is_not_what_we_remember_is_told_at_once(repo: Repo) -> None:
    open_remote(repo, ORIGIN)
    path = repo.root.parent / "remote" / "log" / "0000000000"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptData, match="log entry 0 has changed"):
        remote_found(repo)


def test_a_long_footer_of_a_remote_pack_is_read_by_one_more_range(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footers, "_GUESS", 100)
    assert remote_found(repo).damage == ()


def test_a_remote_is_asked_for_footers_and_not_for_content(repo: Repo) -> None:
    storage = FaultyStorage(LocalStorage(repo.root.parent / "remote"))
    there = open_store(storage, client="test")
    read: list[int] = []
    get_many = storage.get_many
    storage.get_many = lambda parts: (read.extend(part.length for _, part in parts), get_many(parts))[1]  # type: ignore[func-returns-value, method-assign]
    assert check_remote(there).damage == ()
    assert sum(read) < 20_000 + 64 * 1024 * len(there.log.live_packs())
    everything = len(read)
    assert check_remote(there, sample=EVERYTHING).objects == there.index.rows()
    assert len(read) > 2 * everything


@pytest.mark.parametrize("sample", [NOTHING, EVERYTHING])
def test_an_outage_is_told_as_such_and_never_as_damage(repo: Repo, sample: Sample) -> None:
    inner = LocalStorage(repo.root.parent / "remote")
    n = 0
    while True:
        n += 1
        storage = FaultyStorage(inner, fail_at=n)
        try:
            found = check_remote(open_store(storage, client="test"), sample=sample)
        except TransientStorageError:
            continue
        assert found.damage == ()
        if not storage.fired:
            break
    assert n > 20


def test_the_command_says_what_it_did_not_read(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repo.root)
    assert main(["fsck"]) == 0
    assert "of content not read: xver fsck --data" in capfd.readouterr().out
    assert main(["fsck", "--remote"]) == 0
    assert "of content not read: xver fsck --data --remote" in capfd.readouterr().out
    assert main(["fsck", "--data", "--remote=origin"]) == 0
    assert "not read" not in capfd.readouterr().out
    assert main(["fsck", "--data=30%", "--json"]) == 0
    first = json.loads(capfd.readouterr().out)
    assert main(["fsck", "--data=30%", "--seed", str(first["seed"]), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == first
    name = flip_object(repo, b"1")
    assert main(["fsck", "--data", "--json"]) == 1
    (damage,) = json.loads(capfd.readouterr().out)["damage"]
    assert (damage["key"], damage["id"], damage["path"]) == (name, f"b3:{chunk_id(b'1').hex()}", "note")
    assert len(damage["commits"]) == 2


@pytest.mark.parametrize("share", ["0%", "101%", "5", "many"])
def test_a_share_that_is_none_is_refused(repo: Repo, monkeypatch: pytest.MonkeyPatch, share: str) -> None:
    monkeypatch.chdir(repo.root)
    assert main(["fsck", f"--data={share}"]) == 2

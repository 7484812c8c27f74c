"""push --dry-run, --verify, --repair, --single-writer: each does what it says, and no more."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.support.repos import new_repo, read_tree, reopened, save
from xver.cli.app import main
from xver.errors import Conflict, StorageError
from xver.model.ids import chunk_id
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.base import Storage
from xver.storage.local import LocalStorage
from xver.storage.locate import locate
from xver.store import pack_writer, packing
from xver.store.store import is_for_single_writer
from xver.sync import remotes
from xver.sync.pull import clone
from xver.sync.push import foresee, push
from xver.sync.remotes import open_remote_afresh
from xver.upkeep.fsck import EVERYTHING, check_remote, verify

ORIGIN = Remote("origin", "../remote")
FILES = {"data/a": b"text " * 300, "data/b": random.Random(1).randbytes(600_000), "note": b"1"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "work", FILES, remote=ORIGIN.url)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_dry_run_makes_no_remote_and_foresees_what_a_push_sends(repo: Repo) -> None:
    there = repo.root.parent / "remote"
    seen = foresee(repo, ORIGIN)
    assert not there.exists()
    assert (seen.creates, seen.behind, [name for name, _, _ in seen.refs]) == (True, False, ["heads/main"])
    sent = push(reopened(repo), ORIGIN)
    assert (seen.size, seen.packs) == (sent.size, sent.packs)
    save(repo, {"data/c": b"more " * 1000}, "more")
    before = tree(there)
    seen = foresee(reopened(repo), ORIGIN)
    assert tree(there) == before
    assert seen.objects > 0
    assert not seen.creates
    assert push(reopened(repo), ORIGIN).size == seen.size
    nothing = foresee(reopened(repo), ORIGIN)
    assert (nothing.refs, nothing.objects) == ((), 0)


def test_a_dry_run_foresees_a_refusal(repo: Repo) -> None:
    push(repo, ORIGIN)
    other = clone(str(repo.root.parent / "remote"), repo.root.parent / "other")
    save(other, {"theirs": b"1"}, "theirs")
    push(reopened(other), ORIGIN)
    save(repo, {"ours": b"1"}, "ours")
    assert foresee(reopened(repo), ORIGIN).behind
    with pytest.raises(Conflict):
        push(reopened(repo), ORIGIN)


def test_verify_finds_what_was_lost_after_the_push_and_reads_only_what_the_refs_need(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "DATA_PACK_SIZE", 100_000)
    done = push(repo, ORIGIN)
    with open_remote_afresh(repo, ORIGIN) as there:
        found = verify(there, done.targets)
        assert (found.damage, found.packs) == ((), done.packs)
        pack = there.locate(chunk_id(b"1")).container.name
    (repo.root.parent / "remote" / pack).unlink()
    with open_remote_afresh(repo, ORIGIN) as there:
        found = verify(there, done.targets)
    assert {one.key for one in found.damage} == {pack}
    assert any(one.path.endswith(":note") and one.commits for one in found.damage)


@pytest.mark.parametrize("pattern", ["packs/*.data", "packs/*.meta", "index/*", "checkpoints/*"])
def test_the_commands_prove_and_mend(
    repo: Repo, pattern: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packing, "INLINE_MAX", 10)
    monkeypatch.chdir(repo.root)
    assert main(["push", "--repair", "--verify"]) == 0
    assert "Verified origin: " in capfd.readouterr().out
    harmed = sorted((repo.root.parent / "remote").glob(pattern))
    for path in harmed:
        body = bytearray(path.read_bytes())
        body[-30] ^= 1
        path.write_bytes(body)
    if harmed:
        capfd.readouterr()
        assert main(["push", "--verify"]) == 16
        told = capfd.readouterr().err
        assert harmed[0].name in told
        assert "hint: xver push --repair --verify" in told
    assert main(["push", "--repair", "--verify"]) == 0
    with open_remote_afresh(repo, ORIGIN) as there:
        assert check_remote(there, sample=EVERYTHING).damage == ()
    assert read_tree(clone(str(repo.root.parent / "remote"), repo.root.parent / "copy").root) == FILES


def test_a_repair_that_this_clone_cannot_finish_says_what_is_lost(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    push(repo, ORIGIN)
    other = clone(str(repo.root.parent / "remote"), repo.root.parent / "other")
    save(other, {"theirs": b"only there"}, "theirs")
    push(reopened(other), ORIGIN)
    there = repo.root.parent / "remote"
    for path in (there / "packs").glob("*"):
        path.unlink()
    monkeypatch.chdir(repo.root)
    assert main(["push", "--repair"]) in (7, 16)
    monkeypatch.chdir(other.root)
    assert main(["push", "--repair", "--verify"]) == 0
    assert read_tree(clone(str(there), repo.root.parent / "copy").root) == FILES | {"theirs": b"only there"}


def test_a_dry_run_as_json(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(repo.root)
    assert main(["push", "--dry-run", "--json"]) == 0
    seen = json.loads(capfd.readouterr().out)
    assert (seen["creates"], seen["refs"][0]["name"], seen["refs"][0]["old"]) == (True, "heads/main", None)
    assert main(["push", "--dry-run", "--verify"]) == 2
    assert main(["push", "--json"]) == 2


class Careless(LocalStorage):
    """A folder as some servers are: everybody who creates an object is told that it worked."""

    def create(self, key: str, body: bytes) -> bool:
        self.put(key, body)
        return True


def test_an_unfit_storage_takes_a_single_writer_who_says_so_each_time(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(url: str, *, base: Path, **options: object) -> Storage:
        return Careless(base / url)

    there = repo.root.parent / "remote"
    with monkeypatch.context() as patch:
        patch.setattr(remotes, "locate", careless)
        with pytest.raises(StorageError, match="lets several writers"):
            push(repo, ORIGIN)
        assert not (there / "xver.json").exists()
        assert push(reopened(repo), ORIGIN, single_writer=True).branch == "main"
        assert is_for_single_writer(LocalStorage(there))
        save(repo, {"more": b"1"}, "more")
        before = tree(there)
        with pytest.raises(StorageError, match="for a single writer") as caught:
            push(reopened(repo), ORIGIN)
        assert "xver push --single-writer" in (caught.value.hint or "")
        assert tree(there) == before
        assert push(reopened(repo), ORIGIN, single_writer=True).branch == "main"
    # Readers need say nothing.
    copy = clone(str(there), repo.root.parent / "copy")
    assert read_tree(copy.root) == FILES | {"more": b"1"}


def test_on_a_fit_storage_the_option_changes_nothing(repo: Repo) -> None:
    push(repo, ORIGIN, single_writer=True)
    assert not is_for_single_writer(locate(ORIGIN.url, base=repo.root))
    save(repo, {"more": b"1"}, "more")
    assert push(reopened(repo), ORIGIN).branch == "main"

"""A file of DVC's cache that is gone, and a repair: what nobody has is not forgotten, as the file may come back."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.support.adopted import unpack_dvc
from xver.format.codecs import Codec
from xver.intake.adopting import adopt
from xver.intake.dvc import Dvc
from xver.model.entries import File
from xver.repo import Repo, open_repo
from xver.store.content import read_all
from xver.upkeep.fsck import check
from xver.upkeep.own_files import take_files
from xver.upkeep.repair import repair
from xver.versioning.versions import entry_at

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

BIG = "model.csv"


def adopted(folder: Path) -> Repo:
    repo, _ = unpack_dvc(folder)
    adopt(repo, Dvc(repo.root, repo.git), history=None)
    return repo


def cached(repo: Repo) -> Path:
    """Return the file of DVC's cache that holds `BIG`."""
    md5 = (repo.root / f"{BIG}.dvc").read_text().partition("md5: ")[2].split()[0]
    return repo.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def content(repo: Repo) -> bytes:
    entry = entry_at(repo, None, BIG)
    assert isinstance(entry, File)
    return read_all(repo.store, entry.id, entry.size)


@pytest.mark.parametrize("has_remote", [False, True])
def test_a_repair_that_finds_no_copy_forgets_not_where_the_file_was(tmp_path: Path, has_remote: bool) -> None:
    repo = adopted(tmp_path)
    path, whole = cached(repo), content(repo)
    path.rename(tmp_path / "away")
    (repo.root / BIG).unlink()
    _, found = repair(repo.store, lambda: check(repo), [], may_be_elsewhere=has_remote, files=partial(take_files, repo))
    assert any(str(path) in line and BIG in line for line in found.problems)
    (tmp_path / "away").rename(path)
    again = open_repo(repo.root)
    assert content(again) == whole
    assert check(again).problems == ()


def test_a_repair_takes_from_the_work_tree_what_the_cache_has_lost(tmp_path: Path) -> None:
    repo = adopted(tmp_path)
    path, whole = cached(repo), content(repo)
    path.unlink()
    (repo.root / BIG).write_bytes(whole)
    done, found = repair(repo.store, lambda: check(repo), [], files=partial(take_files, repo))
    assert done.brought["files"] >= 3
    assert found.problems == ()
    (repo.root / BIG).unlink()
    assert content(open_repo(repo.root)) == whole


def test_where_a_file_lies_that_is_not_said_any_more_is_not_kept(tmp_path: Path) -> None:
    repo = adopted(tmp_path)
    found = repo.store.index.find_many(repo.store.index.ids()).values()
    place = next(one for one in found if one.codec is Codec.FOREIGN and one.raw > 50_000)
    pack = Path(repo.storage.url) / place.container.name
    body = bytearray(pack.read_bytes())
    body[place.offset + place.stored - 1] ^= 1
    pack.write_bytes(body)
    (repo.root / BIG).unlink()
    _, left = repair(repo.store, lambda: check(repo), [])
    assert any("is missing" in line for line in left.problems)
    adopt(open_repo(repo.root), Dvc(repo.root, repo.git), history=None)
    assert check(open_repo(repo.root)).problems == ()

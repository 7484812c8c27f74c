"""A DVC project adopted: the same files at every commit, nothing copied, and its cache left alone."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.data.make_dvc_project import commits, make_project
from tests.support.adopted import checked_out, codecs_of, git, state_of, unpack_dvc
from tests.support.repos import reopened
from xver.errors import CorruptData, ForeignChanged, InvalidInput
from xver.format.codecs import Codec
from xver.intake.adopting import Adopted, adopt
from xver.intake.dvc import Dvc
from xver.intake.dvc_ignore import take_rules
from xver.model.entries import File
from xver.model.ids import Kind
from xver.repo import Repo, init_repo
from xver.settings import Remote, add_remote
from xver.storage.local import LocalStorage
from xver.store.content import read_all
from xver.store.store import open_store
from xver.sync.fetch import fetch
from xver.sync.push import push
from xver.upkeep.copies import Source
from xver.upkeep.fsck import NOTHING, check
from xver.upkeep.gc import NONE, collect, marks_here
from xver.upkeep.purging import Place, Wanted, purge
from xver.upkeep.rebuild import rebuild_index
from xver.upkeep.repair import repair
from xver.versioning.logs import log
from xver.versioning.versions import entries_at, entry_at

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

BIG = "model.csv"
CACHE = ".dvc/cache/files/md5"


def adopted(folder: Path, *, history: str | None = "HEAD") -> tuple[Repo, dict[str, dict[str, str]], Adopted]:
    repo, checkouts = unpack_dvc(folder)
    return repo, checkouts, adopt(repo, Dvc(repo.root, repo.git), history=history)


def committed(repo: Repo, url: Path) -> Remote:
    """Commit what was adopted, and make a remote."""
    git(repo.root, "add", "xver.lock")
    git(repo.root, "commit", "-qm", "adopted")
    remote = Remote("origin", str(url))
    add_remote(repo.settings_path, remote)
    return remote


def data_bytes(repo: Repo) -> int:
    return sum(one.size for one in repo.storage.list("packs/") if one.key.endswith(".data"))


def cached(repo: Repo, path: str) -> Path:
    """Return the file of DVC's cache that holds what a `.dvc` file names."""
    md5 = (repo.root / f"{path}.dvc").read_text().partition("md5: ")[2].split()[0]
    return repo.root / CACHE / md5[:2] / md5[2:]


def content(repo: Repo, rev: str | None, path: str) -> bytes:
    entry = entry_at(repo, rev, path)
    assert isinstance(entry, File)
    return read_all(repo.store, entry.id, entry.size)


def test_every_commit_has_the_files_that_dvc_checks_out(tmp_path: Path) -> None:
    repo, checkouts, done = adopted(tmp_path)
    assert {commit: checked_out(repo, commit) for commit in checkouts} == checkouts
    assert (done.versions, done.left) == (3, ())


@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("dvc") is None, reason="needs DVC on the PATH")
def test_a_project_made_now_has_the_files_that_dvc_checks_out(tmp_path: Path) -> None:
    checkouts = make_project(tmp_path / "project")
    repo, _ = init_repo(tmp_path / "project")
    adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert [checked_out(repo, commit) for commit in commits(repo.root)] == checkouts


def test_nothing_is_copied_and_the_cache_is_left_alone(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    before = state_of(repo.root / ".dvc")
    done = adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert done.size > 800_000
    # What the packs hold of it are the frames that say where it lies.
    assert data_bytes(repo) < 250 * sum(1 for _ in repo.store.index.ids())
    collect(repo.store, marks_here(repo), NONE)
    check(repo)
    assert state_of(repo.root / ".dvc") == before


def test_what_is_tracked_is_what_lies_on_the_disk(tmp_path: Path) -> None:
    repo, checkouts, done = adopted(tmp_path, history=None)
    assert sorted(done.entries) == ["data/images", BIG]
    assert repo.lock.entries == done.entries
    assert entries_at(repo, "HEAD") == {}
    git(repo.root, "commit", "-qm", "adopted")
    assert checked_out(repo, "HEAD") == [*checkouts.values()][-1]
    assert [one.title for one in log(repo)] == ["adopted"]


def test_the_log_goes_on_into_the_past(tmp_path: Path) -> None:
    repo, checkouts, _ = adopted(tmp_path)
    git(repo.root, "commit", "-qm", "adopted")
    found = log(repo)
    assert [one.title for one in found] == ["adopted", "revision 3", "revision 2", "revision 1"]
    assert [one.id for one in found[:0:-1]] == [*checkouts]
    assert [one.parents for one in found] == [(one.id,) for one in found[1:]] + [()]
    assert content(repo, "HEAD~3", "data/images/a.txt") == b"first\n"


def test_a_range_is_adopted_alone(tmp_path: Path) -> None:
    repo, _, done = adopted(tmp_path, history="HEAD~2..HEAD")
    assert done.versions == 2
    assert entries_at(repo, "HEAD~2") == {}
    assert sorted(entries_at(repo, "HEAD~1")) == ["data/images", BIG]


def test_a_commit_that_changes_no_data_has_the_version_before_it(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    git(repo.root, "commit", "--allow-empty", "-qm", "code")
    assert adopt(repo, Dvc(repo.root, repo.git), history="HEAD").versions == 3
    assert entries_at(repo, "HEAD") == entries_at(repo, "HEAD~1") != {}
    assert [one.title for one in log(repo)] == ["revision 3", "revision 2", "revision 1"]


def test_a_push_sends_content_and_versions_that_another_clone_reads(tmp_path: Path) -> None:
    repo, checkouts, _ = adopted(tmp_path)
    remote = committed(repo, tmp_path / "bucket")
    push(repo, remote)
    assert Codec.FOREIGN not in codecs_of(open_store(LocalStorage(remote.url), client="a test"), Kind.CHUNK)
    git(tmp_path, "clone", "-q", str(repo.root), "other")
    other, _ = init_repo(tmp_path / "other")
    fetch(other, remote)
    assert [one.title for one in log(other)] == ["adopted", "revision 3", "revision 2", "revision 1"]
    shutil.rmtree(repo.root)
    there = open_store(LocalStorage(remote.url), client="a test")
    other.store.elsewhere = lambda: [there]
    for commit, files in checkouts.items():
        assert {path: hashlib.sha256(content(other, commit, path)).hexdigest() for path in files} == files


def test_a_file_of_the_cache_that_is_gone_is_told_and_brought_from_a_remote(tmp_path: Path) -> None:
    repo, _, _ = adopted(tmp_path)
    remote = committed(repo, tmp_path / "bucket")
    push(repo, remote)
    whole, lost = content(repo, None, BIG), cached(repo, BIG)
    lost.unlink()
    with pytest.raises(ForeignChanged, match="is gone"):
        content(repo, None, BIG)
    found = check(repo, sample=NOTHING)
    assert any(str(lost) in line and "is gone" in line and BIG in line for line in found.problems)
    there = open_store(LocalStorage(remote.url), client="a test")
    _, found = repair(repo.store, lambda: check(repo), [Source("origin", there)], may_be_elsewhere=True)
    assert found.problems == ()
    assert content(repo, None, BIG) == whole


def test_a_file_of_the_cache_that_was_exchanged_is_told(tmp_path: Path) -> None:
    repo, _, _ = adopted(tmp_path)
    assert check(repo, sample=NOTHING).problems == ()
    path = cached(repo, BIG)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(ForeignChanged, match="was changed"):
        content(repo, None, BIG)
    assert any(str(path) in line for line in check(repo, sample=NOTHING).problems)


def test_a_file_that_was_only_touched_is_whole(tmp_path: Path) -> None:
    repo, _, _ = adopted(tmp_path)
    os.utime(cached(repo, BIG), ns=(5, 5))
    assert check(repo, sample=NOTHING).problems == ()


def test_a_project_that_moves_takes_its_cache_along(tmp_path: Path) -> None:
    repo, checkouts, _ = adopted(tmp_path)
    repo.root.rename(tmp_path / "elsewhere")
    moved, _ = init_repo(tmp_path / "elsewhere")
    assert {commit: checked_out(moved, commit) for commit in checkouts} == checkouts


def test_a_cache_outside_is_read_where_it_lies(tmp_path: Path) -> None:
    repo, checkouts = unpack_dvc(tmp_path)
    (repo.root / ".dvc" / "cache").rename(tmp_path / "shared")
    (repo.root / ".dvc" / "config.local").write_text("[cache]\n    dir = ../../shared\n")
    adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert {commit: checked_out(repo, commit) for commit in checkouts} == checkouts


def test_a_remote_that_is_a_folder_has_what_the_cache_lacks(tmp_path: Path) -> None:
    repo, checkouts = unpack_dvc(tmp_path)
    (repo.root / ".dvc" / "cache").rename(tmp_path / "remote")
    (repo.root / ".dvc" / "config").write_text("[core]\n    remote = far\n['remote \"far\"']\n    url = ../../remote\n")
    adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert {commit: checked_out(repo, commit) for commit in checkouts} == checkouts


def test_the_layout_of_dvc_2(tmp_path: Path) -> None:
    repo, checkouts = unpack_dvc(tmp_path)
    cache = repo.root / ".dvc" / "cache"
    for folder in (cache / "files" / "md5").iterdir():
        folder.rename(cache / folder.name)
    shutil.rmtree(cache / "files")
    for said in repo.root.rglob("*.dvc"):
        if said.is_file():
            said.write_text(said.read_text().replace("  hash: md5\n", ""))
    git(repo.root, "commit", "-qam", "as DVC 2 wrote it")
    done = adopt(repo, Dvc(repo.root, repo.git))
    assert (len(done.entries), done.left) == (2, ())
    git(repo.root, "commit", "-qm", "adopted")
    assert checked_out(repo, "HEAD") == [*checkouts.values()][-1]


def test_a_pipeline_s_outputs(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    md5 = cached(repo, BIG).relative_to(repo.root / CACHE).as_posix().replace("/", "")
    (repo.root / "sub").mkdir()
    outs = [f"{{path: {name}, hash: md5, md5: {md5}}}" for name in ("out.csv", "kept.txt")]
    (repo.root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  train@a:\n    outs: [{', '.join(outs)}]\n")
    (repo.root / "dvc.yaml").write_text("stages:\n  train:\n    foreach: [a]\n    do: {cmd: x, wdir: sub}\n")
    (repo.root / "sub" / "kept.txt").write_text("in git, as with `cache: false`")
    git(repo.root, "add", "-A")
    assert sorted(adopt(repo, Dvc(repo.root, repo.git)).entries) == ["data/images", BIG, "sub/out.csv"]


def test_what_is_not_in_the_cache_is_left_and_named(tmp_path: Path) -> None:
    repo, checkouts = unpack_dvc(tmp_path)
    cached(repo, BIG).unlink()
    done = adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert sorted(done.entries) == ["data/images"]
    last = [*checkouts][-1]
    assert [line.split(" is not all there")[0] for line in done.left] == [BIG, f"{last[:8]}:{BIG}"]


def test_a_cache_that_lies_is_refused(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    path = cached(repo, BIG)
    path.chmod(0o644)
    path.write_bytes(b"something else")
    with pytest.raises(CorruptData, match="has not the bytes"):
        adopt(repo, Dvc(repo.root, repo.git))
    assert repo.lock.entries == {}


def test_a_list_that_names_files_outside_of_the_cache_is_left(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    cache = repo.root / ".dvc" / "cache"
    (tmp_path / "secret").write_bytes(b"of somebody else")
    up = "../" * 8 + str(tmp_path / "secret")[1:]
    # As DVC 2 wrote it: there the MD5 proves nothing.
    for folder in ("aa", "files/md5/aa"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    digits = "ab" * 16
    (cache / digits[:2]).mkdir(exist_ok=True)
    (cache / digits[:2] / f"{digits[2:]}.dir").write_text(f'[{{"relpath": "x", "md5": "aa/{up}"}}]')
    (repo.root / "data" / "images.dvc").write_text(f"outs:\n- md5: {digits}.dir\n  path: images\n")
    done = adopt(repo, Dvc(repo.root, repo.git))
    assert sorted(done.entries) == [BIG]
    assert len(done.left) == 1
    assert done.left[0].startswith("data/images has a list of files that cannot be read")


def test_a_folder_without_dvc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no DVC project"):
        Dvc(tmp_path, None)


def test_indexes_are_made_anew_from_packs(tmp_path: Path) -> None:
    repo, checkouts, _ = adopted(tmp_path)
    for live in repo.store.log.indexes.values():
        repo.storage.delete(live.name)
    rebuild_index(repo.store)
    assert {commit: checked_out(repo, commit) for commit in checkouts} == checkouts


def test_a_purge_names_the_files_that_remain(tmp_path: Path) -> None:
    repo, _, _ = adopted(tmp_path)
    path = cached(repo, BIG)
    record, _ = purge(repo, [Place("here", repo.store, repo)], Wanted(paths=[BIG], words=[BIG]))
    assert any(str(path) in line for line in record["remains"])
    assert path.exists()
    # What lay in the same pack was packed again: the frame, and not what it stands for.
    assert codecs_of(repo.store, Kind.CHUNK) == {Codec.FOREIGN}
    assert content(repo, None, "data/images/a.txt") == b"second\n"


def test_adopting_twice_stores_nothing_new(tmp_path: Path) -> None:
    repo, _, _ = adopted(tmp_path)
    before = [*repo.storage.list("packs/")]
    lock = repo.lock_path.read_bytes()
    adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert [*repo.storage.list("packs/")] == before
    assert repo.lock_path.read_bytes() == lock


def test_an_output_that_git_does_not_ignore_is_taken(tmp_path: Path) -> None:
    repo, checkouts = unpack_dvc(tmp_path)
    (repo.root / ".gitignore").unlink()
    (repo.root / "data" / ".gitignore").unlink()
    assert BIG in git(repo.root, "ls-files", "--others", "--exclude-standard").splitlines()
    done = adopt(repo, Dvc(repo.root, repo.git))
    assert (sorted(done.entries), done.left) == (["data/images", BIG], ())
    git(repo.root, "commit", "-qm", "adopted")
    assert checked_out(repo, "HEAD") == [*checkouts.values()][-1]


def test_a_project_without_git(tmp_path: Path) -> None:
    shutil.copytree(unpack_dvc(tmp_path)[0].root, tmp_path / "plain", ignore=shutil.ignore_patterns(".git", "xver.*"))
    repo, _ = init_repo(tmp_path / "plain")
    done = adopt(repo, Dvc(repo.root, repo.git))
    assert (sorted(done.entries), done.left) == (["data/images", BIG], ())


def test_what_a_stage_leaves_to_git_is_left_to_it_before_git_has_it(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    names = ("metrics.json", "rows-7.csv", "plot.json")
    outs = ", ".join(f"{{path: {name}, hash: md5, md5: {'ab' * 16}}}" for name in names)
    (repo.root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  train:\n    outs: [{outs}]\n")
    said = "outs: ['rows-${n}.csv': {cache: false}], metrics: [metrics.json: {cache: false}], plots: [plot.json]"
    (repo.root / "dvc.yaml").write_text(f"stages:\n  train: {{cmd: x, {said}}}\n")
    for name in names:
        (repo.root / name).write_text("1")
    done = adopt(repo, Dvc(repo.root, repo.git))
    assert sorted(done.entries) == ["data/images", BIG]
    assert [line.partition(" ")[0] for line in done.left] == ["plot.json"]


def test_projects_in_folders(tmp_path: Path) -> None:
    checkouts = [unpack_dvc(tmp_path / name)[1] for name in ("one", "two")]
    root = tmp_path / "both"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for name in ("one", "two"):
        shutil.copytree(tmp_path / name / "project", root / name, ignore=shutil.ignore_patterns(".git", "xver.*"))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "both")
    (root / "one" / ".dvc" / "cache").rename(tmp_path / "remote")
    (root / "one" / ".dvc" / "config").write_text("['remote \"far\"']\n    url = ../../../remote\n")
    repo, _ = init_repo(root)
    done = adopt(repo, Dvc(root, repo.git), history="HEAD")
    assert sorted(done.entries) == [f"{one}/{two}" for one in ("one", "two") for two in ("data/images", BIG)]
    last = [*checkouts[0].values()][-1]
    assert checked_out(repo, "HEAD") == {f"{one}/{path}": sha for one in ("one", "two") for path, sha in last.items()}


def test_a_cache_that_the_user_has_for_all_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo, checkouts = unpack_dvc(tmp_path)
    (repo.root / ".dvc" / "cache").rename(tmp_path / "shared")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "config").write_text("[cache]\n    dir = ../shared\n")
    adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert {commit: checked_out(repo, commit) for commit in checkouts} == checkouts


def test_what_dvc_leaves_out_xver_leaves_out(tmp_path: Path) -> None:
    repo, _ = unpack_dvc(tmp_path)
    (repo.root / ".dvcignore").write_text("# made by `dvc init`\n\n*.tmp\n")
    (repo.root / "data" / ".dvcignore").write_text("*.log\n!kept.log\n/images/raw/\n")
    assert take_rules(repo) == (4, 0)
    ignore = reopened(repo).ignore
    for name in ("data/images/a.tmp", "data/images/a.log", "a.tmp"):
        assert ignore(name, is_directory=False)
    assert ignore("data/images/raw", is_directory=True)
    for name in ("a.log", "data/images/kept.log", "images/raw"):
        assert not ignore(name, is_directory=False)
    assert ".xverignore" in git(repo.root, "ls-files").splitlines()
    (repo.root / ".xverignore").write_text("*.tmp\n")
    assert take_rules(repo) == (0, 3)

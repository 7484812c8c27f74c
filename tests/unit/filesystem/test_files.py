"""The fsspec filesystem: what is listed is what was committed, reads are exact, and nothing can be written."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.repos import new_repo, save
from tests.unit.filesystem.conftest import FIRST, SECOND, Home
from xver.errors import CorruptData, InvalidInput, StorageError
from xver.filesystem import files as module
from xver.filesystem.files import KINDS
from xver.model.ids import chunk_id
from xver.repo import open_repo
from xver.store.ranges import Range, read_ranges
from xver.sync.pull import clone
from xver.sync.push import push
from xver.sync.remotes import choose_remote


@pytest.fixture(params=["here", "elsewhere", "remote"])
def place(request: pytest.FixtureRequest, home: Home) -> tuple[Any, str]:
    """A filesystem, and what stands before a path in it."""
    match request.param:
        case "here":
            return fsspec.filesystem("xver"), ""
        case "elsewhere":
            return fsspec.filesystem("xver"), f"{home.repo.root.as_posix()}//"
        case _:
            return fsspec.filesystem("xver+file"), f"{home.store.as_posix()}//"


def names(files: Any, prefix: str, found: list[str]) -> set[str]:
    return {name.removeprefix(prefix).replace("@@", "@") for name in found}


def test_all_files_are_found_and_have_the_bytes_that_were_committed(place: tuple[Any, str]) -> None:
    files, prefix = place
    assert names(files, prefix, files.find(prefix)) == set(SECOND)
    for name in files.find(prefix):
        data = SECOND[name.removeprefix(prefix).replace("@@", "@")]
        assert files.cat_file(name) == data
        assert files.info(name)["size"] == files.size(name) == len(data)
    assert files.find(f"{prefix}data/deep/er") == [f"{prefix}data/deep/er/x.bin"]
    assert files.find(f"{prefix}data/labels.csv") == [f"{prefix}data/labels.csv"]


def test_a_version_in_the_path_or_in_the_options_is_that_version(place: tuple[Any, str]) -> None:
    files, prefix = place
    assert files.cat_file(f"{prefix}data/labels.csv@main~1") == FIRST["data/labels.csv"]
    other = type(files)(rev="main~1")
    assert other.cat_file(f"{prefix}data/labels.csv") == FIRST["data/labels.csv"]
    assert other.cat_file(f"{prefix}data/labels.csv@main") == SECOND["data/labels.csv"]
    assert not other.exists(f"{prefix}data/new.txt")
    both = [f"{prefix}data/labels.csv@main", f"{prefix}data/labels.csv@main~1"]
    assert files.cat_ranges(both, 0, None) == [SECOND["data/labels.csv"], FIRST["data/labels.csv"]]
    assert len(files.find(f"{prefix}@main~1")) == len(FIRST)
    assert [files.cat_file(one) for one in files.glob(f"{prefix}data/l*.csv@main~1")] == [FIRST["data/labels.csv"]]


def test_folders_are_listed_walked_and_globbed(place: tuple[Any, str]) -> None:
    files, prefix = place
    assert files.ls(prefix, detail=False) == [f"{prefix}data", f"{prefix}other"]
    kinds = {info["name"].removeprefix(f"{prefix}data/"): info["type"] for info in files.ls(f"{prefix}data")}
    assert kinds == {"deep": "directory", "labels.csv": "file", "mail@@home.csv": "file", "new.txt": "file"}
    assert [(set(folders), set(found)) for _, folders, found in files.walk(f"{prefix}data/deep")] == [
        ({"er"}, {"y.txt"}),
        (set(), {"x.bin"}),
    ]
    assert names(files, prefix, files.glob(f"{prefix}data/*.csv")) == {"data/labels.csv", "data/mail@home.csv"}
    assert len(files.glob(f"{prefix}data/**/*.txt")) == 2
    assert [files.isdir(f"{prefix}{one}") for one in ("", "data", "data/deep", "data/labels.csv", "no")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert [files.isfile(f"{prefix}{one}") for one in ("data/labels.csv", "data", "no")] == [True, False, False]
    assert files.du(f"{prefix}data") == sum(len(data) for name, data in SECOND.items() if name.startswith("data/"))


@given(start=st.none() | st.integers(-900_000, 900_000), end=st.none() | st.integers(-900_000, 900_000))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_range_is_the_slice(place: tuple[Any, str], start: int | None, end: int | None) -> None:
    files, prefix = place
    data = SECOND["data/deep/er/x.bin"]
    assert files.cat_file(f"{prefix}data/deep/er/x.bin", start, end) == data[start:end]


def test_an_open_file_seeks_and_reads_text_and_bytes(place: tuple[Any, str]) -> None:
    files, prefix = place
    with files.open(f"{prefix}data/deep/er/x.bin") as file:
        assert file.seek(700_000) == 700_000
        assert file.read(10) == SECOND["data/deep/er/x.bin"][700_000:700_010]
        assert (file.size, file.seekable(), file.writable()) == (768_000, True, False)
    with files.open(f"{prefix}data/labels.csv", "r", encoding="utf-8") as file:
        assert file.readlines() == ["name,label\n", "ada,2\n"]
    assert files.read_block(f"{prefix}data/deep/er/x.bin", 255, 3) == b"\xff\x00\x01"
    assert files.tail(f"{prefix}data/deep/y.txt", 2) == b"hy"


def test_what_is_known_of_a_file_is_its_id_and_caches_go_by_it(place: tuple[Any, str]) -> None:
    files, prefix = place
    info = files.info(f"{prefix}data/labels.csv")
    assert info["id"] == info["ETag"] == f"b3:{chunk_id(SECOND['data/labels.csv']).hex()}"
    assert len(info["fingerprint"]) == 32
    assert info["sha256"] is None
    assert len(files.info(f"{prefix}data/deep/er/x.bin")["sha256"]) == 64
    old, new = f"{prefix}data/labels.csv@main~1", f"{prefix}data/labels.csv@main"
    for ask in (files.ukey, files.checksum, files.modified):
        assert ask(old) == ask(old)
        assert ask(old) != ask(new)
        assert ask(f"{prefix}other/z.txt@main~1") == ask(f"{prefix}other/z.txt@main")


@pytest.mark.parametrize("path", ["no", "data/no.csv", "data/labels.csv/x", "data/labels.csv@v9", "da", "data/dee"])
def test_what_is_not_there_is_a_file_not_found(place: tuple[Any, str], path: str) -> None:
    files, prefix = place
    for ask in (files.info, files.open, files.cat_file, files.ls):
        with pytest.raises(FileNotFoundError):
            ask(prefix + path)
    assert not files.exists(prefix + path)
    [answer] = files.cat_ranges([prefix + path], 0, 1)
    assert isinstance(answer, FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        files.cat_ranges([prefix + path], 0, 1, on_error="raise")


def test_what_is_there_is_read_together_whatever_is_missing(
    place: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, prefix = place
    asked: list[int] = []

    def counted(store: Any, ranges: Sequence[Range]) -> list[bytes]:
        asked.append(len(ranges))
        return read_ranges(store, ranges)

    monkeypatch.setattr(module, "read_ranges", counted)
    names = ["data/labels.csv", "none", "data", "data/new.txt", "data/labels.csv@v9"]
    found = files.cat_ranges([prefix + name for name in names], 0, 3)
    assert [found[0], found[3]] == [b"nam", b"new"]
    assert [type(found[at]) for at in (1, 2, 4)] == [FileNotFoundError, IsADirectoryError, FileNotFoundError]
    assert asked == [2]
    with pytest.raises(FileNotFoundError):
        files.cat([prefix + "data/labels.csv", prefix + "none"])
    assert list(files.cat([prefix + "data/labels.csv", prefix + "none"], on_error="omit")) == [
        files._strip_protocol(prefix + "data/labels.csv")
    ]


def test_a_folder_is_no_file(place: tuple[Any, str]) -> None:
    files, prefix = place
    with pytest.raises(IsADirectoryError):
        files.open(f"{prefix}data")


@pytest.mark.parametrize(
    "write",
    [
        lambda files, path: files.open(path, "wb"),
        lambda files, path: files.open(path, "ab"),
        lambda files, path: files.open(path, "r+b"),
        lambda files, path: files.open(path, "xb"),
        lambda files, path: files.pipe_file(path, b"x"),
        lambda files, path: files.pipe({path: b"x"}),
        lambda files, path: files.write_bytes(path, b"x"),
        lambda files, path: files.write_text(path, "x"),
        lambda files, path: files.put_file(__file__, path),
        lambda files, path: files.put(__file__, path),
        lambda files, path: files.upload(__file__, path),
        lambda files, path: files.rm(path),
        lambda files, path: files.rm_file(path),
        lambda files, path: files.delete(path),
        lambda files, path: files.rmdir(path),
        lambda files, path: files.mkdir(path),
        lambda files, path: files.makedir(path),
        lambda files, path: files.makedirs(path),
        lambda files, path: files.mkdirs(path),
        lambda files, path: files.mv(path, "x"),
        lambda files, path: files.move(path, "x"),
        lambda files, path: files.rename(path, "x"),
        lambda files, path: files.cp_file(path, "x"),
        lambda files, path: files.copy(path, "x"),
        lambda files, path: files.cp(path, "x"),
        lambda files, path: files.touch(path),
        lambda files, path: files.start_transaction(),
    ],
)
def test_every_way_to_write_is_refused(home: Home, write: Callable[[Any, str], object]) -> None:
    for files, prefix in ((fsspec.filesystem("xver"), ""), (fsspec.filesystem("xver+file"), f"{home.store}//")):
        with pytest.raises(PermissionError, match="never written"):
            write(files, f"{prefix}data/labels.csv")


def test_files_are_copied_out(place: tuple[Any, str], tmp_path: Path) -> None:
    files, prefix = place
    files.get(f"{prefix}data/deep", str(tmp_path / "deep"), recursive=True)
    assert (tmp_path / "deep" / "er" / "x.bin").read_bytes() == SECOND["data/deep/er/x.bin"]
    assert files.cat(f"{prefix}data/deep", recursive=True) == {
        f"{prefix}data/deep/er/x.bin": SECOND["data/deep/er/x.bin"],
        f"{prefix}data/deep/y.txt": b"why",
    }


def test_threads_read_at_once(place: tuple[Any, str]) -> None:
    files, prefix = place
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for name, data in SECOND.items():
                assert files.cat_file(prefix + name.replace("@", "@@")) == data
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


_IN_PROCESSES = """
import multiprocessing, pickle, sys
from xver.filesystem.files import register
register()
files, path, expected = pickle.loads(bytes.fromhex(sys.argv[2]))
def read(_):
    return files.cat_file(path) == expected
if __name__ == "__main__":
    assert read(0)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map(read, range(4)) == [True] * 4
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_what_their_parent_had_open(
    place: tuple[Any, str], method: str, tmp_path: Path, home: Home
) -> None:
    files, prefix = place
    if method == "fork" and sys.platform == "win32":
        pytest.skip("Windows cannot fork")
    script = tmp_path / "read.py"
    script.write_text(_IN_PROCESSES, encoding="utf-8")
    given = pickle.dumps((files, f"{prefix}data/labels.csv", SECOND["data/labels.csv"]))
    command = [sys.executable, "-W", "ignore", str(script), method, given.hex()]
    # In another folder: what was pickled knows its repository.
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, timeout=60)


def test_a_commit_made_meanwhile_is_seen_here_and_at_a_remote_when_asked_for(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "repo", {"data/x": b"1"}, remote=str(tmp_path / "store"))
    push(repo, choose_remote(repo, None))
    local, remote = fsspec.filesystem("xver", repo=str(repo.root)), fsspec.filesystem("xver+file")
    there = f"{tmp_path.as_posix()}/store//data/x"
    assert (local.cat_file("data/x"), remote.cat_file(there)) == (b"1", b"1")
    save(repo, {"data/x": b"2"})
    push(repo, choose_remote(repo, None))
    assert local.cat_file("data/x") == b"2"
    assert remote.cat_file(there) == b"1"
    remote.invalidate_cache()
    assert remote.cat_file(there) == b"2"


def test_what_is_not_here_is_read_from_the_remote(home: Home, tmp_path: Path) -> None:
    part = clone(str(home.store), tmp_path / "clone", paths=["other"])
    content = SECOND["data/labels.csv"]
    assert chunk_id(content) not in part.store
    files = fsspec.filesystem("xver", repo=str(part.root))
    assert files.cat_file("data/labels.csv") == content
    assert files.cat_file("data/deep/er/x.bin", 5, 9) == SECOND["data/deep/er/x.bin"][5:9]
    assert chunk_id(content) not in open_repo(part.root).store


def test_damage_is_no_file_not_found(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.store, tmp_path / "store")
    for pack in (tmp_path / "store" / "packs").glob("*.data"):
        pack.write_bytes(pack.read_bytes()[:12] + bytes(pack.stat().st_size - 12))
    files = fsspec.filesystem("xver+file")
    with pytest.raises(CorruptData):
        files.cat_file(f"{tmp_path.as_posix()}/store//data/labels.csv")


def test_a_storage_that_fails_is_no_answer_to_whether_a_file_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("xver+s3", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StorageError):
        files.exists("bucket/prefix//data/x")


def test_a_store_that_is_not_there_is_a_file_not_found(tmp_path: Path) -> None:
    assert not fsspec.filesystem("xver+file").exists(f"{tmp_path.as_posix()}/nothing//x")
    with pytest.raises(InvalidInput, match="no store"):
        fsspec.filesystem("xver+file").info("//x")
    with pytest.raises(FileNotFoundError, match="address"):
        fsspec.filesystem("xver+file").ls("")


def test_the_entry_points_name_every_protocol() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["fsspec.specs"] == {
        kind.protocol: f"{kind.__module__}:{kind.__name__}" for kind in KINDS
    }

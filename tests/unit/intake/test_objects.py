"""Objects as an origin: of a bucket on a real server, and of whatever fsspec reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tests.support.repos import collect_here, new_repo, read_tree, reopened
from tests.support.servers import BUCKET, LossyProxy, Server, s3_client
from xver.errors import Conflict, InvalidInput, NotFound
from xver.intake.importing import Brought, import_data, imports, update
from xver.intake.objects import ObjectsOrigin, decode_objects, encode_objects
from xver.intake.origin import Origin
from xver.progress import SILENT
from xver.repo import Repo
from xver.storage.base import Stat
from xver.upkeep.gc import NONE
from xver.versioning.runs import read_attachment

FILES = {"a.csv": b"a", "deep/b.bin": bytes(range(256)) * 40_000, "deep/c": b""}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "repo")


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs.clear()
    for name, data in FILES.items():
        files.pipe_file(f"/raw/{name}", data)
    yield files
    files.store.clear()


def bring(repo: Repo, origin: Origin, path: str = "raw") -> Brought:
    return import_data(repo, origin, path, start=repo.root, meter=SILENT)


def again(repo: Repo, origin: Origin, path: str = "raw") -> Brought | None:
    [top] = [top for top in imports(repo) if top == path]
    return update(repo, top, imports(repo)[top], origin, start=repo.root)


def is_same(repo: Repo, origin: Origin, path: str = "raw") -> bool | None:
    [one] = [one for top, one in imports(repo).items() if top == path]
    return origin.is_same(repo, one.known)


@pytest.mark.server
def test_a_bucket_is_read_once_and_then_only_what_changed(repo: Repo, seaweedfs: Server) -> None:
    client = s3_client(seaweedfs)
    for name, data in FILES.items():
        client.put_object(Bucket=BUCKET, Key=f"import/raw/{name}", Body=data)
    with LossyProxy(seaweedfs) as proxy:
        origin = ObjectsOrigin(f"s3://{BUCKET}/import/raw", proxy.endpoint_url)
        bring(repo, origin)
        assert read_tree(repo.root / "raw") == FILES
        before = proxy.bytes
        assert is_same(repo, origin) is True
        assert again(repo, origin) is None
        client.put_object(Bucket=BUCKET, Key="import/raw/a.csv", Body=b"changed")
        client.delete_object(Bucket=BUCKET, Key="import/raw/deep/c")
        assert is_same(repo, origin) is False
        done = again(repo, origin)
        assert done is not None
        assert read_tree(repo.root / "raw") == {"a.csv": b"changed", "deep/b.bin": FILES["deep/b.bin"]}
        assert proxy.bytes - before < 100_000


@pytest.mark.server
def test_one_object_of_a_bucket(repo: Repo, seaweedfs: Server) -> None:
    client = s3_client(seaweedfs)
    client.put_object(Bucket=BUCKET, Key="import/one/x y.csv", Body=b"1")
    origin = ObjectsOrigin(f"s3://{BUCKET}/import/one/x y.csv", seaweedfs.endpoint_url)
    done = bring(repo, origin, "x.csv")
    assert (repo.root / "x.csv").read_bytes() == b"1"
    assert done.source.version.strip('"')
    assert again(repo, origin, "x.csv") is None
    client.put_object(Bucket=BUCKET, Key="import/one/x y.csv", Body=b"2")
    assert is_same(repo, origin, "x.csv") is False
    assert again(repo, origin, "x.csv") is not None
    assert (repo.root / "x.csv").read_bytes() == b"2"


def test_what_only_fsspec_knows(repo: Repo, memory: Any) -> None:
    origin = ObjectsOrigin("memory://raw", None)
    bring(repo, origin)
    assert read_tree(repo.root / "raw") == FILES
    one = ObjectsOrigin("memory://raw/a.csv", None)
    bring(repo, one, "one.csv")
    assert (repo.root / "one.csv").read_bytes() == b"a"
    memory.pipe_file("/raw/a.csv", b"longer")
    assert again(repo, one, "one.csv") is not None
    assert (repo.root / "one.csv").read_bytes() == b"longer"


def test_a_collection_keeps_what_an_update_relies_on(repo: Repo, memory: Any) -> None:
    origin = ObjectsOrigin("memory://raw", None)
    bring(repo, origin)
    collect_here(repo, NONE)
    [one] = imports(reopened(repo)).values()
    assert one.source.members is not None
    assert set(decode_objects(read_attachment(reopened(repo), one.source.members))) == set(FILES)


def test_an_object_that_changes_while_it_is_read_is_refused(repo: Repo, memory: Any, monkeypatch: Any) -> None:
    read = type(memory).cat_file

    def changing(self: Any, path: str, **more: Any) -> bytes:
        data: bytes = read(self, path, **more)
        if path.endswith("a.csv") and len(memory.store["/raw/a.csv"].getvalue()) == 1:
            memory.pipe_file("/raw/a.csv", b"longer")
        return data

    monkeypatch.setattr(type(memory), "cat_file", changing)
    with pytest.raises(Conflict, match=r"memory://raw/a\.csv changes while it is read"):
        bring(repo, ObjectsOrigin("memory://raw", None))
    assert repo.lock.entries == {}


def test_where_nothing_is(repo: Repo, memory: Any) -> None:
    with pytest.raises(NotFound, match="there is nothing at memory://none"):
        bring(repo, ObjectsOrigin("memory://none", None))
    with pytest.raises(InvalidInput, match="nothing here reads nothing://"):
        ObjectsOrigin("nothing://a", None)


def test_lists_of_objects_come_back() -> None:
    stats = [Stat("a b%/ł\n", 3, '"x y"'), Stat("c", 0, "")]
    found = decode_objects(encode_objects(stats))
    assert {key: (one.size, one.version) for key, one in found.items()} == {
        one.key: (one.size, one.version) for one in stats
    }

"""A bucket or a DVC project adopted, as it is typed; what cannot be adopted is refused with the next command."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid

import pytest

from tests.support.repos import write_tree
from tests.support.servers import BUCKET, Server, s3_client

from .workplace import Workplace


@pytest.mark.server
def test_a_bucket_is_tracked_and_what_it_costs_is_said(place: Workplace, seaweedfs: Server) -> None:
    place.environment |= seaweedfs.environment
    prefix = uuid.uuid4().hex
    for name, data in (("a.csv", b"a"), ("deep/b", b"bb")):
        s3_client(seaweedfs).put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=data)
    typed = ("adopt", f"s3://{BUCKET}/{prefix}", "raw", "--endpoint-url", seaweedfs.endpoint_url)
    first, second, third = place.ok(*typed).splitlines()
    assert first == "Adopted raw  2 files  3 B: 2 files read (3 B), 0 B copied"
    assert second == "  on the disk: xver checkout raw"
    assert third.startswith("  the bucket keeps no versions of 2: ")
    assert place.ok(*typed).startswith("Adopted raw  2 files  3 B: 0 files read (0 B), 0 B copied\n")
    place.ok("checkout", "raw")
    assert place.read("raw/deep/b") == b"bb"


@pytest.mark.server
def test_a_bucket_is_referred_to_and_its_run_says_so(place: Workplace, seaweedfs: Server) -> None:
    place.environment |= seaweedfs.environment
    prefix = uuid.uuid4().hex
    s3_client(seaweedfs).put_object(Bucket=BUCKET, Key=f"{prefix}/a.csv", Body=b"a")
    url = f"s3://{BUCKET}/{prefix}"
    typed = ("import", "--reference", url, "raw", "--endpoint-url", seaweedfs.endpoint_url)
    assert place.ok(*typed).startswith("Imported raw  1 file  1 B  by reference, 0 B read  in ")
    assert "raw  1 file  1 B  (by reference)" in place.ok(
        "runs", "show", json.loads(place.ok("runs", "list", "--json"))[0]["name"]
    )
    assert place.ok("update") == "Unchanged raw\n"
    s3_client(seaweedfs).put_object(Bucket=BUCKET, Key=f"{prefix}/b", Body=b"bb")
    assert place.ok("update", "-n").startswith("Newer at its source: raw")
    assert place.ok("update").startswith("Updated raw  1 file  1 B -> 2 files  3 B\n")
    assert place.ok("cat", "raw/b") == "bb"
    assert place.json("status")["changed"] == []


def added_by_dvc(place: Workplace, name: str, data: bytes) -> None:
    """Leave a file as `dvc add` and a commit of git do, in a project that knows nothing of xver."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    outs = f"outs:\n- md5: {md5}\n  size: {len(data)}\n  hash: md5\n  path: {name}\n"
    cached = f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
    ignored = {".gitignore": f"/{name}\n".encode(), ".dvc/.gitignore": b"/cache\n"}
    write_tree(place.root, {name: data, f"{name}.dvc": outs.encode(), cached: data, **ignored})
    place.git("add", f"{name}.dvc", ".dvc", ".gitignore")
    place.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", f"{name}: {data.decode()}")


def test_data_follows_git_to_commits_from_before_the_adoption(hooked: Workplace) -> None:
    for data in (b"one", b"two", b"three"):
        added_by_dvc(hooked, "model", data)
    assert "until xver push: before, no dvc gc" in hooked.ok("adopt", "--history", "main")
    hooked.git("commit", "-qm", "adopted")
    for commit, data in (("main~3", b"one"), ("main~2", b"two"), ("main~3", b"one"), ("main", b"three")):
        hooked.git("checkout", "-q", commit)
        assert hooked.read("model") == data
        assert hooked.ok("status") == "Nothing has changed\n"
        assert hooked.git("status", "--short", "--untracked-files=no") == ""


def test_at_commits_that_were_not_adopted_the_data_is_dvcs(hooked: Workplace) -> None:
    for data in (b"one", b"two"):
        added_by_dvc(hooked, "model", data)
    hooked.ok("adopt")
    hooked.git("commit", "-qm", "adopted")
    assert hooked.ok("hook", "follow") == ""
    hooked.git("-c", "core.hooksPath=/dev/null", "checkout", "-q", "main~2")
    assert hooked("hook", "follow").stderr.endswith("dvc checkout\n")
    assert hooked.read("model") == b"two"
    hooked.write(model=b"one")  # as `dvc checkout` does, which one of its own hooks may have called before ours
    assert hooked("hook", "follow").stderr == ""
    assert hooked.read("model") == b"one"
    hooked.git("checkout", "-q", "main")
    assert hooked.read("model") == b"one"
    assert "modified model" in hooked.ok("status")
    hooked.ok("checkout", "--force", "model")
    assert hooked.read("model") == b"two"


def test_what_a_version_lacks_does_not_keep_the_next_from_the_disk(hooked: Workplace) -> None:
    for data in (b"one", b"two"):
        added_by_dvc(hooked, "model", data)
        added_by_dvc(hooked, "other", b"other " + data)
    hooked.ok("adopt", "--history", "main")
    hooked.git("commit", "-qm", "adopted")
    cached = [path for path in (hooked.root / ".dvc" / "cache").rglob("*") if path.is_file()]
    next(path for path in cached if path.read_bytes() == b"other one").unlink()
    hooked.git("checkout", "-q", "main~3")
    hooked.git("checkout", "-q", "main")
    assert (hooked.read("model"), hooked.read("other")) == (b"two", b"other two")
    assert hooked.ok("status") == "Nothing has changed\n"


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs on the PATH")
def test_data_follows_git_to_commits_where_git_lfs_has_it(hooked: Workplace) -> None:
    hooked("install", "--uninstall")
    hooked.git("lfs", "install", "--local")
    hooked.ok("install")
    hooked.git("lfs", "track", "*.bin")
    versions: list[dict[str, bytes]] = [
        {"a.bin": b"one", "same.bin": b"same"},
        {"a.bin": b"two", "same.bin": b"same", "new.bin": b"new"},
    ]
    for files in versions:
        hooked.write(**files)
        hooked.git("add", "*.bin", ".gitattributes")
        hooked.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", "by git-lfs")
    hooked.ok("adopt", "--history", "HEAD")
    hooked.git("commit", "-qm", "adopted")
    for commit, version in (("main~2", 0), ("main~1", 1), ("main~2", 0), ("main", 1)):
        hooked.git("checkout", "-q", commit)
        files = versions[version]
        assert {path.name: path.read_bytes() for path in hooked.root.glob("*.bin")} == files
        assert hooked.ok("status") == "Nothing has changed\n"
        assert hooked.git("status", "--short", "--untracked-files=no") == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("s3://bucket/raw",), "xver adopt s3://bucket/raw PATH"),
        (("s3://bucket/raw", "raw", "--history", "HEAD"), "xver adopt s3://bucket/raw PATH"),
        (("ftp://host/raw", "raw"), "s3://bucket/folder"),
        (("mercurial",), "xver adopt dvc"),
        (("dvc", "raw"), "xver adopt ADDRESS PATH"),
    ],
)
def test_what_cannot_be_adopted_is_refused(place: Workplace, words: tuple[str, ...], hint: str) -> None:
    assert hint in place.fails(2, "adopt", *words)[-1]

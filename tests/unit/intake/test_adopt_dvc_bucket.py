"""A DVC project whose content only its remote has, a bucket: adopted where it lies there."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.data.make_dvc_project import commits, make_project
from tests.support.adopted import checked_out, codecs_of, git, unpack_dvc
from tests.support.servers import BUCKET, Server, s3_client
from xver.errors import CorruptData
from xver.format.codecs import Codec
from xver.intake.adopting import adopt
from xver.intake.dvc import Dvc
from xver.model.ids import Kind
from xver.repo import Repo, init_repo

pytestmark = [pytest.mark.server, pytest.mark.skipif(shutil.which("git") is None, reason="needs git")]


class Far:
    """The remote of a DVC project, below a prefix of a bucket."""

    def __init__(self, server: Server) -> None:
        self.client: Any = s3_client(server)
        self.server = server
        self.prefix = f"{uuid.uuid4().hex}/store"

    def name_in(self, root: Path) -> None:
        text = f"url = s3://{BUCKET}/{self.prefix}\n    endpointurl = {self.server.endpoint_url}\n"
        (root / ".dvc" / "config").write_text(f"[core]\n    remote = far\n['remote \"far\"']\n    {text}")

    def take_cache(self, root: Path) -> None:
        """Put what lies in a cache into the bucket, and remove the cache."""
        cache = root / ".dvc" / "cache"
        for path in cache.rglob("*"):
            if path.is_file():
                self.put(path.relative_to(cache).as_posix(), path.read_bytes())
        shutil.rmtree(cache)

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=data)

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix)["Contents"]
        return [one["Key"].removeprefix(f"{self.prefix}/") for one in found]


@pytest.fixture
def far(seaweedfs: Server) -> Far:
    return Far(seaweedfs)


def project(folder: Path, far: Far) -> tuple[Repo, dict[str, dict[str, str]]]:
    repo, checkouts = unpack_dvc(folder)
    far.name_in(repo.root)
    return repo, checkouts


def test_every_commit_has_the_files_that_dvc_checks_out(tmp_path: Path, far: Far) -> None:
    repo, checkouts = project(tmp_path, far)
    far.take_cache(repo.root)
    done = adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert (done.versions, done.copied, done.left) == (3, 0, ())
    assert codecs_of(repo.store, Kind.CHUNK) == {Codec.FOREIGN}
    assert {commit: checked_out(repo, commit) for commit in checkouts} == checkouts


def test_the_layout_of_dvc_2(tmp_path: Path, far: Far) -> None:
    repo, checkouts = project(tmp_path, far)
    cache = repo.root / ".dvc" / "cache"
    for folder in (cache / "files" / "md5").iterdir():
        folder.rename(cache / folder.name)
    far.take_cache(repo.root)
    for said in repo.root.rglob("*.dvc"):
        if said.is_file():
            said.write_text(said.read_text().replace("  hash: md5\n", ""))
    git(repo.root, "commit", "-qam", "as DVC 2 wrote it")
    assert adopt(repo, Dvc(repo.root, repo.git)).left == ()
    git(repo.root, "commit", "-qm", "adopted")
    assert checked_out(repo, "HEAD") == [*checkouts.values()][-1]


def test_what_the_cache_has_is_not_asked_for(tmp_path: Path, far: Far) -> None:
    repo, _ = project(tmp_path, far)
    (repo.root / ".dvc" / "config").write_text("['remote \"far\"']\n    url = s3://no-such-bucket/a\n")
    assert adopt(repo, Dvc(repo.root, repo.git), history="HEAD").left == ()


def test_a_bucket_that_cannot_be_asked_is_named_and_the_rest_is_adopted(tmp_path: Path, far: Far) -> None:
    repo, _ = project(tmp_path, far)
    text = f"url = s3://no-such-bucket/a\n    endpointurl = {far.server.endpoint_url}\n"
    (repo.root / ".dvc" / "config").write_text(f"['remote \"far\"']\n    {text}")
    md5 = (repo.root / "model.csv.dvc").read_text().partition("md5: ")[2].split()[0]
    (repo.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    done = adopt(repo, Dvc(repo.root, repo.git))
    assert sorted(done.entries) == ["data/images"]
    first, second = done.left
    assert first.startswith("model.csv is not all there")
    assert second.startswith("s3://no-such-bucket/a cannot be asked for what is not here: there is no bucket")


def test_a_remote_that_lies_is_refused(tmp_path: Path, far: Far) -> None:
    repo, _ = project(tmp_path, far)
    far.take_cache(repo.root)
    for name in far.names():
        if not name.endswith(".dir"):
            far.put(name, b"something else")
    with pytest.raises(CorruptData, match=f"s3://{BUCKET}/{far.prefix}/.* has not the bytes"):
        adopt(repo, Dvc(repo.root, repo.git))
    assert repo.lock.entries == {}


@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("dvc") is None, reason="needs DVC on the PATH")
def test_a_project_that_dvc_pushed_now(tmp_path: Path, far: Far) -> None:
    checkouts = make_project(tmp_path / "project")
    root = tmp_path / "project"
    nowhere = tmp_path / "aws"  # it reads that file itself, and takes no pipe for one
    nowhere.touch()

    def dvc(*words: str) -> str:
        own = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "AWS_CONFIG_FILE": str(nowhere)}
        environment = {**os.environ, **own}
        done = subprocess.run(["dvc", *words], cwd=root, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    if "s3" not in dvc("doctor").partition("Supports:")[2].partition("Config:")[0]:
        pytest.skip("needs dvc-s3 beside DVC")
    for whose in ("--global", "--project"):  # of commits without one DVC pushes to a remote of the user's
        dvc("remote", "add", whose, "-d", "far", f"s3://{BUCKET}/{far.prefix}")
        dvc("remote", "modify", whose, "far", "endpointurl", far.server.endpoint_url)
    dvc("push", "-q", "--all-commits")
    shutil.rmtree(root / ".dvc" / "cache")
    repo, _ = init_repo(root)
    done = adopt(repo, Dvc(repo.root, repo.git), history="HEAD")
    assert (done.left, done.copied) == ((), 0)
    assert [checked_out(repo, commit) for commit in commits(root)] == checkouts

"""The real command line and each kind of remote: what is pushed comes back byte for byte, twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest

from tests.support.repos import read_tree, write_tree
from tests.support.servers import BUCKET, Server
from tests.support.ssh import SshServer
from xver.cli.app import main
from xver.storage.locate import locate

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

FILES = {f"data/{n % 7}/{n}.bin": Random(n).randbytes(3_000) for n in range(300)} | {"model.bin": os.urandom(3_000_000)}


@pytest.fixture(params=["gcs", "azurite", "ssh"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Mapping[str, str]]:
    """Return an address and the variables that lead there."""
    match request.param:
        case "gcs":
            server: Server = request.getfixturevalue("gcs")
            return f"gs://{BUCKET}/{tmp_path.name}", server.environment
        case "azurite":
            server = request.getfixturevalue("azurite")
            return f"az://{BUCKET}/{tmp_path.name}", server.environment
        case _:
            ssh: SshServer = request.getfixturevalue("ssh")
            return f"{ssh.url}/remote", {"HOME": str(ssh.home)}


@pytest.fixture
def xver(
    target: tuple[str, Mapping[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Return what types a command in a folder, and gives what it prints."""
    for name, value in {"HOME": str(tmp_path), "USER": "ada", **target[1]}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, at: Path) -> str:
        monkeypatch.chdir(at)
        code = main(words)
        out, errors = capsys.readouterr()
        assert (code, errors) == (0, ""), (words, out, errors)
        return out

    return run


def test_what_is_pushed_is_cloned_and_pulled(
    target: tuple[str, Mapping[str, str]], xver: Callable[..., str], tmp_path: Path
) -> None:
    url, _ = target
    root = tmp_path / "project"
    write_tree(root, FILES)
    xver("init", at=root)
    xver("add", "data", "model.bin", at=root)
    xver("commit", "-m", "first", at=root)
    xver("remote", "add", "origin", url, at=root)
    assert "Pushed main" in xver("push", at=root)
    xver("clone", url, "copy", at=tmp_path)
    assert read_tree(tmp_path / "copy") == FILES
    write_tree(root, {"data/3/3.bin": b"changed"})
    xver("add", "data", at=root)
    xver("commit", "-m", "second", at=root)
    xver("push", at=root)
    xver("pull", at=tmp_path / "copy")
    assert read_tree(tmp_path / "copy") == FILES | {"data/3/3.bin": b"changed"}
    assert "all whole" in xver("fsck", at=tmp_path / "copy")


def test_objects_are_imported_and_what_changed_is_read_again(
    target: tuple[str, Mapping[str, str]], xver: Callable[..., str], tmp_path: Path
) -> None:
    url, _ = target
    there = locate(url, base=tmp_path)
    for name, data in FILES.items():
        if name.startswith("data/1/"):
            there.put(f"import/{name}", data)
    root = tmp_path / "taken"
    root.mkdir()
    xver("init", at=root)
    assert "Imported raw  43 files" in xver("import", f"{url}/import/data", "raw", at=root)
    assert read_tree(root / "raw") == {
        name.removeprefix("data/"): data for name, data in FILES.items() if name.startswith("data/1/")
    }
    xver("import", f"{url}/import/data/1/1.bin", "one.bin", at=root)
    assert (root / "one.bin").read_bytes() == FILES["data/1/1.bin"]
    assert xver("update", at=root) == "Unchanged one.bin\nUnchanged raw\n"
    there.put("import/data/1/1.bin", b"changed")
    assert xver("update", "-n", "--json", at=root).count('"newer"') == 2
    assert xver("update", at=root).splitlines()[1:4:2] == [
        "  M one.bin  3.0 kB -> 7 B",
        "  M raw/1/1.bin  3.0 kB -> 7 B",
    ]
    assert (root / "one.bin").read_bytes() == (root / "raw/1/1.bin").read_bytes() == b"changed"


def test_a_path_of_a_remote_is_imported_and_got_without_a_clone(
    target: tuple[str, Mapping[str, str]], xver: Callable[..., str], tmp_path: Path
) -> None:
    url, _ = target
    root, other = tmp_path / "source", tmp_path / "other"
    write_tree(root, FILES)
    xver("init", at=root)
    xver("add", "data", "model.bin", at=root)
    xver("commit", "-m", "first", at=root)
    xver("remote", "add", "origin", url, at=root)
    xver("push", at=root)
    other.mkdir()
    xver("init", at=other)
    xver("import", f"xver+{url}@main:data/3", "three", at=other)
    xver("import", f"xver+{url}//model.bin", "model.bin", at=other)
    assert xver("update", at=other) == "Unchanged model.bin\nUnchanged three\n"
    assert read_tree(other / "three") == {
        name.removeprefix("data/3/"): data for name, data in FILES.items() if name.startswith("data/3/")
    }
    xver("get", f"{url}:data", "got", at=tmp_path)
    assert {f"data/{name}": data for name, data in read_tree(tmp_path / "got").items()} == {
        name: data for name, data in FILES.items() if name.startswith("data/")
    }

"""What the real command stores, read by the reader that was written from docs/format.md, and compared with the disk."""

from __future__ import annotations

import ast
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import xxhash

import xver as xver_package
from xver.format.codecs import Codec, compress_delta, encode_delta
from xver.format.indexes import Container, Place
from xver.model.ids import Kind, chunk_id
from xver.model.refs import Target, TargetKind
from xver.storage.local import LocalStorage
from xver.store.log import CHECKPOINT_EVERY
from xver.store.store import Store, create_store, open_store

from . import second_reader
from .second_reader import Damaged, Newer, Reader

NOISE = random.Random(11).randbytes(1_500_000)
ELSEWHERE = Container("packs/0.00-0.data", 1 << 20, 0)
TABLE = b"id,label\n" + b"".join(b"%d,cat\n" % at for at in range(120_000))


def xver(folder: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XVER_"))}
    environment |= {
        "PYTHONPATH": str(Path(xver_package.__file__).parents[1]),
        "PYTHONUTF8": "1",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
    }
    done = subprocess.run(
        [sys.executable, "-m", "xver", *arguments], cwd=folder, env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree of two commits, with every kind of file and more objects than an inlined index holds."""
    folder = tmp_path_factory.mktemp("tree")
    files = {"noise.bin": NOISE, "table.csv": TABLE, "empty": b"", "a b/\u00e9": b"x", "a b-c": b"y", "a": b"z"}
    files |= {f"many/{at % 7}/{at}": b"%d" % at for at in range(5_000)}
    for name, data in files.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "model.bin").write_bytes(NOISE[:400_000])
    if os.name == "posix":
        (folder / "data" / "link").symlink_to("a b-c")
        (folder / "data" / "run.sh").write_bytes(b"#!/bin/sh\n")
        (folder / "data" / "run.sh").chmod(0o755)
    xver(folder, "init")
    xver(folder, "add", "data", "model.bin")
    xver(folder, "commit", "-m", "first")
    (folder / "data" / "table.csv").write_bytes(TABLE.replace(b"\n77777,cat\n", b"\n77777,dog\n"))
    xver(folder, "add", "data")
    xver(folder, "commit", "-m", "second\n\nwith a body")
    return folder


def test_the_reader_knows_nothing_of_xver() -> None:
    tree = ast.parse(Path(second_reader.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"blake3", "xxhash", "zstandard"}


def test_every_file_of_the_head_is_what_lies_on_the_disk(folder: Path) -> None:
    reader = Reader(folder / ".xver" / "store")
    snapshot = reader.snapshot("heads/main")
    assert snapshot["message"] == "second\n\nwith a body"
    found = {}
    for path, row in reader.files(bytes.fromhex(snapshot["root"])):
        data = b"".join(reader.content(row.id, row.size))
        found[path] = (row.kind, data)
        if row.kind != 3:
            assert row.fingerprint == xxhash.xxh3_128_digest(data)
        if len(data) > 262_144:
            assert row.sha256 == hashlib.sha256(data).digest()
    assert found == dict(on_disk(folder))


def on_disk(folder: Path) -> list[tuple[str, tuple[int, bytes]]]:
    found = []
    for path in [folder / "model.bin", *(folder / "data").rglob("*")]:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found.append((name, (3, os.fsencode(path.readlink()))))
        elif path.is_file():
            is_executable = os.name == "posix" and bool(path.stat().st_mode & 0o100)
            found.append((name, (2 if is_executable else 1, path.read_bytes())))
    return found


def test_the_commit_before_is_still_there(folder: Path) -> None:
    reader = Reader(folder / ".xver" / "store")
    (parent,) = reader.snapshot("heads/main")["parents"]
    reader.state.refs["heads/before"] = f"snapshot:{parent}"
    first = reader.snapshot("heads/before")
    assert (first["message"], first["parents"]) == ("first", [])
    table = next(row for path, row in reader.files(bytes.fromhex(first["root"])) if path == "data/table.csv")
    assert b"".join(reader.content(table.id, table.size)) == TABLE


def test_indexes_say_what_the_footers_of_their_packs_say(folder: Path) -> None:
    reader = Reader(folder / ".xver" / "store")
    assert any("inline" not in live for live in reader.state.indexes.values())
    packs = {name for live in reader.state.indexes.values() for name in live["packs"]}
    rows = {id: place for name in sorted(packs) for id, place in reader.footer(name).items()}
    assert len(rows) > 5_000
    assert {id: reader.find(id) for id in rows} == rows


def test_the_reader_runs_as_a_program(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, second_reader.__file__, str(folder / ".xver" / "store")],
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "'data/noise.bin'" in done.stdout


def store_in(folder: Path) -> Store:
    return create_store(LocalStorage(folder), client="test")


def test_a_checkpoint_gives_the_state_that_the_whole_log_gives(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for number in range(2 * CHECKPOINT_EVERY + 5):
        target = Target(TargetKind.CONTENT, bytes([number]) * 32)
        store.move("test", {f"tags/{number % 50}": target if number % 3 else None, "heads/main": target})
    whole, late = Reader(tmp_path), Reader(tmp_path, from_checkpoint=True)
    assert whole.state == late.state
    assert whole.state.refs == {name: str(target) for name, target in store.log.refs.items()}
    assert (whole.state.n, whole.state.digest) == (store.log.n, store.log.digest)


def test_deltas_are_read_by_both(tmp_path: Path) -> None:
    bases = [TABLE[at * 50_000 : (at + 1) * 50_000] for at in range(3)]
    data = b"".join(base[:20_000] for base in bases) + b"new"
    stored = encode_delta([chunk_id(base) for base in bases], compress_delta(data, b"".join(bases)))
    store = store_in(tmp_path)
    put_delta(store, bases, data, stored)
    again = open_store(store.storage, client="test")
    assert again.get(Kind.CHUNK, chunk_id(data)) == data
    reader = Reader(tmp_path)
    assert reader.find(chunk_id(data)).codec == 2
    assert reader.get(second_reader.CHUNK, chunk_id(data)) == data


def put_delta(store: Store, bases: list[bytes], data: bytes, stored: bytes) -> None:
    # The frame comes as from another store.
    place = Place(chunk_id(data), ELSEWHERE, 12, len(stored), len(data), Kind.CHUNK, Codec.DELTA)
    with store.packer() as packer:
        for base in bases:
            packer.put(Kind.CHUNK, base)
        packer.put_frame(place, stored)
        store.move("test", {"heads/main": Target(TargetKind.CONTENT, chunk_id(data))}, packer.finish())


def test_what_is_newer_is_refused_and_named(tmp_path: Path) -> None:
    store_in(tmp_path)
    marker = (tmp_path / "xver.json").read_bytes()
    (tmp_path / "xver.json").write_bytes(marker.replace(b'"format":1', b'"format":2'))
    with pytest.raises(Newer, match="format 2"):
        Reader(tmp_path)
    (tmp_path / "xver.json").write_bytes(marker)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "0000000000").write_bytes(b'{"format":1,"n":0,"prev":null,"require":["sharding"]}')
    with pytest.raises(Newer, match="sharding"):
        Reader(tmp_path)


def test_damage_is_found(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with store.packer() as packer:
        id = packer.put(Kind.CHUNK, NOISE[:1000])
        store.move("test", {"heads/main": Target(TargetKind.CONTENT, id)}, packer.finish())
    (pack,) = (tmp_path / "packs").iterdir()
    data = bytearray(pack.read_bytes())
    data[500] ^= 1
    pack.write_bytes(data)
    with pytest.raises(Damaged):
        Reader(tmp_path).get(second_reader.CHUNK, id)

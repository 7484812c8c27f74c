"""Remotes whose log, packs, indexes or marker lie, and hostile files beside the data: refused in one line."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.e2e.test_hostile import CORRUPT, World, pristine, world
from tests.support.forge import Forger
from tests.support.repos import new_repo, read_tree
from xver.cli.failures import EXIT_CODES
from xver.errors import (
    Conflict,
    ContentNotFound,
    CorruptData,
    InvalidInput,
    NotFound,
    RepositoryNotFound,
    StorageError,
    UnsupportedFormat,
)
from xver.format.codecs import Codec
from xver.format.indexes import Container, Place, encode_index
from xver.format.log_entries import LiveIndex
from xver.format.packs import TAIL_SIZE
from xver.model.ids import Kind, checksum
from xver.settings import Remote
from xver.store.log import Change
from xver.sync.push import push

__all__ = ["pristine", "world"]
UNSUPPORTED = EXIT_CODES[UnsupportedFormat]


def set_key(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update({key: value})


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (set_key("format", 2), UNSUPPORTED),
        (set_key("format", None), UNSUPPORTED),
        (set_key("algorithms", {"id": "md5"}), UNSUPPORTED),
        (set_key("repository", None), CORRUPT),
        (set_key("repository", 7), CORRUPT),
        (lambda record: record.pop("repository"), CORRUPT),
    ],
    ids=["format 2", "no format", "other algorithms", "no id", "a number as id", "id missing"],
)
def test_a_marker_of_another_kind(world: World, edit: Callable[[dict[str, Any]], None], code: int) -> None:
    world.forger.edit_json("xver.json", edit)
    world.refused("clone", "remote", "new", codes=[code])


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": 1, "format": 1}'])
def test_a_marker_that_is_none(world: World, data: bytes) -> None:
    (world.root / "remote" / "xver.json").write_bytes(data)
    world.refused("clone", "remote", "new")


def test_another_repository(world: World) -> None:
    push(new_repo(world.root / "other", {"f": b"x"}, remote="../theirs"), Remote("origin", "../theirs"))
    world.run("remote", "remove", "origin", folder="copy")
    world.run("remote", "add", "origin", "../theirs", folder="copy")
    for command in ("fetch", "pull", "push"):
        assert "another repository" in world.refused(command, folder="copy", codes=[EXIT_CODES[Conflict]])


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (set_key("require", ["time-travel"]), UNSUPPORTED),
        (set_key("format", 2), UNSUPPORTED),
        (set_key("n", 99), CORRUPT),
        (set_key("n", "one"), CORRUPT),
        (set_key("prev", "00" * 32), CORRUPT),
        (set_key("prev", None), CORRUPT),
        (set_key("fence", "high"), CORRUPT),
        (set_key("fence", -1), CORRUPT),
        (set_key("refs", []), CORRUPT),
        (set_key("refs", {"heads/../../x": [None, None]}), CORRUPT),
        (set_key("refs", {"heads/x": [None, "snapshot:zz"]}), CORRUPT),
        (set_key("refs", {"heads/x": ["a"]}), CORRUPT),
        (set_key("remove_packs", ["../x"]), CORRUPT),
        (set_key("remove_packs", ["²"]), CORRUPT),
        (set_key("remove_packs", ["9" * 5000]), CORRUPT),
        (set_key("checkpoint", ["x"]), CORRUPT),
        (set_key("add_index", [{"name": "../../x", "size": 1, "checksum": "0", "packs": {}}]), CORRUPT),
        (set_key("add_index", [{"name": "index/0.f", "size": -1, "checksum": "0", "packs": {}}]), CORRUPT),
        (set_key("add_index", [{"name": "index/0.f", "size": 1, "checksum": "0", "packs": {"/etc/x": 1}}]), CORRUPT),
        (
            set_key("add_index", [{"name": "index/0.f", "size": 1, "checksum": "0", "packs": {}, "inline": "é"}]),
            CORRUPT,
        ),
    ],
    ids=[f"lie {n}" for n in range(20)],
)
def test_a_log_entry_that_lies(world: World, edit: Callable[[dict[str, Any]], None], code: int) -> None:
    forger = world.forger
    forger.store.log.append(Change("one more"))
    forger.edit_json(forger.last_entry(), edit)
    world.refused("clone", "remote", "new", codes=[code])
    world.refused("fetch", folder="copy", codes=[code])
    world.refused("pull", folder="copy", codes=[code])
    world.refused("push", folder="copy", codes=[code])
    assert not (world.root / "new").exists()


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"{}", b"[" * 50_000, b"x" * 9_000_000])
def test_a_log_entry_that_is_none(world: World, data: bytes) -> None:
    (world.root / "remote" / world.forger.last_entry()).write_bytes(data)
    world.refused("clone", "remote", "new", codes=[CORRUPT, UNSUPPORTED])


@pytest.mark.parametrize("command", ["fetch", "pull", "push"])
def test_a_rewritten_log_is_refused_by_who_remembers_it(world: World, command: str) -> None:
    forger = world.forger
    forger.store.log.append(Change("one more"))
    assert world.run("fetch", folder="copy")[0] == 0
    forger.edit_json(forger.last_entry(), set_key("nonce", "00"))
    assert "has changed or is gone" in world.refused(command, folder="copy")


def test_a_log_that_went_back_is_refused(world: World) -> None:
    forger = world.forger
    forger.store.log.append(Change("one more"))
    assert world.run("fetch", folder="copy")[0] == 0
    forger.storage.delete(forger.last_entry())
    for command in ("fetch", "pull", "push"):
        assert "has changed or is gone" in world.refused(command, folder="copy")


def test_a_remote_that_vanished_is_not_begun_anew(world: World) -> None:
    assert world.run("fetch", folder="copy")[0] == 0
    (world.root / "remote").rename(world.root / "elsewhere")
    for command in ("fetch", "pull", "push"):
        world.refused(command, folder="copy")


def evil(forger: Forger, forge: Callable[[bytearray], None] | None) -> None:
    forger.publish([("data", forger.listing([("a", forger.file(b"evil" * 100))]))], forge=forge)


def cut_short(body: bytearray) -> None:
    del body[60:]


def emptied(body: bytearray) -> None:
    body.clear()


def flipped(body: bytearray) -> None:
    body[20] ^= 1


@pytest.mark.parametrize("forge", [cut_short, emptied, flipped])
def test_a_pack_that_is_not_whole(world: World, forge: Callable[[bytearray], None]) -> None:
    evil(world.forger, forge)
    codes = [CORRUPT, EXIT_CODES[StorageError]]
    world.refused("clone", "remote", "new", codes=codes)
    world.refused("pull", folder="copy", codes=codes)
    assert not (world.root / "new").exists()


def test_a_pack_that_is_gone(world: World) -> None:
    evil(world.forger, None)
    for pack in (world.root / "remote" / "packs").glob("*f0f0*"):
        pack.unlink()
    world.refused("clone", "remote", "new", codes=[EXIT_CODES[NotFound], CORRUPT])
    world.refused("pull", folder="copy", codes=[EXIT_CODES[NotFound], CORRUPT])


def test_a_footer_that_lies_is_found_by_fsck(world: World) -> None:
    forger = Forger(world.root / "copy" / ".xver" / "store")

    def lie(body: bytearray) -> None:
        body[-TAIL_SIZE - 8] ^= 1

    evil(forger, lie)
    code, _ = world.run("fsck", folder="copy")
    assert code == 1


def places(forger: Forger, change: Callable[[Place], Place]) -> None:
    """Publish an honest pack with an index that was changed."""
    evil(forger, None)
    entry = forger.store.log.entries()[-1]
    index = forger.store.index.open(entry.add_index[0])
    data = encode_index([change(place) for place in index.places()], {})

    def rewrite(record: dict[str, Any]) -> None:
        one = record["add_index"][0]
        one |= {"inline": base64.b64encode(data).decode(), "size": len(data), "checksum": f"{checksum(data):016x}"}

    forger.edit_json(forger.last_entry(), rewrite)


def moved(place: Place, **fields: Any) -> Place:
    return place._replace(**fields)


@pytest.mark.parametrize(
    "change",
    [
        lambda place: moved(place, offset=place.offset + (1 << 40)),
        lambda place: moved(place, offset=place.container.size - place.stored + 1),
        lambda place: moved(place, offset=place.offset + 1),
        lambda place: moved(place, container=Container("packs/0.evil-0.data", place.container.size, 0)),
        lambda place: moved(place, container=Container("../../../etc/passwd", place.container.size, 0)),
        lambda place: moved(place, container=Container(place.container.name, 1 << 60, 0), offset=1 << 50),
        lambda place: moved(place, raw=0xFFFFFFFF, stored=0xFFFFFFFF),
        lambda place: moved(place, kind=Kind.SNAPSHOT),
        lambda place: moved(place, codec=Codec.ZSTD),
        lambda place: moved(place, codec=Codec.DELTA),
    ],
)
def test_an_index_that_lies(world: World, change: Callable[[Place], Place]) -> None:
    places(world.forger, change)
    codes = [CORRUPT, EXIT_CODES[StorageError], EXIT_CODES[ContentNotFound]]
    world.refused("clone", "remote", "new", codes=codes)
    world.refused("pull", folder="copy", codes=codes)


def deltas_in_a_circle(forger: Forger) -> LiveIndex:
    one, two = forger.file(b"a" * 100), forger.file(b"b" * 100)
    made = forger.index()
    index = forger.store.index.open(made)
    found = [moved(place, codec=Codec.DELTA) for place in index.places()]
    data = encode_index(found, {one.id: (two.id,), two.id: (one.id,)})
    forger.publish([("one", one), ("two", two)])
    return LiveIndex(made.name, len(data), checksum(data), made.packs, data)


def test_deltas_that_lead_in_a_circle(world: World) -> None:
    forger = world.forger
    forger.store.log.append(Change("forge", add_index=(deltas_in_a_circle(forger),)))
    world.refused("clone", "remote", "new")


@pytest.mark.parametrize("declares", [True, False], ids=["says 256 KiB", "says it"])
def test_a_frame_that_unpacks_to_a_gigabyte_takes_no_memory(world: World, declares: bool) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no resource limits")
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 30))
    if declares:
        # The frame's own header is made to say what the index says: single segment, content size in four bytes.
        size = zstandard.frame_header_size(bomb)
        bomb = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", 262_144) + bomb[size:]
    forger = world.forger
    found = forger.file(bomb)
    made = forger.index()
    (place,) = forger.store.index.open(made).places()
    data = encode_index([moved(place, raw=262_144, codec=Codec.ZSTD)], {})
    lie = LiveIndex(made.name, len(data), checksum(data), made.packs, data)
    forger.store.log.append(Change("forge", add_index=(lie,)))
    forger.publish([("data", forger.listing([("a", moved_file(found, 262_144))]))])
    process = subprocess.run(
        [sys.executable, "-m", "xver", "clone", "remote", "new"],
        cwd=world.root,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20)),
        capture_output=True,
        check=False,
    )
    assert process.returncode == CORRUPT, process.stderr
    assert not (world.root / "new").exists()


def moved_file(file: Any, size: int) -> Any:
    return replace(file, size=size)


LOCK = 'format = 1\nrepository = "r"\n'
ENTRY = f'kind = "file"\nid = "b3:{"00" * 32}"\nsize = 1\nfingerprint = "{"00" * 16}"\n'


@pytest.mark.parametrize(
    "text",
    [
        f'{LOCK}["../x"]\n{ENTRY}',
        f'{LOCK}["/etc/x"]\n{ENTRY}',
        f'{LOCK}[".git/hooks/x"]\n{ENTRY}',
        f'{LOCK}["a"]\n{ENTRY}["a/b"]\n{ENTRY}',
        f'{LOCK}["a"]\n{ENTRY.replace("size = 1", "size = -1")}',
        f'{LOCK}["a"]\n{ENTRY.replace("size = 1", f"size = {10**30}")}',
        f'{LOCK}["a"]\n{ENTRY.replace("size = 1", "size = 1e400")}',
        f'{LOCK}["a"]\n{ENTRY.replace("size = 1", "size = true")}',
        f'{LOCK}["a"]\nkind = "device"\nsize = 1\n',
        f"{LOCK}a = 1\n",
        f"{LOCK}a = {'[' * 50_000}\n",
        f"{LOCK}{'a.' * 50_000}b = 1\n",
        "format = 1\n",
        "format = 99\nrepository = 'r'\n",
        "\0",
    ],
)
@pytest.mark.parametrize("command", ["checkout", "pull", "status", "add"])
def test_a_hostile_lock(world: World, text: str, command: str) -> None:
    (world.root / "copy" / "xver.lock").write_text(text)
    arguments = (command, "data") if command == "add" else (command,)
    world.refused(*arguments, folder="copy", codes=[CORRUPT, UNSUPPORTED])


@pytest.mark.parametrize(
    "url", ["", "ftp://x/y", "s3://", "http://169.254.169.254/", "xver://x", "a\0b", "file://", "file://host/x"]
)
@pytest.mark.parametrize("command", ["fetch", "pull", "push"])
def test_an_odd_address(world: World, url: str, command: str) -> None:
    text = url.replace("\0", "\\u0000")
    (world.root / "copy" / "xver.toml").write_text(f'[remotes.origin]\nurl = "{text}"\n')
    kinds = (InvalidInput, NotFound, RepositoryNotFound, StorageError, CorruptData, Conflict)
    world.error(command, folder="copy", codes=[EXIT_CODES[kind] for kind in kinds])
    assert read_tree(world.root / "copy") == {"data/a": b"honest", "data/b": b"content"}

"""The files of a version: links lead to what lies in the same dataset, never out of it; big folders are jumped over."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings

from tests.support.counting import CountingStorage
from tests.support.values import trees
from xver.filesystem.trees import Folder, Tree
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.ids import Kind, chunk_id, fingerprint
from xver.model.paths import TrackedPath
from xver.storage.memory import MemoryStorage
from xver.store.content import put_bytes
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.ranges import Range, read_ranges
from xver.store.reading import open_reading
from xver.store.remembered import Remembered
from xver.store.store import Store, create_store

LINKS = {
    "plain.txt": "real.txt",
    "deep/up.txt": "../real.txt",
    "deep/chain.txt": "up.txt",
    "folder": "deep",
    "here": ".",
    "loop1": "loop2",
    "loop2": "loop1",
    "out": "../../secret.txt",
    "root": "/etc/passwd",
    "sideways": "../other/z.txt",
    "nowhere": "gone.txt",
    "self": "self",
    "through": "folder/inside.txt",
}
FILES = {"real.txt": b"real", "deep/inside.txt": b"inside", "deep/er/x": b"x"}


def made(links: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[Store, Dataset]:
    store = create_store(MemoryStorage(), client="test")
    entries: dict[str, Entry] = {}
    with store.packer() as packer:
        for path, data in files.items():
            content = put_bytes(packer, data)
            entries[path] = File(content.id, content.size, content.fingerprint)
        for path, target in links.items():
            content = put_bytes(packer, target.encode())
            entries[path] = Link(content.id, content.size)
        dataset = put_listing(packer, [Row(TrackedPath(path), entries[path]) for path in sorted(entries)])
        index = packer.finish()
    assert index is not None
    store.commit(Change("made", add_index=(index,)))
    return store, dataset


@pytest.fixture(scope="module")
def linked() -> Tree:
    store, dataset = made(LINKS, FILES)
    other = File(chunk_id(b"z"), 1, fingerprint(b"z"))
    entries: dict[TrackedPath, Entry] = {
        TrackedPath("data"): dataset,
        TrackedPath("other/z.txt"): other,
        TrackedPath("far"): External("s3://bucket/far", "v1", 9),
        TrackedPath("link"): Link(chunk_id(b"data"), 4),
    }
    return Tree(store, entries)


def file_of(data: bytes) -> File:
    return File(chunk_id(data), len(data), fingerprint(data))


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("data/plain.txt", b"real"),
        ("data/deep/up.txt", b"real"),
        ("data/deep/chain.txt", b"real"),
        ("data/folder/inside.txt", b"inside"),
        ("data/folder/er/x", b"x"),
        ("data/folder/up.txt", b"real"),
        ("data/here/real.txt", b"real"),
        ("data/here/here/folder/inside.txt", b"inside"),
        ("data/through", b"inside"),
    ],
)
def test_a_link_inside_a_dataset_is_followed(linked: Tree, path: str, data: bytes) -> None:
    assert linked.find(path) == file_of(data)


@pytest.mark.parametrize("path", ["data/folder", "data/here", "data/folder/er"])
def test_a_link_to_a_folder_is_a_folder_for_who_asks_for_it(linked: Tree, path: str) -> None:
    assert isinstance(linked.find(path), Folder)


@pytest.mark.parametrize("name", ["out", "root", "sideways", "nowhere", "loop1", "self"])
def test_a_link_that_leads_out_or_nowhere_stays_a_link(linked: Tree, name: str) -> None:
    assert isinstance(linked.find(f"data/{name}"), Link)
    assert linked.find(f"data/{name}/x") is None


def test_a_walk_comes_to_an_end(linked: Tree) -> None:
    kinds = {name: type(found) for name, found in linked.children("data")}
    direct = {name for name in LINKS if "/" not in name}
    followed = dict.fromkeys(["real.txt", "plain.txt", "through"], File)
    assert kinds == {**dict.fromkeys(direct, Link), **followed, "deep": Folder}
    found = dict(linked.files(""))
    assert found["data/deep/chain.txt"] == file_of(b"real")
    assert isinstance(found["far"], External)
    assert isinstance(found["link"], Link)
    assert len(found) == len(LINKS) + len(FILES) + 3


def test_what_is_above_tracked_paths_is_a_folder(linked: Tree) -> None:
    assert isinstance(linked.find(""), Folder)
    assert isinstance(linked.find("other"), Folder)
    assert {name: type(found) for name, found in linked.children("")} == {
        "data": Folder,
        "other": Folder,
        "far": External,
        "link": Link,
    }
    assert linked.find("othe") is None


@given(tree=trees)
@settings(max_examples=40)
def test_children_and_files_are_those_of_a_dictionary(tree: dict[TrackedPath, Entry]) -> None:
    plain = {path: entry for path, entry in tree.items() if not isinstance(entry, Link)}
    store = create_store(MemoryStorage(), client="test")
    with store.packer() as packer:
        dataset = put_listing(packer, [Row(path, plain[path]) for path in sorted(plain, key=str.encode)])
        index = packer.finish()
    if index is not None:
        store.commit(Change("made", add_index=(index,)))
    found = Tree(store, {TrackedPath("data"): dataset})
    assert sorted(path for path, _ in found.files("data")) == sorted(f"data/{path}" for path in plain)
    folders = {path[:at] for path in plain for at, sign in enumerate(path) if sign == "/"} | {""}
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        expected = {path[len(prefix) :].split("/")[0] for path in plain if path.startswith(prefix)}
        listed = [name for name, _ in found.children(f"data/{folder}".rstrip("/"))]
        assert sorted(listed) == sorted(expected)
        assert isinstance(found.find(f"data/{folder}".rstrip("/")), Folder)
        inside = {f"data/{path}" for path in plain if path.startswith(prefix)}
        assert {path for path, _ in found.files(f"data/{folder}".rstrip("/"))} == inside


MANY = [f"{at // 10_000}/{at:06}" for at in range(40_000)]


def content(path: str) -> bytes:
    return path.encode()


@pytest.fixture(scope="module")
def many() -> tuple[MemoryStorage, Dataset]:
    """Files of a few bytes, so many that their index is read by ranges."""
    storage = MemoryStorage()
    store = create_store(storage, client="test")
    with store.packer() as packer:
        for path in MANY:
            packer.put(Kind.CHUNK, content(path))
        dataset = put_listing(packer, [Row(TrackedPath(path), file_of(content(path))) for path in MANY])
        index = packer.finish()
    assert index is not None
    store.commit(Change("made", add_index=(index,)))
    return storage, dataset


def reader(many: tuple[MemoryStorage, Dataset]) -> tuple[Tree, CountingStorage]:
    counting = CountingStorage(many[0])
    tree = Tree(open_reading(counting, client="test", remembered=Remembered()), {TrackedPath("data"): many[1]})
    counting.reset()
    return tree, counting


def read(tree: Tree, paths: list[str]) -> list[bytes]:
    found = tree.find_many(f"data/{path}" for path in paths)
    files = [one for one in found.values() if isinstance(one, File)]
    return read_ranges(tree.store, [Range(one.id, one.size, 0, one.size) for one in files])


def test_many_scattered_files_are_read_in_few_rounds(many: tuple[MemoryStorage, Dataset]) -> None:
    tree, counting = reader(many)
    paths = random.Random(3).sample(MANY, 200)
    assert read(tree, paths) == [content(path) for path in paths]
    assert counting.rounds < 20
    assert counting.requests < 550


def test_many_neighbours_cost_few_requests_and_bytes(many: tuple[MemoryStorage, Dataset]) -> None:
    tree, counting = reader(many)
    paths = MANY[20_000:21_000]
    assert read(tree, paths) == [content(path) for path in paths]
    assert counting.rounds < 20
    assert counting.requests < 100
    assert counting.bytes < 500_000


def test_files_one_after_the_other_cost_three_requests_each(many: tuple[MemoryStorage, Dataset]) -> None:
    tree, counting = reader(many)
    for path in random.Random(4).sample(MANY, 150):
        assert read(tree, [path]) == [content(path)]
    assert counting.requests < 450


def test_a_folder_of_big_folders_is_listed_without_reading_them(many: tuple[MemoryStorage, Dataset]) -> None:
    tree, counting = reader(many)
    whole = sum(stat.size for stat in many[0].list("packs/") if stat.key.endswith(".meta"))
    assert [name for name, _ in tree.children("data")] == ["0", "1", "2", "3"]
    assert counting.bytes < whole / 2

"""`xver.lock` is made to be merged by git as text: two branches that changed different paths never meet."""

from __future__ import annotations

import subprocess
from itertools import combinations
from pathlib import Path

import pytest

from xver.errors import InvalidInput
from xver.format.lockfile import Lock, decode_lock, encode_lock
from xver.model.entries import Dataset, Entry, File, Link
from xver.model.ids import ListingId, chunk_id, fingerprint
from xver.model.paths import TrackedPath

Tree = dict[TrackedPath, Entry]
PATHS = [TrackedPath(name) for name in ("a", "b/c d", 'b/"q"', "data/é\n", "models/m.pkl", "z")]
MARKS = ["ours", "base", "theirs"]


def file(content: str) -> File:
    data = content.encode()
    return File(chunk_id(data), len(data), fingerprint(data))


def dataset(number: int, files: int = 7) -> Dataset:
    return Dataset(ListingId(bytes([number]) * 32), 1000, files)


def merge(folder: Path, base: Tree, ours: Tree, theirs: Tree, *options: str) -> tuple[int, bytes]:
    """Merge as `git merge` does: the number of conflicts, and the text."""
    for name, tree in zip(MARKS, (ours, base, theirs), strict=True):
        (folder / name).write_bytes(encode_lock(Lock("r", tree)))
    done = subprocess.run(["git", "merge-file", "-p", *options, *MARKS], cwd=folder, capture_output=True, timeout=60)
    assert 0 <= done.returncode < 128, done.stderr
    return done.returncode, done.stdout


EDITS = ["change", "change the files alone", "replace by a link", "remove"]


def edited(tree: Tree, path: TrackedPath, edit: str) -> Tree:
    match edit:
        case "change":
            return tree | {path: dataset(200)}
        case "change the files alone":
            return tree | {path: dataset(PATHS.index(path), files=8)}
        case "replace by a link":
            return tree | {path: Link(chunk_id(b"x"), 1)}
        case _:
            return {other: entry for other, entry in tree.items() if other != path}


def are_neighbours(tree: Tree, one: TrackedPath, other: TrackedPath) -> bool:
    ordered = sorted(tree, key=lambda path: path.encode())
    return abs(ordered.index(one) - ordered.index(other)) == 1


@pytest.mark.parametrize("edit", EDITS)
def test_branches_that_edit_different_paths_merge_without_a_driver(tmp_path: Path, edit: str) -> None:
    base: Tree = {path: dataset(at) for at, path in enumerate(PATHS)}
    for other_edit in EDITS:
        for one, other in combinations(PATHS, 2):
            ours, theirs = edited(base, one, edit), edited(base, other, other_edit)
            conflicts, text = merge(tmp_path, base, ours, theirs)
            if edit == other_edit == "remove" and are_neighbours(base, one, other):
                continue  # nothing is left between them: what the merge driver is for
            assert conflicts == 0, (one, other, text.decode())
            assert dict(decode_lock(text).entries) == edited(ours, other, other_edit)


def test_an_added_path_merges_with_a_change_of_its_neighbours(tmp_path: Path) -> None:
    base: Tree = {path: dataset(at) for at, path in enumerate(PATHS)}
    for added in ("A", "c", "zz"):
        ours = base | {TrackedPath(added): file("new")}
        for path in PATHS:
            conflicts, text = merge(tmp_path, base, ours, edited(base, path, "change"))
            assert conflicts == 0
            assert dict(decode_lock(text).entries) == edited(ours, path, "change")


@pytest.mark.parametrize("options", [[], ["--diff3"], ["--zdiff3"]], ids=["plain", "diff3", "zdiff3"])
def test_branches_that_change_the_same_path_conflict_and_the_rest_is_left_alone(
    tmp_path: Path, options: list[str]
) -> None:
    base: Tree = {path: dataset(at) for at, path in enumerate(PATHS)}
    ours, theirs = (base | {PATHS[2]: dataset(number)} for number in (100, 101))
    conflicts, text = merge(tmp_path, base, ours, theirs, *options)
    assert conflicts == 1
    with pytest.raises(InvalidInput) as caught:
        decode_lock(text)
    assert caught.value.hint == "xver merge"
    before, rest = text.split(b"<<<<<<<")
    assert len(before.splitlines()) + len(rest.split(b">>>>>>>")[1].splitlines()) == len(
        encode_lock(Lock("r", base)).splitlines()
    )

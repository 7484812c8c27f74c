"""A sparse work tree and a full one: given the same work inside the profile, they make the same versions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.repos import SOMEBODY, new_repo, read_tree, reopened, save
from xver.errors import XverError
from xver.model.paths import is_below
from xver.repo import Repo
from xver.versioning import branches
from xver.versioning.commits import commit
from xver.versioning.heads import head_entries
from xver.versioning.merging import merge_snapshot
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.sparse import drop_profile, set_profile
from xver.versioning.state import status
from xver.versioning.tracking import add
from xver.versioning.undoing import undo
from xver.versioning.versions import branch_name
from xver.worktree.folders import Folders

Step: TypeAlias = "tuple[str, str, bytes]"

PROFILE = ("d/in", "d/s/deep", "f")
MAIN = {"d/in/a": b"a", "d/in/b": b"b", "d/out/x": b"x", "d/s/deep/y": b"y", "d/s/z": b"z", "f": b"f", "o/p": b"p"}
SIDE = {"d/in/a": b"other", "d/in/c": b"c", "d/out/x": b"otherwise", "o/q": b"q"}
FILES = ("d/in/a", "d/in/b", "d/in/t/new", "d/s/deep/y", "d/s/deep/n", "f")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(FILES), st.sampled_from([b"1", b"22", b"333"])),
        st.tuples(st.just("delete"), st.sampled_from(FILES), st.just(b"")),
        st.tuples(st.just("add"), st.sampled_from(["d", "d/in", "d/s", "d/s/deep", "f"]), st.just(b"")),
        st.tuples(st.just("rm"), st.sampled_from(["d/in/a", "d/in", "d/s/deep", "d/out", "o", "f"]), st.just(b"")),
        st.tuples(st.sampled_from(["commit", "switch", "merge", "checkout", "undo"]), st.just(""), st.just(b"")),
    ),
    max_size=14,
)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Return a repository with two branches, of which hypothesis gets copies."""
    repo = new_repo(tmp_path_factory.mktemp("begun") / "work", MAIN)
    branches.switch(repo, "side", new=True)
    save(repo, SIDE)
    branches.switch(repo, "main")
    return repo


def take(repo: Repo, step: Step) -> str:
    """Take a step in a work tree; return how it ended."""
    word, path, data = step
    target = repo.root / path
    try:
        match word:
            case "write":
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            case "delete":
                target.unlink(missing_ok=True)
            case "add":
                add(repo, [path])
            case "rm":
                remove(repo, [path])
            case "commit":
                commit(repo, "a version", author=SOMEBODY)
            case "switch":
                branches.switch(repo, "side" if branch_name(repo) == "main" else "main")
            case "merge":
                merge_snapshot(repo, "side")
            case "checkout":
                checkout(repo)
            case "undo":
                undo(repo)
    except XverError as error:
        return type(error).__name__
    return "done"


def inside(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if any(is_below(path, one) for one in PROFILE)}


@settings(max_examples=12)
@given(steps=STEPS)
def test_the_same_work_makes_the_same_versions(begun: Repo, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder, name) for name in ("full", "sparse")]
        full, sparse = (Repo(type(begun.places)(root, root / ".xver", root / ".xver", None)) for root in roots)
        for root in roots:
            shutil.copytree(begun.root, root)
        set_profile(sparse, PROFILE)
        for step in steps:
            if step[0] == "add" and not (sparse.root / step[1]).exists():
                continue  # where nothing is left of a folder, only a full work tree still has it
            ends = [take(reopened(repo), step) for repo in (full, sparse)]
            assert ends[0] == ends[1], step
            assert reopened(sparse).lock == reopened(full).lock, step
            assert read_tree(sparse.root) == inside(read_tree(full.root)), step
            assert _changes(sparse) == _changes(full), step
            assert not status(reopened(sparse)).away, step
        assert head_entries(reopened(sparse)) == head_entries(reopened(full))
        drop_profile(reopened(sparse))
        assert read_tree(sparse.root) == read_tree(full.root)


def _changes(repo: Repo) -> set[str]:
    found = status(reopened(repo))
    changed = {f"{one.differs} {top}/{one.path}" for top, many in found.changed.items() for one in many.differences}
    return changed | {f"deleted {top}" for top in found.absent}


@pytest.mark.parametrize("after", range(5))
def test_a_profile_that_is_cut_off_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    repo = new_repo(tmp_path / "work", MAIN)
    set_profile(repo, ["d/in", "f"])
    before, calls = repo.lock, iter(range(100))

    def cut(real: Callable[..., object], *args: object, **options: object) -> object:
        if next(calls) == after:
            raise KeyboardInterrupt
        return real(*args, **options)

    with monkeypatch.context() as patch:
        for name in ("write", "remove"):
            real = getattr(Folders, name)
            patch.setattr(Folders, name, lambda *args, real=real, **options: cut(real, *args, **options))
        with pytest.raises(KeyboardInterrupt):
            set_profile(reopened(repo), ["d/out", "o"])
    assert _changes(repo) == set()
    assert not status(reopened(repo)).away
    add(reopened(repo), ["d"])
    assert reopened(repo).lock == before
    set_profile(reopened(repo), ["d/out", "o"])
    assert read_tree(repo.root) == {path: MAIN[path] for path in ("d/out/x", "o/p")}

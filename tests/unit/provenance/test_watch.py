"""inotify for real: what was read, in which order with writing, and what could not be seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.recorded import linux
from xver.provenance.tree import look, module_of
from xver.provenance.watch import Observed, Watcher
from xver.worktree.ignore import Ignore

pytestmark = linux


def observed(root: Path, act: Callable[[Path], object], *folders: str) -> Observed:
    with Watcher([os.fspath(root / folder) for folder in folders or (".",)]) as watcher:
        act(root)
        return watcher.stop()


def names(paths: frozenset[str]) -> set[str]:
    return {os.path.basename(path) for path in paths}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/b").write_text("b")
    return tmp_path


def read(root: Path) -> None:
    (root / "a").read_text()


def write(root: Path) -> None:
    (root / "a").write_text("new")


@pytest.mark.parametrize(
    ("acts", "is_read", "is_reread", "is_written"),
    [
        ((read,), True, False, False),
        ((write,), False, False, True),
        ((read, write), True, False, True),
        ((write, read), False, False, True),
        ((read, write, read), True, True, True),
    ],
)
def test_reading_counts_when_it_comes_before_writing(
    root: Path, acts: tuple[Callable[[Path], None], ...], is_read: bool, is_reread: bool, is_written: bool
) -> None:
    seen = observed(root, lambda root: [act(root) for act in acts])
    assert (bool(seen.read), bool(seen.reread), bool(seen.written)) == (is_read, is_reread, is_written)
    assert (seen.overflowed, seen.unwatched) == (False, 0)


def test_a_file_that_is_still_open_is_not_called_read(root: Path) -> None:
    held = []
    seen = observed(root, lambda root: held.append((root / "a").open()))
    held[0].close()
    assert (names(seen.read), names(seen.updated)) == (set(), {"a"})


def test_files_in_folders_that_appear_are_seen(root: Path) -> None:
    def act(root: Path) -> None:
        (root / "new/deep").mkdir(parents=True)
        (root / "new/deep/c").write_text("c")

    assert names(observed(root, act).written) == {"c"}


def test_a_folder_that_is_renamed_is_followed(root: Path) -> None:
    def act(root: Path) -> None:
        (root / "folder").rename(root / "other")
        (root / "other/c").write_text("c")

    seen = observed(root, act, ".", "folder")
    assert (names(seen.moved), names(seen.written)) == ({"folder"}, {"b", "c"})


def test_folders_that_cannot_be_watched_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watcher._watch
    # As a system whose fs.inotify.max_user_watches is used up.
    monkeypatch.setattr(Watcher, "_watch", lambda self, path, mask: len(self._paths) < 1 and watch(self, path, mask))
    seen = observed(root, read, ".", "folder")
    assert (names(seen.read), seen.unwatched) == ({"a"}, 1)


def test_twenty_thousand_opens_are_all_seen(root: Path) -> None:
    for number in range(5_000):
        (root / "folder" / str(number)).write_text("x")

    def act(root: Path) -> None:
        for _ in range(4):
            for path in (root / "folder").iterdir():
                path.read_bytes()

    seen = observed(root, act, "folder")
    assert seen.overflowed or len(seen.read) == 5_001


@pytest.mark.parametrize(
    ("compiled", "source"),
    [
        ("a/__pycache__/b.cpython-311.pyc", "a/b.py"),
        ("__pycache__/b.cpython-313.opt-1.pyc", "b.py"),
        ("a/__pycache__/test_b.cpython-311-pytest-8.3.pyc", "a/test_b.py"),
        ("a/b.py", "a/b.py"),
        ("__pycache__/notes.txt", "__pycache__/notes.txt"),
    ],
)
def test_a_compiled_module_stands_for_its_source(compiled: str, source: str) -> None:
    assert module_of(compiled) == source


def test_caches_and_environments_are_left_out_but_in_tracked_folders_everything_counts(root: Path) -> None:
    for path in ("venv/pyvenv.cfg", "conda/conda-meta/x", ".cache/x", "x.tmp", "data/poetry.lock", "data/.cache/y"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    assert set(look(root, Ignore(root)).files) == {"a", "folder/b"}
    assert set(look(root, Ignore(root), ["data"]).files) == {"a", "folder/b", "data/poetry.lock", "data/.cache/y"}

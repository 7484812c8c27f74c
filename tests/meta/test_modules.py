"""The house rules that a reader would otherwise have to check: one thought a module, docstrings, lazy imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import xver

from .sources import ROOT, imported, inside_functions, modules, parse, while_loading

MAX_LINES = 400
# The clients of servers take longer to load than `status` takes; few stores have chunks that lie in buckets.
LATE = {
    "xver/store/foreign_objects.py": ["xver.storage.locate"],
    # Of four kinds of buckets a command needs one at most, and all four take a tenth of its start.
    "xver/storage/locate.py": ["xver.storage.s3", "xver.storage.gcs", "xver.storage.azure", "xver.storage.sftp"],
    # Records of runs are many classes, which take a tenth of an idle status to make.
    "xver/history/reach.py": ["xver.format.runs"],
    "xver/versioning/versions.py": ["xver.versioning.runs"],
    # An idle status asks the lock, git and the stat index. The store and what hangs on it are half of all modules.
    "xver/repo.py": [
        "xver.local_store",
        "xver.local_store",
        "xver.local_store",
        "xver.history.adopted",
        "xver.local_store",
    ],
    "xver/versioning/heads.py": ["xver.versioning.versions"],
    "xver/versioning/state.py": ["xver.store.content", "xver.history.diff", "xver.store.listings"],
    "xver/versioning/pathspecs.py": ["xver.versioning.partly"],  # only for a pattern of what is gone from the disk
    "xver/worktree/scan.py": ["xver.worktree.scouts"],  # what it needs takes a tenth of an idle status to load
}
# Heavy library -> the modules that import it as they are loaded; everyone else imports it where it is used.
_DEMO = {"xver/cli/demo/scripts/prepare.py", "xver/cli/demo/scripts/train.py"}  # programs of the demo's user
# The room that looks into files works on arrays throughout; it is loaded to compare two of them.
_CONTENT = {path.relative_to(ROOT).as_posix() for path in (ROOT / "xver" / "content").glob("*.py")}
HEAVY = {
    "fsspec": {"xver/filesystem/files.py"},  # loaded by fsspec itself, or by who opens an address
    "networkx": set[str](),
    # What only collections import: arrays are all that they are made of.
    "numpy": _DEMO | _CONTENT | {"xver/format/columns.py", "xver/store/kept.py"},
    "pandas": set[str](),
    "pyarrow": _DEMO | _CONTENT,
    "rich": set[str](),
    "s3fs": set[str](),
}
PACKAGE = modules("xver")
EVERYTHING = modules("xver", "tests", "benchmarks")


def test_the_lists_below_are_not_empty() -> None:
    assert Path("xver/errors.py") in PACKAGE
    assert Path("tests/meta/test_modules.py") in EVERYTHING


@pytest.mark.parametrize("module", EVERYTHING, ids=str)
def test_a_module_is_one_thought(module: Path) -> None:
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) < MAX_LINES


@pytest.mark.parametrize(
    "module", [one for one in PACKAGE if one.name == "__init__.py" and len(one.parts) > 2], ids=str
)
def test_a_room_says_what_it_is_and_exports_nothing(module: Path) -> None:
    body = parse(module).body
    assert len(body) == 1, "an __init__.py below xver/ is a docstring: names are imported from their modules"
    docstring = ast.get_docstring(parse(module))
    assert docstring is not None
    assert 4 <= len(docstring.splitlines()) <= 15


@pytest.mark.parametrize("folder", sorted({one.parent for one in PACKAGE}), ids=str)
def test_every_folder_of_the_package_is_a_room(folder: Path) -> None:
    assert (ROOT / folder / "__init__.py").is_file()


@pytest.mark.parametrize("folder", sorted({one.parent for one in modules("tests")} - {Path("tests")}), ids=str)
def test_every_folder_of_tests_is_a_package_without_code(folder: Path) -> None:
    assert (ROOT / folder / "__init__.py").read_bytes() == b""


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_own_modules_are_imported_at_the_top(module: Path) -> None:
    if module.parts[:2] == ("xver", "cli"):
        return  # a command loads its part of the library when it is called
    late = [name for node in inside_functions(parse(module)) for name in imported(node) if name.startswith("xver")]
    assert late == LATE.get(module.as_posix(), [])


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_heavy_libraries_are_loaded_where_they_are_used(module: Path) -> None:
    early = {name.partition(".")[0] for node in while_loading(parse(module)) for name in imported(node)}
    assert [name for name in early & set(HEAVY) if module.as_posix() not in HEAVY[name]] == []


@pytest.mark.parametrize("module", [one for one in PACKAGE if one.parts[1] not in ("cli", "__main__.py")], ids=str)
def test_the_library_neither_prints_nor_ends_the_process(module: Path) -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(parse(module)) if isinstance(node, ast.Call)}
    assert calls & {"print", "exit", "quit", "sys.exit", "os._exit", "sys.stdout.write", "sys.stderr.write"} == set()


@pytest.mark.parametrize("module", PACKAGE, ids=str)
def test_only_the_command_line_knows_click(module: Path) -> None:
    names = {name.partition(".")[0] for node in ast.walk(parse(module)) for name in imported(node)}
    assert "click" not in names or module.parts[1] == "cli"


def test_public_names_are_sorted_and_hidden_by_no_module() -> None:
    names = [name for name in xver.__all__ if name != "__version__"]
    assert names == sorted(names)
    assert set(names) <= set(dir(xver))
    # Once `xver.lineage` is imported as a package, the attribute `lineage` is that package and nothing else.
    taken = {path.stem for path in (ROOT / "xver").iterdir()}
    assert [name for name in names if name in taken] == []


@pytest.mark.parametrize("name", xver.__all__)
def test_every_public_name_has_its_home(name: str) -> None:
    assert getattr(xver, name) is getattr(xver, name)


def test_a_name_that_is_not_public() -> None:
    with pytest.raises(AttributeError, match="module 'xver' has no attribute 'nothing'"):
        _ = xver.nothing

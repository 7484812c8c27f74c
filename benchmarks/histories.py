"""Histories of edits: what all versions of a table, of tensors, of a database and more cost to store and to send."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import data
import zstandard
from script import run_benchmark
from support import FailedCommand, MiB, Options, Timing
from tables import Goal, Row, Table
from tools import DATA, Tool, contestants
from versions import KINDS

_SMALLER: Final = 8
_GOAL: Final = 1.15


def measure(options: Options, work: Path) -> Iterator[Table]:
    """Yield a table: a row for each kind of data and contestant, a round for each version."""
    tools = contestants(options, work / "home")
    chosen = [tools[name] for name in ("xver", "restic")]
    rows: list[Row] = []
    for number, (kind, (make, size)) in enumerate(KINDS.items()):
        folder = work / str(number)
        source = folder / "source"
        source.mkdir(parents=True)
        started = {tool.name: _start(tool, folder / tool.name) for tool in chosen if tool.installed}
        timings: dict[str, list[Timing]] = {tool.name: [] for tool in chosen}
        failed = {tool.name: "not installed" for tool in chosen if not tool.installed}
        versions = raw = 0
        for version in make(source, size * MiB // (1 if options.size == "full" else _SMALLER)):
            version()
            versions += 1
            raw += data.tree_size(source)[1]
            for tool in chosen:
                if tool.name not in failed:
                    try:
                        timings[tool.name].append(_add(tool, started[tool.name], source))
                    except FailedCommand as failure:
                        failed[tool.name] = f"failed: {failure}"
        packed = _compressed(source)
        for tool in chosen:
            name = f"{kind}, {tool.name}"
            if tool.name in failed:
                rows.append(Row(name, note=failed[tool.name]))
                continue
            repository, remote = started[tool.name]
            stored = data.tree_size(tool.store(repository))[1]
            facts = {
                "versions": str(versions),
                "MiB, all versions": f"{raw / MiB:,.1f}",
                "MiB, the last in zstd -3": f"{packed / MiB:,.2f}",
                "MiB stored": f"{stored / MiB:,.2f}",
                "× the last in zstd": f"{stored / packed:.2f}",
                "MiB sent": f"{data.tree_size(remote)[1] / MiB:,.2f}" if tool.stores_before_it_pushes else "–",
            }
            is_judged = tool.name == "xver" and kind == "CSV"
            goals = [Goal(f"≤ {_GOAL}", stored <= _GOAL * packed)] if is_judged else []
            rows.append(Row(name, timings[tool.name], facts, goals))
        shutil.rmtree(folder)
    yield Table(
        "Histories of edits",
        rows,
        baseline="",
        setting="Each version is added (and by xver committed and pushed to a folder) before the next; seconds of one "
        "version. What the versions are is said in `versions.py`.",
    )


def _start(tool: Tool, repository: Path) -> tuple[Path, Path]:
    remote = repository.with_suffix(".remote")
    (repository / DATA).mkdir(parents=True)
    tool.run(repository, *tool.create, *(tool.connect if tool.stores_before_it_pushes else ()), remote=str(remote))
    return repository, remote


def _add(tool: Tool, place: tuple[Path, Path], source: Path) -> Timing:
    repository, remote = place
    shutil.copytree(source, repository / DATA, dirs_exist_ok=True)
    taken = tool.timed(repository, tool.add, flush=True)
    if tool.stores_before_it_pushes:
        tool.run(repository, *tool.commit, tool.push, remote=str(remote))
    return taken


def _compressed(folder: Path) -> int:
    """Return the bytes of a folder's files, each in zstd -3."""
    compressor = zstandard.ZstdCompressor(level=3)
    size = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with open(path, "rb") as file, open(os.devnull, "wb") as nowhere:
                size += compressor.copy_stream(file, nowhere)[1]
    return size


if __name__ == "__main__":
    run_benchmark(__doc__, measure)

"""Data as people change them, made from a seed: for each kind a first version and the steps to the next ones."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import data
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from support import MiB

Version: TypeAlias = Callable[[], None]
"""Brings a folder from one version to the next."""

_WORDS: Final = [
    f"{one}{two}{three}" for one in ("ka", "lo", "mi", "ter") for two in ("an", "os", "ul") for three in "aeimnrst"
]


def csv(folder: Path, size: int) -> Iterator[Version]:
    """A table of measurements: rows at the end, 200 edits, deletions, rows in front, a block moved."""
    path = folder / "table.csv"
    yield lambda: _ignore(data.csv_file(path, size))
    yield lambda: _rewrite(path, lambda lines: [*lines, *lines[5_000 : 5_000 + len(lines) // 100]])
    yield lambda: data.edit_rows(path, 200, seed=1)
    yield lambda: _rewrite(path, _delete)
    yield lambda: _rewrite(path, lambda lines: [lines[0], *lines[900:1_100], *lines[1:]])
    yield lambda: _rewrite(path, _move)


def tensors(folder: Path, size: int) -> Iterator[Version]:
    """float32 weights; a tenth of them trained further in each version, in ten stretches."""
    path = folder / "weights.bin"
    random = np.random.default_rng(1)

    def first() -> None:
        with open(path, "wb") as file:
            for start in range(0, size, 8 * MiB):
                count = min(8 * MiB, size - start) // 4
                file.write((0.02 * random.standard_normal(count, np.float32)).tobytes())

    def train() -> None:
        with open(path, "r+b") as file:
            for number in range(10):
                file.seek((size * number // 10 + int(random.integers(size // 20))) // 4 * 4)
                file.write((0.02 * random.standard_normal(size // 400, np.float32)).tobytes())

    yield first
    yield from [train] * 2


def sqlite(folder: Path, size: int) -> Iterator[Version]:
    """A database with an index; in each of twenty versions 200 rows are changed and 100 are added."""
    path = folder / "store.sqlite"
    random = np.random.default_rng(2)

    def insert(base: sqlite3.Connection, count: int) -> None:
        rows = (
            (f"user-{random.integers(10**6)}", int(random.integers(10**9)), _sentence(random, 12)) for _ in range(count)
        )
        base.executemany("insert into events(who, at, what) values (?, ?, ?)", rows)

    def first() -> None:
        with sqlite3.connect(path) as base:
            base.execute("create table events(id integer primary key, who text, at integer, what text)")
            base.execute("create index by_who on events(who)")
            insert(base, size // 150)
        base.close()

    def change() -> None:
        with sqlite3.connect(path) as base:
            chosen = [(_sentence(random, 12), int(random.integers(1, size // 150))) for _ in range(200)]
            base.executemany("update events set what = ? where id = ?", chosen)
            insert(base, 100)
        base.close()

    yield first
    yield from [change] * 19


def jsonl(folder: Path, size: int) -> Iterator[Version]:
    """Records, a line each: labels of 500 corrected, then records added, then 500 corrected again."""
    path = folder / "records.jsonl"
    random = np.random.default_rng(3)

    def record(number: int) -> bytes:
        label = ("cat", "dog", "bird")[int(random.integers(3))]
        box = [round(float(one), 4) for one in random.random(4)]
        return json.dumps({"id": number, "label": label, "box": box, "text": _sentence(random, 8)}).encode() + b"\n"

    def correct(lines: list[bytes]) -> list[bytes]:
        for at in random.integers(0, len(lines), 500):
            lines[at] = lines[at].replace(b'"label": "', b'"label": "not a ', 1)
        return lines

    yield lambda: _ignore(path.write_bytes(b"".join(map(record, range(size // 150)))))
    yield lambda: _rewrite(path, correct)
    yield lambda: _rewrite(path, lambda lines: [*lines, *map(record, range(len(lines), len(lines) + 1_000))])
    yield lambda: _rewrite(path, correct)


def text(folder: Path, size: int) -> Iterator[Version]:
    """Documents of 4 to 40 KiB; in each version one of twenty has a sentence changed."""
    random = np.random.default_rng(4)

    def first() -> None:
        written = 0
        while written < size:
            lines = [_sentence(random, 12) + ".\n" for _ in range(int(random.integers(50, 500)))]
            (folder / f"{written:012}.txt").write_text("".join(lines))
            written += sum(map(len, lines))

    def edit() -> None:
        for path in sorted(folder.iterdir()):
            if random.random() < 0.05:
                lines = path.read_text().splitlines(keepends=True)
                lines[int(random.integers(len(lines)))] = _sentence(random, 15) + ".\n"
                path.write_text("".join(lines))

    yield first
    yield from [edit] * 3


def parquet(folder: Path, size: int) -> Iterator[Version]:
    """A table of Parquet as pandas writes it (snappy), written anew with 200 values changed."""
    path = folder / "table.parquet"
    random = np.random.default_rng(5)
    count = size // 28
    columns = {
        "id": np.arange(count),
        "value": random.standard_normal(count),
        "score": np.round(random.standard_normal(count), 3),
        "label": random.integers(0, 20, count, np.int32),
    }

    def write() -> None:
        pq.write_table(pa.table(columns), path, row_group_size=200_000)

    def change() -> None:
        columns["value"][random.integers(0, count, 200)] = 0.5
        write()

    yield write
    yield from [change] * 2


def images(folder: Path, size: int) -> Iterator[Version]:
    """Files of 100 KB that are compressed already: of one in twenty the header is changed, one in fifty is replaced."""
    random = np.random.default_rng(6)

    def first() -> None:
        for number in range(size // 100_000):
            (folder / f"{number:06}.jpg").write_bytes(b"\xff\xd8" + random.bytes(100_000))

    def change() -> None:
        for path in sorted(folder.iterdir()):
            draw = random.random()
            if draw < 0.02:
                path.write_bytes(b"\xff\xd8" + random.bytes(100_000))
            elif draw < 0.07:
                body = path.read_bytes()
                path.write_bytes(body[:20] + random.bytes(40) + body[60:])

    yield first
    yield from [change] * 2


KINDS: Final[dict[str, tuple[Callable[[Path, int], Iterator[Version]], int]]] = {
    "CSV": (csv, 256),
    "tensors": (tensors, 512),
    "SQLite": (sqlite, 64),
    "JSONL": (jsonl, 64),
    "text": (text, 64),
    "Parquet": (parquet, 128),
    "images": (images, 128),
}
"""By name: what makes the versions, and the size of the first in MiB."""


def _sentence(random: np.random.Generator, words: int) -> str:
    return " ".join(_WORDS[at] for at in random.integers(0, len(_WORDS), words))


def _rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    beside = path.with_suffix(".new")
    with open(beside, "wb") as file:
        file.writelines(change(lines))
    os.replace(beside, path)


def _delete(lines: list[bytes]) -> list[bytes]:
    step = len(lines) // 20
    return [line for at, line in enumerate(lines) if not 500 < at % step < 550]


def _move(lines: list[bytes]) -> list[bytes]:
    half, long = len(lines) // 2, len(lines) // 12
    block = lines[half : half + long]
    rest = lines[:half] + lines[half + long :]
    return rest[: half // 3] + block + rest[half // 3 :]


def _ignore(_: object) -> None:
    return None

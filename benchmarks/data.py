"""Made data, the same for the same seed: one large file, many small ones, a table; and changes to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

_BLOCK: Final = 8 << 20
_ROWS: Final = 50_000
_A_FOLDER: Final = 1000
_ALPHABET: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789 ,.;:-_/(){}[]<>=+*'\"#&%\n\tETA", np.uint8)
_NOTES: Final = ("ok", "battery low", "recalibrated", "door open", "sensor replaced", "")


def random_file(path: Path, size: int, *, seed: int = 0) -> None:
    """Write a file of `size` bytes that no compressor makes smaller."""
    random = np.random.default_rng(seed)
    with open(path, "wb") as file:
        file.writelines(random.bytes(min(_BLOCK, size - start)) for start in range(0, size, _BLOCK))


def small_files(root: Path, count: int, size: int, *, seed: int = 0) -> None:
    """Write `count` files of `size` bytes of text-like content (about 6 bits a byte), 1,000 to a folder."""
    random = np.random.default_rng(seed)
    for start in range(0, count, _A_FOLDER):
        folder = root / f"{start // _A_FOLDER:04d}"
        folder.mkdir(parents=True)
        here = min(_A_FOLDER, count - start)
        content = _text(random, here * size)
        for at in range(here):
            with open(folder / f"{at:04d}.txt", "wb") as file:
                file.write(content[at * size : (at + 1) * size])


def change_some(root: Path, fraction: float, *, seed: int) -> int:
    """Give a random part of the files below `root` other content of the same length; return how many."""
    random = np.random.default_rng(seed)
    files = sorted(_files(root))
    chosen = random.choice(len(files), max(1, round(len(files) * fraction)), replace=False)
    for at in chosen:
        size = os.path.getsize(files[at])
        with open(files[at], "wb") as file:
            file.write(_text(random, size))
    return len(chosen)


def overwrite_parts(path: Path, fraction: float, *, parts: int, seed: int) -> None:
    """Overwrite a fraction of a file in place, in `parts` stretches spread over it, with bytes that are random."""
    random = np.random.default_rng(seed)
    size = os.path.getsize(path)
    length = int(size * fraction / parts)
    with open(path, "r+b") as file:
        for number in range(parts):
            file.seek(size * number // parts + int(random.integers(size // parts - length)))
            file.write(random.bytes(length))


def touch_all(root: Path) -> None:
    """Give every file below `root` the present time, and leave its content."""
    for path in _files(root):
        os.utime(path)


def csv_file(path: Path, size: int, *, seed: int = 0) -> int:
    """Write a table of at least `size` bytes as CSV: measurements of 240 stations; return its number of rows."""
    random = np.random.default_rng(seed)
    stations = pa.array([f"station-{number:03d}" for number in range(240)])
    notes = pa.array(_NOTES)
    seconds, rows = 1_700_000_000, 0
    with open(path, "wb") as file:
        while file.tell() < size:
            times = seconds + np.cumsum(random.integers(0, 4, _ROWS))
            seconds = int(times[-1])
            table = pa.table(
                {
                    "id": np.arange(rows, rows + _ROWS),
                    "time": times.astype("datetime64[s]"),
                    "station": stations.take(random.integers(0, 240, _ROWS)),
                    "temperature": np.round(15 + 8 * random.standard_normal(_ROWS), 2),
                    "humidity": np.round(random.uniform(20, 100, _ROWS), 1),
                    "count": random.poisson(30, _ROWS),
                    "note": notes.take(random.choice(len(_NOTES), _ROWS, p=(0.6, 0.1, 0.05, 0.05, 0.05, 0.15))),
                }
            )
            pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=rows == 0))
            rows += _ROWS
    return rows


def edit_rows(path: Path, rows: int, *, seed: int) -> None:
    """Give `rows` rows at random places of a table by `csv_file` another temperature, some of other length."""
    random = np.random.default_rng(seed)
    places = np.sort(random.integers(_ROWS, path.stat().st_size - _ROWS, rows))
    beside = path.with_suffix(".new")
    with open(path, "rb") as old, open(beside, "wb") as new:
        for place in places:
            while (rest := int(place) - old.tell()) > 0:
                new.write(old.read(min(rest, _BLOCK)))
            new.write(old.readline())
            cells = old.readline().split(b",")
            cells[3] = f"{random.normal(15, 8):.2f}".encode()
            new.write(b",".join(cells))
        while block := old.read(_BLOCK):
            new.write(block)
    os.replace(beside, path)


def tree_size(root: Path) -> tuple[int, int]:
    """Return how many files lie below `root`, and their bytes."""
    sizes = [os.path.getsize(path) for path in _files(root)]
    return len(sizes), sum(sizes)


def _text(random: np.random.Generator, size: int) -> bytes:
    return bytes(_ALPHABET[random.integers(0, len(_ALPHABET), size, np.uint8)])


def _files(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        yield from (os.path.join(folder, name) for name in names)

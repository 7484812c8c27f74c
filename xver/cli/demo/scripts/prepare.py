"""Turn source files into features: which words stand in each file, and how often.

Reads   data/raw/**/*.py
Writes  data/features/AREA.parquet, a row per file; the area is the package that a file belongs to

Words are hashed to a number below 4,096 (the "hashing trick"), so no vocabulary has to be kept.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

RAW = Path("data/raw")
FEATURES = Path("data/features")
WIDTH = 4096
WORD = re.compile(rb"[A-Za-z_][A-Za-z_]{2,}")

SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "lines": pa.int32(),
        "words": pa.list_(pa.int16()),  # hashed words, ascending
        "counts": pa.list_(pa.int32()),  # how often each of them stands in the file
    }
)


def area_of(path: Path) -> str:
    """Return the package a file belongs to; modules that belong to none form an area of their own."""
    parts = path.relative_to(RAW).parts
    return parts[0] if len(parts) > 1 else "top-level"


def features_of(path: Path) -> dict[str, object]:
    """Return one row: the file's words, hashed and counted."""
    source = path.read_bytes()
    counts: Counter[int] = Counter()
    for word, count in Counter(WORD.findall(source)).items():
        counts[crc32(word) % WIDTH] += count
    words = sorted(counts)
    return {
        "path": path.relative_to(RAW).as_posix(),
        "lines": source.count(b"\n"),
        "words": words,
        "counts": [counts[word] for word in words],
    }


def main() -> None:
    """Write one table for each area, and remove those of areas that are gone."""
    areas = defaultdict(list)
    for path in sorted(RAW.rglob("*.py")):
        areas[area_of(path)].append(features_of(path))

    FEATURES.mkdir(parents=True, exist_ok=True)
    for old in FEATURES.glob("*.parquet"):
        if old.stem not in areas:
            old.unlink()
    for area, rows in areas.items():
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), FEATURES / f"{area}.parquet")

    files = sum(map(len, areas.values()))
    print(f"{files:,} files of {len(areas)} areas")


if __name__ == "__main__":
    main()

"""The numbers of docs/format.md are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from xver.format import canonical, listings, lockfile, log_entries, nodes, packs
from xver.format.codecs import MAX_BASES
from xver.format.foreign import FOREIGN_MAX
from xver.model.entries import CHUNK_MAX, SIZE_MAX, EntryKind
from xver.model.ids import Kind
from xver.model.paths import MAX_PATH
from xver.storage.memory import MemoryStorage
from xver.store.store import MARKER, create_store

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"^##+ ", PAGE.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(title: str) -> dict[str, str]:
    rows = [line.strip("| ").split(" | ", 1) for line in section(title).splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def test_the_maxima() -> None:
    assert nodes.MAX_CHILDREN == listings.MAX_CHILDREN
    assert nodes.MAX_LEVEL == listings.MAX_LEVEL
    assert MAX_PATH == listings.MAX_ADDRESS
    assert SIZE_MAX == 2**63 - 1
    assert table("Maxima") == {
        "chunk": f"{CHUNK_MAX:,} bytes",
        "any other object": f"{packs.RECORD_MAX:,} bytes",
        "children of a node or listing index; levels": f"{nodes.MAX_CHILDREN:,}; {nodes.MAX_LEVEL}",
        "rows of a listing block; text in it before it closes": f"{listings.MAX_ROWS:,}; {listings.MAX_TEXT:,} bytes",
        "path; address of an external file": f"{MAX_PATH:,} bytes",
        "size of content, sum of sizes, sum of rows": "2^63 - 1",
        "integers and nesting in records": f"2^{canonical.INTEGER_MAX.bit_length() - 1}; {canonical.DEPTH_MAX}",
        "log entry; index inside it": f"{log_entries.ENTRY_MAX:,} bytes; {log_entries.INLINE_MAX:,} bytes",
        "frames of a pack; bases of a delta; bytes of a foreign frame": (
            f"{packs.MAX_FRAMES:,}; {MAX_BASES}; {FOREIGN_MAX:,}"
        ),
        "`xver.lock`": f"{lockfile.MAX_LOCK:,} bytes",
    }


def test_the_numbers_of_kinds() -> None:
    numbers = re.findall(r"^  \| (\w+) \| (\d) \|", section("Hashes and ids"), re.MULTILINE)
    assert {name: int(number) for name, number in numbers} == {kind.name.lower(): kind for kind in Kind}
    names = "1 file, 2 executable file, 3 symbolic link, 4 dataset"
    assert names in section("Listings")
    assert [kind.value for kind in EntryKind] == [1, 2, 3, 4, 5]


def test_the_algorithms() -> None:
    storage = MemoryStorage()
    create_store(storage, client="test")
    algorithms = json.loads(storage.get(MARKER))["algorithms"]
    assert json.dumps(algorithms) in section("The store")

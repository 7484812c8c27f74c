"""Run every benchmark and print one page of Markdown; `--write` makes it docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import add_big
import add_many
import checkout
import diff_files
import edit_csv
import histories
import memory
import push_many
import read_remote
import share
import start_up
import work_tree
from script import Measure, arguments, describe, options_of, work_folder
from support import Options

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BENCHMARKS: Final[tuple[Measure, ...]] = (
    add_big.measure,
    add_many.measure,
    start_up.measure,
    work_tree.measure,
    edit_csv.measure,
    histories.measure,
    checkout.measure,
    push_many.measure,
    share.measure,
    read_remote.measure,
    diff_files.measure,
    memory.measure,
)
INTRODUCTION: Final = """\
# What it costs

Measured with the scripts in `benchmarks/` on {day}: `python benchmarks/run_all.py --size {size} --write` measures it
again. Each figure is the median of whole processes, timed from outside, with the least and the greatest beside it. The
contestants take turns on the same made data, and every clock starts when what was written before is on the disk. Read
the ratios: the seconds are this machine's.
"""


def sections(options: Options, work: Path) -> Iterator[str]:
    """Yield the page piece by piece, each as soon as it is measured."""
    yield INTRODUCTION.format(day=date.today().isoformat(), size=options.size)
    yield describe(options, work)
    for number, measure in enumerate(BENCHMARKS):
        folder = work / str(number)
        folder.mkdir()
        for table in measure(options, folder):
            yield table.markdown()


def main() -> None:
    parser = arguments(__doc__, tuple(work_tree.SIZES))
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md as well")
    parsed = parser.parse_args()
    page = []
    with work_folder(parsed.folder) as work:
        for section in sections(options_of(parsed), Path(work)):
            print(section, flush=True)
            page.append(section)
    if parsed.write:
        PAGE.write_text("\n".join(page), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

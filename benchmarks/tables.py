"""Figures as Markdown tables: the median of all rounds, the least and the greatest, and the goal beside each.

The goals are those of the project's design; a figure that misses one says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from support import Timing


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be, in words, and whether it is."""

    text: str
    met: bool

    def __str__(self) -> str:
        return f"{self.text}: **{'met' if self.met else 'missed'}**"


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant's figures; `facts` are further columns by their headings."""

    name: str
    timings: Sequence[Timing] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    goals: Sequence[Goal] = ()
    note: str = ""

    def with_facts(self, facts: Mapping[str, str], goals: Sequence[Goal] = ()) -> Row:
        """Return the row with more columns and goals."""
        return replace(self, facts={**self.facts, **facts}, goals=[*self.goals, *goals])

    @property
    def seconds(self) -> float:
        """The median of all rounds."""
        return statistics.median(timing.seconds for timing in self.timings)

    @property
    def peak(self) -> int:
        """The highest of all rounds."""
        return max(timing.peak for timing in self.timings)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one piece of work; ratios are against the row named `baseline`."""

    title: str
    rows: Sequence[Row]
    baseline: str
    setting: str

    def markdown(self) -> str:
        """Return the table as Markdown."""
        base = next((row for row in self.rows if row.name == self.baseline and row.timings), None)
        headings = list(dict.fromkeys(heading for row in self.rows for heading in row.facts))
        head = ["", "s, median", "min–max", f"× {self.baseline}", *headings, "goal"]
        lines = [
            f"### {self.title}",
            "",
            self.setting,
            "",
            _line(head),
            _line(["---", *["--:"] * (len(head) - 2), "---"]),
        ]
        for row in self.rows:
            figures = ["–", "–", "–"]
            if row.timings:
                every = [timing.seconds for timing in row.timings]
                ratio = f"{row.seconds / base.seconds:.2f}" if base else "–"
                figures = [f"{row.seconds:.2f}", f"{min(every):.2f}–{max(every):.2f}", ratio]
            facts = [row.facts.get(heading, "–") for heading in headings]
            end = "; ".join([*map(str, row.goals), *([row.note] if row.note else [])])
            lines.append(_line([row.name, *figures, *facts, end]))
        return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

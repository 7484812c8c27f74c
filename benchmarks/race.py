"""Contestants in turn: one round of each, then the next round, so that a drift of the machine meets all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from support import FailedCommand, Timing
from tables import Row
from tools import Tool


def race(tools: Mapping[str, Tool], rounds: int, one_round: Callable[[Tool, int], Timing]) -> dict[str, Row]:
    """Return a row for each tool; one that is not installed or fails has no timings and says why."""
    timings: dict[str, list[Timing]] = {name: [] for name in tools}
    notes = {name: "not installed" for name, tool in tools.items() if not tool.installed}
    for number in range(rounds):
        for name, tool in tools.items():
            if name in notes:
                continue
            try:
                timings[name].append(one_round(tool, number))
            except FailedCommand as failure:
                notes[name] = f"failed: {failure}"
    return {name: Row(name, () if name in notes else timings[name], note=notes.get(name, "")) for name in tools}

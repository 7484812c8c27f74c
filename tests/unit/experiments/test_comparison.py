"""Two runs side by side: figures are comparable only where the same data were used, for certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xver.experiments.comparison import compare
from xver.model.ids import ChunkId
from xver.model.runs import Attachment, Evidence, Input, Metric, Run, State, Status


def data(number: int, state: State = State.STABLE, *, role: str = "data") -> Input:
    return Input(f"{role}/x", bytes([number]) * 32, 1, Evidence.WATCHED, state, role)


def part(number: int) -> Input:
    return replace(data(1), files=9, read=3, members=Attachment(ChunkId(bytes([number]) * 32), 5))


UNKNOWN = replace(data(1, State.BEFORE_UNKNOWN), id=None)


def run(name: str, *used: Input, accuracy: float | None = None) -> Run:
    metrics = {} if accuracy is None else {"acc": Metric(accuracy, None, accuracy, accuracy, 1)}
    return Run("0" * 26, name, Status.OK, (), ".", 0, 0, "", "", inputs=used, metrics=metrics)


@pytest.mark.parametrize(
    ("before", "after", "comparable"),
    [
        (data(1), data(1), True),
        (data(1), data(2), False),
        (data(1), UNKNOWN, False),
        (UNKNOWN, UNKNOWN, False),
        (data(1, State.CHANGED), data(1, State.CHANGED), False),
        (part(1), part(1), True),
        (part(1), part(2), False),
        (data(1, role="code"), data(2, role="code"), True),
    ],
)
def test_figures_are_comparable_on_the_same_data_only(before: Input, after: Input, comparable: bool) -> None:
    found = compare(run("one", before, accuracy=0.5), run("two", after, accuracy=0.6))
    assert found.comparable is comparable
    assert bool(found.data) is not comparable


def test_nothing_is_ranked_where_one_has_no_figure() -> None:
    assert compare(run("one", data(1), accuracy=0.5), run("two", data(2))).comparable


def test_values_of_other_types_differ_and_nan_equals_itself() -> None:
    one = replace(run("one"), params={"a": 1, "b": float("nan"), "c": None})
    other = replace(run("two"), params={"a": True, "b": float("nan")})
    assert [(one.name, one.before, one.after) for one in compare(one, other).params] == [
        ("a", 1, True),
        ("c", None, None),
    ]
    assert compare(one, one).is_equal

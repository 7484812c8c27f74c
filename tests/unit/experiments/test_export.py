"""Runs as CSV: complete, read back as they were, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math

import pytest

from xver.experiments.export import to_csv
from xver.model.runs import Evidence, Input, Metric, Run, Scalar, State, Status


def run(title: str = "", **params: Scalar) -> Run:
    metric = Metric(math.inf, None, 0.5, 1.0, 2)
    used = Input("data/x, y", b"\x01" * 32, 1, Evidence.WATCHED, State.STABLE)
    return Run(
        "0" * 26, "n", Status.OK, ("python", "a b.py"), ".", 1000, 500, "u", "h",
        title=title, params=params, metrics={"loss": metric}, inputs=(used,), tags=("t1", "t2"),
    )  # fmt: skip


def rows(*runs: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(runs), newline="")))


@pytest.mark.parametrize("text", ['say "hi"', "two\nlines", "a\r\nb", "a,b;c", "ünï", " lead", ""])
def test_texts_come_back_as_they_were(text: str) -> None:
    (row,) = rows(run(text))
    assert row["title"] == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "＝1"])
def test_no_text_is_a_formula(text: str) -> None:
    (row,) = rows(run(text, lr=text))
    assert row["title"] == row["params.lr"] == "'" + text


def test_every_parameter_metric_and_data_version_has_a_column_and_lines_end_as_the_rfc_says() -> None:
    text = to_csv([run(a=-1, b=True), run(c=None)])
    assert text.count("\r\n") == 3
    one, other = rows(run(a=-1, b=True), run(c=None))
    assert list(one) == list(other)
    assert (one["params.a"], one["params.b"], other["params.a"], one["metrics.loss"]) == ("-1", "true", "", "inf")
    assert one["data.data/x, y"] == "01" * 32
    assert (one["started"], one["duration"]) == ("1970-01-01T00:00:01.000+00:00", "0.5")


def test_no_runs_are_a_line_of_names() -> None:
    assert to_csv([]).startswith("id,name,title,status")

"""What people are shown of runs and of tables, where a short cut would tell them wrong."""

from __future__ import annotations

from pathlib import Path

from tests.unit.content.tables import compare_files, table
from xver.cli.views.content import same_value
from xver.cli.views.run_report import results
from xver.model.runs import Run, Status


def test_an_option_whose_name_begins_alike_hides_no_parameter() -> None:
    command = ("python", "train.py", "--lr-decay", "0.1", "--depth=3")
    run = Run("0" * 26, "n", Status.OK, command, ".", 0, 0, "", "", params={"lr": 0.5, "lr-decay": 0.1, "depth": 3})
    assert results(run, most=9) == ["lr=0.5"]


def test_a_cell_that_is_no_number_before_and_after_has_not_changed(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        parquet.write_table(pa.table({"id": [1], "x": [float("nan")], "v": [value]}), tmp_path / name / "t.parquet")
    (changed,) = table(
        compare_files(tmp_path / "one/t.parquet", tmp_path / "two/t.parquet", key=["id"])
    ).rows.some_changed
    before, after = changed.before.values, changed.after.values
    assert {name: same_value(before[name], after[name]) for name in before} == {"id": True, "x": True, "v": False}

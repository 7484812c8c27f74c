"""Runs in flight: what stands in their folders survives whoever wrote it, and a bad one hides no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.recorded import linux, project, stored
from xver.errors import AlreadyExists, InvalidInput, StorageError
from xver.model.refs import RUNS
from xver.model.runs import Status
from xver.model.ulids import new_ulid, run_name
from xver.provenance import parameters, programs
from xver.provenance.events import EventWriter, read_events
from xver.provenance.flight import Flight
from xver.provenance.metrics import decode_series, encode_series
from xver.provenance.programs import begin_program, recover
from xver.provenance.sealing import flights, seal
from xver.repo import Repo
from xver.versioning.runs import find_run, read_runs


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return project(tmp_path / "project", {"data/x": b"x"}, tracked=("data",))


def dead(repo: Repo) -> Flight:
    """Return a run in flight whose process has ended."""
    flight = begin_program(repo, title="lost", command=(), parent=None)
    start = json.loads((flight.folder / "start.json").read_text())
    start["process"] |= {"started": 1, "pid": os.getpid()}
    (flight.folder / "start.json").write_text(json.dumps(start))
    return Flight.open(flight.folder)


@linux
def test_a_run_whose_recorder_died_is_alive_while_its_program_goes_on(repo: Repo) -> None:
    flight = dead(repo)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        flight.started(program.pid)
        assert flight.is_alive()
        assert recover(repo) == ([], [])
        program.communicate(b"\n")
    assert not flight.is_alive()
    (run,), _ = recover(repo)
    assert run.status is Status.LOST


@linux
def test_one_run_that_cannot_be_sealed_keeps_no_other_from_it(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = dead(repo), dead(repo)

    def fails_once(repo: Repo, flight: Flight, *arguments: object, **more: object) -> object:
        if flight.folder == bad.folder:
            raise StorageError("disk full")
        return seal(repo, flight, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(programs, "seal", fails_once)
        (run,), (problem,) = recover(repo)
    assert (run.ulid, "disk full" in problem) == (good.folder.name, True)
    assert [one.folder for one in flights(repo)] == [bad.folder]


@linux
def test_a_run_that_was_sealed_and_whose_folder_stayed_is_not_sealed_from_less(repo: Repo) -> None:
    flight = dead(repo)
    before = repo.root / "copy"
    shutil.copytree(flight.folder, before)
    writer = flight.writer()
    writer.append("metric", key="loss", value=0.5)
    writer.append("end", status="ok")
    writer.close()
    (run,), _ = recover(repo)
    name = RUNS + run.ulid
    target = repo.store.log.refs[name]
    # Whoever sealed it was killed while it removed the folder.
    before.rename(flight.folder)
    assert recover(repo) == ([], [])
    assert (repo.store.log.refs[name], flights(repo), flight.folder.exists()) == (target, [], False)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run": {}}', '{"run": {"ulid": "x"}}', "[" * 100_000])
def test_a_damaged_beginning_hides_no_other_run(repo: Repo, text: str) -> None:
    good = begin_program(repo, title="", command=(), parent=None)
    folder = repo.runs / new_ulid()
    folder.mkdir()
    (folder / "start.json").write_text(text)
    assert [one.folder for one in flights(repo)] == [good.folder]


def test_a_run_begins_once(tmp_path: Path) -> None:
    Flight.begin(tmp_path / "run", {})
    with pytest.raises(AlreadyExists):
        Flight.begin(tmp_path / "run", {})


def test_a_torn_last_line_is_left_out_and_nothing_is_written_into_it(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.append("metric", key="a", value=1)
    writer.close()
    (path,) = tmp_path.iterdir()
    with path.open("ab") as file:
        file.write(b'{"kind": "metric", "key": "a", "val')
    assert (len(read_events(tmp_path).points), read_events(tmp_path).problems) == (1, ())
    writer.append("metric", key="a", value=2)
    writer.close()
    record = read_events(tmp_path)
    assert [point.value for point in record.points] == [1, 2]
    assert len(record.problems) == 1


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "metric", "key": "a"},
        {"kind": "metric", "key": "a", "value": "x"},
        {"kind": "metric", "key": 5, "value": 1},
        {"kind": "metric", "key": "a", "value": 10**400},
        {"kind": "params", "values": []},
        {"kind": "input", "path": "../x"},
        {"kind": "input", "path": "x", "id": "zz"},
        {"kind": "input", "path": "x", "size": 1 << 60},
        {"kind": "output", "path": "/etc/passwd"},
        {"kind": "output", "path": "a/.git/config"},
        {"kind": "end", "status": "splendid"},
        {"kind": "unheard of"},
        {},
    ],
)
def test_an_event_that_makes_no_sense_is_a_problem_and_the_rest_counts(
    tmp_path: Path, event: dict[str, object]
) -> None:
    good = json.dumps({"kind": "metric", "key": "good", "value": 1})
    (tmp_path / "events-other.jsonl").write_text(f"{json.dumps(event)}\n{good}\n")
    record = read_events(tmp_path)
    assert [point.key for point in record.points] == ["good"]
    assert (len(record.problems), record.inputs, record.outputs, record.status) == (1, (), (), None)


@pytest.mark.parametrize("depth", [900, 100_000])
def test_an_event_that_nests_too_deep_is_a_problem(tmp_path: Path, depth: int) -> None:
    values = '{"a":' * depth + "1" + "}" * depth
    (tmp_path / "events-other.jsonl").write_text(f'{{"kind":"params","values":{values}}}\n')
    record = read_events(tmp_path)
    assert len(record.params) + len(record.problems) == 1


def test_a_metric_whose_name_is_no_text_has_a_series(tmp_path: Path) -> None:
    (tmp_path / "events-other.jsonl").write_text('{"kind":"metric","key":"a\\ud800","value":1}\n')
    (point,) = decode_series(encode_series(read_events(tmp_path).points))
    assert (point.key, point.value) == ("a\\ud800", 1)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("params.toml", ".".join("a" * 2_000) + " = 1\n", {}),
        ("params.yaml", "plan: [{2024-01-01: 0.1}]\n", {"plan": "[{datetime.date(2024, 1, 1): 0.1}]"}),
        ("params.yaml", "a: &a [1, *a]\n", {"a": "[1, [...]]"}),
        ("params.yaml", "a: &a {b: *a}\n", {}),
    ],
)
def test_parameters_in_odd_files_break_no_run(
    tmp_path: Path, name: str, text: str, expected: dict[str, object]
) -> None:
    if name.endswith(".yaml"):
        pytest.importorskip("yaml")
    (tmp_path / name).write_text(text)
    assert parameters.in_file(tmp_path / name) == expected


def test_events_of_several_processes_come_in_the_order_of_time(tmp_path: Path) -> None:
    for name, times in (("a", (1, 4)), ("b", (2, 3))):
        lines = [json.dumps({"kind": "params", "t": t, "values": {"x": t}}) for t in times]
        (tmp_path / f"events-{name}.jsonl").write_text("\n".join(lines) + "\n")
    assert read_events(tmp_path).params == {"x": 4}


def test_numbers_that_json_lacks_come_back(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    for value in (float("nan"), float("inf"), -float("inf")):
        writer.append("metric", key="a", value=value)
    writer.close()
    assert [str(point.value) for point in read_events(tmp_path).points] == ["nan", "inf", "-inf"]
    with pytest.raises(InvalidInput):
        writer.append("metric", key="a", value={1, 2})


@pytest.mark.parametrize(
    "change",
    [
        {"ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"name": "another-name-00"},
        {"started": 1 << 52},
        {"duration": 1 << 52},
        {"inputs": [{"path": "../x", "size": 0, "evidence": "watched", "state": "stable"}]},
        {"outputs": [{"path": "/etc/passwd", "size": 0, "evidence": "watched", "kept": True, "id": "00" * 32}]},
        {"format": 99},
        {"status": "splendid"},
        {"code": {"files": {"a/../../x": {"id": "00" * 32, "size": 1}}}},
    ],
)
def test_a_hostile_record_hides_no_other_and_is_never_believed(repo: Repo, change: dict[str, object]) -> None:
    flight = begin_program(repo, title="good", command=(), parent=None)
    good = programs.finish_program(repo, flight, main=None)
    ulid = new_ulid()
    record = {
        "format": 1, "ulid": ulid, "name": run_name(ulid), "status": "ok", "started": 1, "duration": 1,
    } | change  # fmt: skip
    stored(repo, ulid, record)
    assert [run.ulid for run in read_runs(repo)] == [good.ulid]
    with pytest.raises(Exception, match=r"damaged|another run|calendar|format|unknown"):
        find_run(repo, ulid)


def test_a_record_filed_twice_does_not_take_the_place_of_the_true_one(repo: Repo) -> None:
    flight = begin_program(repo, title="good", command=(), parent=None)
    good = programs.finish_program(repo, flight, main=None)
    repo.store.move("hostile", {RUNS + new_ulid(): repo.store.log.refs[RUNS + good.ulid]})
    assert [run.ulid for run in read_runs(repo)] == [good.ulid]

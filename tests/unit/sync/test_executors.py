"""Executors by name, their versions checked, their deaths survived; results in order whatever comes first."""

from __future__ import annotations

import os
import pydoc
import signal
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import free_ports
from tests.support.trees import posix
from xver.errors import Conflict, InvalidInput, WorkersFailed
from xver.sync import executors
from xver.sync.executors import crew


def double(number: int) -> int:
    return 2 * number


def die_once(path: str) -> int:
    """Kill this very process, the first time it is called for a path."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refuse(number: int) -> int:
    raise Conflict(f"{number} changes", hint="wait")


class Answers(Executor):
    """Says what it is told to, whatever it is asked."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self._answer)
        return future


@pytest.mark.parametrize(
    "words", ["", "thread", "threads:0", "threads:-1", "threads:x", "processes:", "dask://", "dask://host", "ray://h:1"]
)
def test_words_that_name_no_executor_are_refused_with_those_that_do(words: str) -> None:
    with pytest.raises(InvalidInput, match="no executor") as caught, crew(words):
        pass
    assert "dask://HOST:PORT" in (caught.value.hint or "")


@pytest.mark.parametrize("words", ["threads", "threads:3", "processes:2"])
def test_results_come_in_the_order_of_the_tasks(words: str) -> None:
    with crew(words) as workers:
        assert list(workers.map(double, range(40))) == [(one, 2 * one) for one in range(40)]


def test_no_more_tasks_are_given_out_than_the_window_holds() -> None:
    asked: list[int] = []

    def tasks() -> Any:
        for number in range(1000):
            asked.append(number)
            yield number

    with crew("threads:2") as workers:
        results = workers.map(double, tasks())
        next(results)
        assert len(asked) <= 9
        results.close()


def test_what_a_task_raises_ends_it_and_what_waits_is_not_begun() -> None:
    gate = threading.Event()
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise Conflict("0 changes")
        gate.wait(60)
        return number

    with crew("threads:1") as workers:
        with pytest.raises(Conflict, match="0 changes"):
            list(workers.map(work, range(100)))
        gate.set()
    assert len(begun) <= 2


def test_errors_keep_their_hint_on_the_way_from_another_process() -> None:
    with crew("processes:1") as workers, pytest.raises(Conflict, match="7 changes") as caught:
        list(workers.map(refuse, [7]))
    assert caught.value.hint == "wait"


@posix
class TestDeaths:
    def test_a_process_that_is_killed_is_replaced_and_its_task_runs_again(self, tmp_path: Path) -> None:
        paths = [str(tmp_path / str(number % 2)) for number in range(6)]
        with crew("processes:2") as workers:
            results = list(workers.map(die_once, paths))
        assert [path for path, _ in results] == paths
        assert os.getpid() not in {pid for _, pid in results}

    def test_a_task_that_kills_every_process_is_given_up(self) -> None:
        with crew("processes:1") as workers, pytest.raises(WorkersFailed, match="die in the middle") as caught:
            list(workers.map(die, [1]))
        assert "processes:1" in (caught.value.hint or "")


class TestVersions:
    def test_an_executor_that_has_no_xver_is_refused(self) -> None:
        with pytest.raises(WorkersFailed, match="a worker has no xver"), crew(Answers(None)):
            pass

    def test_an_executor_with_another_version_is_refused(self) -> None:
        with pytest.raises(WorkersFailed, match=r"a worker has xver 9\.9, this is"), crew(Answers("9.9")):
            pass

    def test_the_question_can_be_asked_where_there_is_no_xver(self) -> None:
        assert pydoc.locate("no_such_package.__version__") is None
        assert isinstance(pydoc.locate(executors._VERSION), str)


def test_an_executor_that_is_shut_down_is_named() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(WorkersFailed, match="no workers that answer"), crew(pool):
        pass


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(executors, "_PATIENCE_S", 1)
    [port] = free_ports(1)
    with (
        pytest.raises(WorkersFailed, match=rf"no Dask scheduler at tcp://127.0.0.1:{port}"),
        crew(f"dask://127.0.0.1:{port}"),
    ):
        pass

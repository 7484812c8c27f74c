"""`xver.run`: log parameters, metrics, inputs and outputs from Python, whatever happens to the process.

    with xver.run("baseline", params={"lr": 0.01}) as run:
        run.input("data/features")
        for step in range(100):
            run.log(loss=..., step=step)
        run.output("models/model.pkl")

Each call appends to a file of the run before it returns, so a kill -9 loses nothing that was logged. Under `xver run`
a program logs to the run it is part of.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from xver.errors import Conflict, InvalidInput, RepositoryNotFound, RunNotFound, XverError
from xver.model.runs import Scalar, Status
from xver.model.ulids import is_ulid, run_name
from xver.provenance.declaring import identify
from xver.provenance.events import EventWriter
from xver.provenance.flight import Flight
from xver.provenance.parameters import flatten
from xver.provenance.programs import begin_program, finish_program
from xver.repo import Repo, open_repo

_active: list[ActiveRun] = []
"""The runs of this process that are open, the innermost last."""


class _Number(Protocol):
    """A NumPy or tensor scalar: what holds one number."""

    def item(self) -> float: ...


class ActiveRun:
    """A run that this process logs to; a context that ends it. Use it from any thread.

    `id` is its ULID, `name` what people call it.
    """

    def __init__(self, repo: Repo, flight: Flight, *, owns: bool, given: Mapping[str, Scalar]) -> None:
        self.id: Final = flight.folder.name
        self.name: Final = run_name(self.id)
        self._repo = repo
        self._flight = flight
        self._owns = owns
        self._process = os.getpid()
        self._given = dict(given)
        self._params: dict[str, Scalar] = {}
        self._writer: EventWriter = flight.writer()
        self._warned = False
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with contextlib.suppress(XverError):
                self.note(f"ended by {type(error).__name__}: {error}")
        self.finish(Status.OK if error is None or _is_success(error) else Status.FAILED)

    def log(
        self,
        values: Mapping[str, float | _Number] | None = None,
        /,
        *,
        step: float | None = None,
        **metrics: float | _Number,
    ) -> None:
        """Log one value of each metric, at a step if one is given; steps may be fractions.

        Raises:
            InvalidInput: a value that is no number.
        """
        for key, value in {**(values or {}), **metrics}.items():
            if isinstance(value, str) or (not isinstance(value, int | float) and not hasattr(value, "item")):
                raise InvalidInput(f"metric {key} is a number, not {type(value).__name__}")
            if step is None:
                self._append("metric", key=key, value=value)
            else:
                self._append("metric", key=key, value=value, step=step)

    def params(self, values: Mapping[str, Any] | None = None, /, **params: Any) -> dict[str, Scalar]:
        """Record parameters and return all that are set so far, nested ones by dotted names.

        What `xver run -p NAME=VALUE` gave for the run wins over what stands in the program.
        """
        fresh = flatten({**(values or {}), **params})
        fresh |= {name: value for name, value in self._given.items() if name in fresh or not self._params}
        if fresh:
            self._append("params", values=fresh)
            self._params |= fresh
        return dict(self._params)

    def input(self, path: str | os.PathLike[str]) -> None:
        """Record a file or folder that is about to be read, as it is now.

        Raises:
            InvalidInput: nothing is there.
            RepositoryNotFound: it lies outside of the repository.
        """
        found = identify(self._repo, self._repo.relative(path, start=Path.cwd()))
        id = None if found.id is None else found.id.hex()
        self._append("input", path=found.path, id=id, size=found.size, files=found.files)

    def output(self, path: str | os.PathLike[str]) -> None:
        """Record a file or folder that the run writes; it is stored as it is when the run ends.

        Raises:
            RepositoryNotFound: it lies outside of the repository.
        """
        self._append("output", path=self._repo.relative(path, start=Path.cwd()))

    def tag(self, *names: str) -> None:
        """Add words to find the run by."""
        for name in names:
            self._append("tag", name=name)

    def note(self, text: str) -> None:
        """Add a line on why, or on what was seen."""
        self._append("note", text=text)

    def finish(self, status: Status = Status.OK) -> None:
        """End the run and seal its record; again: nothing. What cannot be sealed now is kept and sealed later.

        A run that `xver run` began is sealed by that, when the program has ended.
        """
        if self._ended:
            return
        self._ended = True
        if self in _active:
            _active.remove(self)
        if self._owns and os.getpid() == self._process:
            self._append("end", status=str(status))
        self._writer.close()
        if not self._owns or os.getpid() != self._process:
            # A forked child that leaves the block is not the end of its parent's run.
            return
        try:
            finish_program(self._repo, self._flight, main=_main_file())
        except (XverError, OSError, RuntimeError) as error:
            self._warn(f"run {self.name} is kept and not sealed yet: {error} (xver runs recover)")

    def _append(self, kind: str, **fields: object) -> None:
        if not self._writer.append(kind, **fields):
            self._warn(f"run {self.name} cannot be written to: what it logs now is lost")

    def _warn(self, text: str) -> None:
        # The user's program goes on, whatever becomes of its record.
        if not self._warned:
            self._warned = True
            warnings.warn(text, RuntimeWarning, stacklevel=4)


def run(
    name: str = "",
    *,
    params: Mapping[str, Any] | None = None,
    tags: Iterable[str] = (),
    note: str = "",
    repo: str | os.PathLike[str] | None = None,
) -> ActiveRun:
    """Begin a run, or join the one that `xver run` began for this process; use it as a context.

    `name` is a title for people; `repo` any folder of the repository, by default the one we are in.

    Raises:
        RepositoryNotFound: there is no repository here.
        InvalidInput: a parameter that cannot be recorded.
    """
    joined = _join(repo)
    # What another run was told is no business of this one.
    given = _given_params() if joined is not None or not os.environ.get("XVER_RUN") else {}
    if joined is not None:
        place, flight = joined
        active = ActiveRun(place, flight, owns=False, given=given)
    else:
        place = open_repo(_place() if repo is None else repo)
        flight = begin_program(place, title=name, command=_own_command(), parent=_parent())
        active = ActiveRun(place, flight, owns=True, given=given)
    _active.append(active)
    if params or given:
        active.params(params)
    active.tag(*tags)
    if joined is not None and name:
        active.tag(name)
    if note:
        active.note(note)
    return active


def init(name: str = "", **options: Any) -> ActiveRun:
    """Begin a run that lasts until `finish()` or the end of the process: for notebooks. Options are those of `run`.

    Raises:
        Conflict: one is open already.
    """
    if _active:
        raise Conflict(f"run {_active[-1].name} is open already", hint="xver.finish()")
    return run(name, **options)


def finish() -> None:
    """End the run that was begun last; raises `RunNotFound` if none is open."""
    if not _active:
        raise RunNotFound("no run is open", hint="xver.init()")
    _active[-1].finish()


def _finish_what_is_open() -> None:
    for active in _open_runs():
        active.finish(Status.FAILED if hasattr(sys, "last_type") else Status.OK)


# Before the pools of threads that sealing needs are shut down, which atexit alone would come after.
getattr(threading, "_register_atexit", atexit.register)(_finish_what_is_open)


def _forget_parents_runs() -> None:
    # A forked child that ends is not the end of its parent's run.
    _active.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_runs)


def _open_runs() -> Iterator[ActiveRun]:
    while _active:
        yield _active[-1]


def _join(repo: str | os.PathLike[str] | None) -> tuple[Repo, Flight] | None:
    """Return the run in flight that this process was started for, None if there is none (any more)."""
    ulid = os.environ.get("XVER_RUN", "")
    if not is_ulid(ulid):
        return None
    try:
        place = open_repo(os.environ.get("XVER_REPO", ".") if repo is None else repo)
        return place, Flight.open(place.runs / ulid)
    except (RepositoryNotFound, RunNotFound):
        return None


def _place() -> str:
    """Return where to look for the repository: what the environment says, unless that is of a run that is over."""
    return "." if os.environ.get("XVER_RUN") else os.environ.get("XVER_REPO", ".")


def _parent() -> str | None:
    return os.environ.get("XVER_RUN") or (_active[-1].id if _active else None)


def _given_params() -> dict[str, Scalar]:
    text = os.environ.get("XVER_PARAMS", "")
    try:
        values = json.loads(text) if text else {}
    except ValueError as error:
        raise InvalidInput(f"XVER_PARAMS is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInput("XVER_PARAMS is no JSON object")
    return flatten(values)


def _own_command() -> tuple[str, ...]:
    """Return how this program was started; nothing for a notebook or a console, whose words say nothing."""
    if "ipykernel" in sys.modules or _main_file() is None:
        return ()
    return ("python", *sys.argv)


def _main_file() -> str | None:
    return getattr(sys.modules.get("__main__"), "__file__", None)


def _is_success(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)

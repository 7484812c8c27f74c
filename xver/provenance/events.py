"""Events of a run in flight: appended by any of its processes, read back as what they amount to.

An event is one `write` to a file opened for appending: it is there when the call returns, kill -9 or not. Any
language may append lines. Numbers that JSON lacks stand as the texts NaN, Infinity and -Infinity.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import re
import socket
import sys
import threading
import time
import weakref
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from xver.errors import InvalidInput
from xver.model.paths import parse_path
from xver.model.runs import Scalar, Status

_REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    "params": frozenset({"values"}),
    "metric": frozenset({"key", "value"}),
    "input": frozenset({"path"}),
    "output": frozenset({"path"}),
    "tag": frozenset({"name"}),
    "note": frozenset({"text"}),
    "end": frozenset({"status"}),
}
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ID: Final = re.compile("[0-9a-f]{64}")
_TIME_MAX: Final = 253_402_300_799_999
"""The end of the year 9999, in milliseconds: the last that dates can say."""
_INTEGER_MAX: Final = 1 << 53
_PROBLEMS_MAX: Final = 1_000


class Point(NamedTuple):
    """One logged value of a metric; `t` is in milliseconds since 1970."""

    key: str
    value: float
    step: float | None
    t: int


class Points:
    """Points in their order, a column each: a million take 32 MB."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.values = array("d")
        self.steps = array("d")
        """NaN where no step was given."""
        self.times = array("q")

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Point]:
        for key, value, step, t in zip(self.keys, self.values, self.steps, self.times, strict=True):
            yield Point(key, value, None if math.isnan(step) else step, t)

    def append(self, point: Point) -> None:
        """Add a point at the end."""
        self.keys.append(sys.intern(point.key))
        self.values.append(point.value)
        self.steps.append(math.nan if point.step is None else point.step)
        self.times.append(point.t)


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """An input that the run named itself, with what it was then; `id` (hex) is None where nobody looked."""

    path: str
    id: str | None
    size: int
    files: int | None
    t: int


@dataclass(frozen=True, slots=True)
class FlightRecord:
    """All that a run's processes have written so far, in the order of time.

    Of a parameter set twice the last value counts; notes are joined by newlines; `status`, `exit_code`, `signal` and
    `ended` (milliseconds since 1970) come from the last `end` event. `problems` has a line for each event that could
    not be understood, up to a thousand; a torn last line of a file is none.
    """

    params: Mapping[str, Scalar]
    points: Points
    inputs: tuple[DeclaredInput, ...]
    outputs: tuple[str, ...]
    tags: tuple[str, ...]
    note: str
    status: Status | None
    exit_code: int | None
    signal: int | None
    ended: int | None
    problems: tuple[str, ...]


class EventWriter:
    """Appends events to a run from this process: from any thread, and in forked children to files of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._torn = False
        _writers.add(self)

    def append(self, kind: str, **fields: object) -> bool:
        """Append one event; tell whether it is written (False: disk full, folder gone: the caller's work goes on).

        NumPy and tensor scalars count as the numbers they hold.

        Raises:
            InvalidInput: no such kind of event, a field is missing, or a value that JSON cannot hold.
        """
        line = _encode(kind, fields)
        with self._lock:
            try:
                if self._descriptor is None:
                    self._descriptor = self._open()
                written = os.write(self._descriptor, b"\n" + line if self._torn else line)
            except OSError:
                return False
            self._torn = written < len(line) + self._torn
            return not self._torn

    def close(self) -> None:
        """Close the file; a later `append` opens it again."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _renew(self) -> None:
        """Leave file and lock to the process that opened them."""
        self._lock = threading.Lock()
        self._descriptor = None
        self._torn = False

    def _open(self) -> int:
        host = re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())
        path = self._folder / f"events-{host}-{os.getpid()}.jsonl"
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o666)
        # An earlier process of that pid may have died in the middle of a line; ours must not become its end.
        size = os.fstat(descriptor).st_size
        if size:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            self._torn = os.read(descriptor, 1) != b"\n"
        return descriptor


_writers: weakref.WeakSet[EventWriter] = weakref.WeakSet()


def _renew_writers() -> None:
    for writer in _writers:
        writer._renew()  # noqa: SLF001  this module's own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_writers)


def read_events(folder: Path) -> FlightRecord:
    """Return everything that the processes of a run have written into its folder so far."""
    problems: list[str] = []
    # Each process writes in the order of time, so that no more than a line of each has to be in memory.
    files = [_read_events(path, problems) for path in sorted(folder.glob("events-*.jsonl"))]
    return _fold(heapq.merge(*files, key=lambda event: event[0]), problems)


def _encode(kind: str, fields: Mapping[str, object]) -> bytes:
    required = _REQUIRED.get(kind)
    if required is None:
        raise InvalidInput(f"no kind of event is called {kind!r}; there are {', '.join(_REQUIRED)}")
    if not fields.keys() >= required:
        raise InvalidInput(f"a {kind} event needs {', '.join(sorted(required - fields.keys()))}")
    event = {"kind": kind, "t": time.time_ns() // 1_000_000, **fields}
    try:
        try:
            text = _encoder.encode(event)
        except ValueError:  # NaN or an infinity somewhere: rare, so looked for only now
            text = _encoder.encode(_named_specials(event))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"a {kind} event holds what JSON cannot: {error}") from error
    return text.encode() + b"\n"


def _held_number(value: Any) -> Any:
    """Return what a NumPy or tensor scalar holds, without knowing either library."""
    if not hasattr(value, "item"):
        raise TypeError(f"{type(value).__name__} is no JSON value")
    held = value.item()
    return _special_name(held) if isinstance(held, float) else held


_encoder: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_held_number)


def _named_specials(value: object) -> object:
    match value:
        case float():
            return _special_name(value)
        case dict():
            return {key: _named_specials(one) for key, one in value.items()}
        case list() | tuple():
            return [_named_specials(one) for one in value]
        case _:
            return value


def _special_name(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read_events(path: Path, problems: list[str]) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Yield the events of a file as (t, event, where); one without `t` has the time of the one before it."""
    t = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            where = f"{path.name}:{number}"
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                # What follows the last newline is torn, or being written this moment.
                if line.endswith(b"\n") and line.strip():
                    _complain(problems, f"{where}: not JSON")
                continue
            if not isinstance(event, dict):
                _complain(problems, f"{where}: not an object")
                continue
            given = event.get("t")
            if isinstance(given, int | float) and 0 <= given <= _TIME_MAX:
                t = int(given)
            yield t, event, where


def _complain(problems: list[str], problem: str) -> None:
    if len(problems) < _PROBLEMS_MAX:
        problems.append(problem)


def _fold(events: Iterator[tuple[int, dict[str, Any], str]], problems: list[str]) -> FlightRecord:
    params: dict[str, Scalar] = {}
    points = Points()
    inputs: dict[str, DeclaredInput] = {}
    texts: dict[str, dict[str, None]] = {"output": {}, "tag": {}, "note": {}}
    end: tuple[Status | None, int | None, int | None, int | None] = (None, None, None, None)
    for t, event, where in events:
        kind = event.get("kind")
        try:
            match kind:
                case "metric":
                    # A half of a surrogate pair, which JSON can write, is no text of Parquet's.
                    key = _text(event["key"]).encode(errors="backslashreplace").decode()
                    points.append(Point(key, _number(event["value"]), _step(event), t))
                case "params":
                    params.update(_flat(event["values"]))
                case "input":
                    declared = _declared(event, t)
                    inputs.setdefault(declared.path, declared)
                case "output":
                    texts[kind][parse_path(_text(event["path"]))] = None
                case "tag" | "note":
                    (field,) = _REQUIRED[kind]
                    texts[kind][_text(event[field])] = None
                case "end":
                    end = (Status(event["status"]), _integer(event, "exit_code"), _integer(event, "signal"), t)
                case _:
                    _complain(problems, f"{where}: unknown kind {str(kind)[:40]!r}")
        except KeyError as error:
            _complain(problems, f"{where}: {kind} without {error.args[0]}")
        except (TypeError, ValueError, OverflowError, RecursionError, InvalidInput) as error:
            _complain(problems, f"{where}: {kind}: {str(error)[:200]}")
    outputs, tags, notes = map(tuple, texts.values())
    return FlightRecord(params, points, tuple(inputs.values()), outputs, tags, "\n".join(notes), *end, tuple(problems))


def _declared(event: Mapping[str, Any], t: int) -> DeclaredInput:
    id = event.get("id")
    if id is not None and not _ID.fullmatch(_text(id)):
        raise ValueError(f"{id[:80]!r} is no id")
    size, files = _integer(event, "size") or 0, _integer(event, "files")
    return DeclaredInput(parse_path(_text(event["path"])), id, size, files, t)


def _flat(values: Any, prefix: str = "") -> dict[str, Scalar]:
    """Return parameters with nested objects as dotted names, lists as JSON text."""
    if not isinstance(values, dict):
        raise TypeError("values is no object")
    flat: dict[str, Scalar] = {}
    for name, value in values.items():
        match value:
            case dict():
                flat |= _flat(value, f"{prefix}{name}.")
            case list():
                flat[prefix + name] = json.dumps(value, ensure_ascii=False)
            case str():
                flat[prefix + name] = _SPECIAL.get(value, value)
            case _:
                flat[prefix + name] = value
    return flat


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str) and value not in _SPECIAL:
        raise ValueError(f"{value!r} is no number")
    return float(_SPECIAL.get(value, value))


def _step(event: Mapping[str, Any]) -> float | None:
    step = event.get("step")
    return None if step is None else _number(step)


def _integer(event: Mapping[str, Any], key: str) -> int | None:
    value = event.get(key)
    if value is not None and (not isinstance(value, int) or not -_INTEGER_MAX <= value <= _INTEGER_MAX):
        raise TypeError(f"{key} is no integer")
    return value

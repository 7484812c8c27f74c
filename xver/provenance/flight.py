"""A run in flight: a folder that survives whatever happens to the processes that write into it.

runs/<ulid>/
start.json                  who runs what, written whole before anything else
process.json                the program that was started for it, where that is a process of its own
events-<host>-<pid>.jsonl   one append-only file per writing process, a JSON object a line
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xver.errors import AlreadyExists, CorruptData, InvalidInput, RunNotFound
from xver.provenance.events import EventWriter, FlightRecord, read_events

_START: Final = "start.json"
_PROCESS: Final = "process.json"
_FORGOTTEN_AFTER_S: Final = 7 * 24 * 3600


class Flight:
    """A run that has begun and is not sealed yet: the folder `runs/<ulid>` and what stands in it.

    `start` is what was known at the beginning, with `process` added: the pid, host, boot and start time of the process
    that began it, by which `is_alive` knows it again.
    """

    def __init__(self, folder: Path, start: Mapping[str, Any]) -> None:
        self.folder = folder
        self.start = dict(start)

    @classmethod
    def begin(cls, folder: Path, start: Mapping[str, Any]) -> Flight:
        """Make the folder and its `start.json`, which appears whole or not at all.

        Raises:
            AlreadyExists: a run has begun there.
            InvalidInput: `start` holds what JSON cannot.
        """
        record = {**start, "process": _this_process()}
        try:
            text = json.dumps(record, indent=1, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"a run's start must be JSON: {error}") from error
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / _START).exists():
            raise AlreadyExists(f"run {folder.name} has begun already")
        beside = folder / f"{_START}.{os.getpid()}"
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(folder / _START)
        return cls(folder, json.loads(text))

    @classmethod
    def open(cls, folder: Path) -> Flight:
        """Return the run in a folder.

        Raises:
            RunNotFound: none has begun there.
            CorruptData: its `start.json` is no JSON object.
        """
        try:
            start = json.loads((folder / _START).read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunNotFound(f"no run in flight at {folder}") from error
        except (ValueError, RecursionError) as error:
            raise CorruptData(f"{folder / _START} is damaged: {error}") from error
        if not isinstance(start, dict):
            raise CorruptData(f"{folder / _START} is damaged: it is no object")
        return cls(folder, start)

    def writer(self) -> EventWriter:
        """Return a writer of events for this process."""
        return EventWriter(self.folder)

    def read(self) -> FlightRecord:
        """Return everything written so far, by all processes."""
        return read_events(self.folder)

    def started(self, pid: int) -> None:
        """Note the process that the run was begun for: it goes on writing, should the one that began it die."""
        with contextlib.suppress(OSError):
            text = json.dumps({"pid": pid, "started": _process_start(pid)})
            (self.folder / _PROCESS).write_text(text + "\n", encoding="utf-8")

    def is_alive(self) -> bool:
        """Tell whether the process that began the run, or the program it started, still runs.

        One on another host, or in another container, is believed until nothing was written for seven days.
        """
        process = self.start.get("process")
        if not isinstance(process, dict):
            return False
        here = _this_process()
        elsewhere = process.get("host") != here["host"] or (
            process.get("boot") == here["boot"] and process.get("namespace") != here["namespace"]
        )
        if elsewhere or not here["boot"]:
            return time.time() - self.last_written() / 1000 < _FORGOTTEN_AFTER_S
        if process.get("boot") != here["boot"]:
            return False
        return any(_still_runs(one) for one in (process, self._program()))

    def last_written(self) -> int:
        """Return when a process last wrote anything, in milliseconds since 1970; 0 for a run that is gone."""
        try:
            return max((int(path.stat().st_mtime * 1000) for path in self.folder.iterdir()), default=0)
        except OSError:
            return 0  # sealed by another process this moment

    def _program(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / _PROCESS).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def remove(self) -> None:
        """Remove the folder: the run is sealed, or unwanted. What is gone already is no error."""
        # start.json first: what is left of a removal that was cut short is no run.
        (self.folder / _START).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _still_runs(process: Mapping[str, Any]) -> bool:
    pid, started = process.get("pid"), process.get("started")
    return isinstance(pid, int) and started is not None and started == _process_start(pid)


def _this_process() -> dict[str, str | int | None]:
    """Return what tells this process from all others, here and elsewhere; without /proc, less of it."""
    return {
        "boot": _read_proc("sys/kernel/random/boot_id"),
        "host": socket.gethostname(),
        "namespace": os.readlink("/proc/self/ns/pid") if os.path.lexists("/proc/self/ns/pid") else None,
        "pid": os.getpid(),
        "started": _process_start(os.getpid()),
    }


def _process_start(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), field 22), or None if it runs no more."""
    # The second field is the command's name in parentheses and may hold anything, parentheses too.
    state, *fields = _read_proc(f"{pid}/stat").rpartition(")")[2].split() or ["X"]
    return None if state in "ZXx" else int(fields[18])


def _read_proc(name: str) -> str:
    try:
        return Path("/proc", name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

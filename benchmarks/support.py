"""Fair measuring of whole processes: wall time, memory at its peak, contestants in turn.

Nothing is dropped or smoothed: every round counts. The clock starts when all that was written before is on the disk;
the page cache is warm, because every contestant's data have just been written or read.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Command: TypeAlias = "Sequence[str]"

MiB: Final = 1 << 20
GiB: Final = 1 << 30
_PATIENCE: Final = 600


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for; `rounds` None leaves it to the benchmark."""

    size: str
    rounds: int | None
    xver: tuple[str, ...]
    with_git: bool


class FailedCommand(Exception):
    """A contestant's command ended badly; the text is its last line."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One run: wall seconds, and bytes of memory at the peak of the whole process tree (0: unknown)."""

    seconds: float
    peak: int = 0


def run(command: Command, *, cwd: Path, env: Mapping[str, str]) -> None:
    """Run what is not timed. Raises FailedCommand."""
    with suppress(FileNotFoundError):
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise FailedCommand(_last_line(done.stderr or done.stdout, done.returncode))
        return
    raise FailedCommand(f"no command {command[0]}")


def timed(command: Command, *, cwd: Path, env: Mapping[str, str], flush: bool = False) -> Timing:
    """Time a command; with `flush` until its data are on the disk, which is what `sync -f` waits for.

    What was written before is on the disk when the clock starts. Raises FailedCommand, also after ten minutes.
    """
    flush_disk(cwd)
    with tempfile.TemporaryFile(dir=cwd.parent) as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT)
        memory = _PeakMemory(process.pid)
        try:
            status = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            memory.stop()
            raise FailedCommand(f"given up after {_PATIENCE} s") from None
        if flush:
            flush_disk(cwd)
        seconds = time.perf_counter() - start
        peak = memory.stop()
        if status:
            output.seek(0)
            raise FailedCommand(_last_line(output.read().decode(errors="replace"), status))
    return Timing(seconds, peak)


def flush_disk(folder: Path) -> None:
    """Wait until everything written to the folder's file system is on the disk."""
    if sys.platform == "linux":
        subprocess.run(["sync", "-f", folder], check=True)
    else:
        os.sync()


def _last_line(output: str, status: int) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return (errors or lines or [f"exit code {status}"])[-1][:120].replace("|", "/")


class _PeakMemory:
    """Watches a process and its descendants: the highest sum of their peaks (VmHWM) while they lived together.

    `wait4`'s figure will not do: it starts with the memory of the process that forked.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if sys.platform == "linux":
            self._thread.start()

    def stop(self) -> int:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            self._peak = max(self._peak, sum(map(_high_water, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in children.read().split():
                    yield from _family(int(child))


def _high_water(pid: int) -> int:
    with suppress(OSError), open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0

"""Run a program as if it had been started directly: its streams, its keyboard, its signals, its exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from xver.errors import InvalidInput, NotFound
from xver.model.runs import Status


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, or the signal that killed it; `duration` in milliseconds."""

    status: Status
    exit_code: int | None
    signal: int | None
    duration: int


def execute(
    command: Sequence[str],
    *,
    directory: str,
    environment: Mapping[str, str],
    started: Callable[[int], None] = lambda _: None,
) -> Ended:
    """Run a program to its end; `started` is called with its pid.

    Ctrl-C reaches it directly, as it belongs to the same terminal; we wait for what it makes of that. SIGTERM and
    SIGHUP sent to us are passed on.

    Raises:
        NotFound: there is no such program.
        InvalidInput: it cannot be started.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(command, cwd=directory, env=dict(environment))
    except FileNotFoundError as error:
        raise NotFound(f"there is no program {command[0]}", hint="xver run -- python train.py") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{command[0]} cannot be started: {reason}") from error
    with _signals_passed_on(process):
        started(process.pid)
        code = _wait(process)
    duration = int((time.monotonic() - began) * 1000)
    if code < 0:
        return Ended(Status.KILLED, None, -code, duration)
    return Ended(Status.OK if code == 0 else Status.FAILED, code, None, duration)


def exit_status(exit_code: int | None, killed_by: int | None) -> int:
    """Return the exit status that a shell would show: 128 and the signal's number for a program that was killed."""
    return 128 + killed_by if killed_by is not None else exit_code or 0


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Where no handler could be set (not the main thread): the program got it too; wait for its end.
            continue


@contextlib.contextmanager
def _signals_passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            process.send_signal(number)

    def leave_alone(_: int, __: FrameType | None) -> None:
        """Do nothing: the program got the same from the terminal."""

    handlers: dict[int, Callable[[int, FrameType | None], None]] = {signal.SIGINT: leave_alone}
    for name in ("SIGTERM", "SIGHUP"):
        if os.name != "nt" and hasattr(signal, name):
            handlers[getattr(signal, name)] = pass_on
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""What a run ran on: system, interpreter, installed packages, accelerator. No environment variable is recorded."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

_PYTHON: Final = re.compile(r"python[0-9.]*(\.exe)?", re.IGNORECASE)
_DRIVER: Final = Path("/proc/driver/nvidia/version")
_TIMEOUT_S: Final = 20
# What the interpreter of the command says of itself; run there, so it may import nothing of ours.
_ASK: Final = (
    "import json, platform; from importlib.metadata import distributions; "
    "print(json.dumps([platform.python_version(), platform.python_implementation(), "
    "sorted({(d.metadata['Name'] or '', d.version or '') for d in distributions()})]))"
)


def machine() -> dict[str, str]:
    """Return the facts of this machine: system, processor, cores, graphics driver where one is."""
    found = {
        "os": f"{platform.system()} {platform.release()}".strip(),
        "machine": platform.machine(),
        "cpus": str(os.cpu_count() or 0),
    }
    if _DRIVER.exists():
        found["nvidia_driver"] = _DRIVER.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0].strip()
    return {name: text for name, text in found.items() if text}


def own_interpreter() -> tuple[dict[str, str], dict[str, str]]:
    """Return version and implementation of this interpreter, and its installed packages with their versions."""
    packages = {one.metadata["Name"] or "": one.version or "" for one in distributions()}
    return _facts(platform.python_version(), platform.python_implementation(), sorted(packages.items()))


class Interpreter:
    """Asks the interpreter that a command names what it is, while the command runs; other programs are not asked."""

    def __init__(self, command: Sequence[str], *, directory: str, environment: dict[str, str]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        program = shutil.which(command[0], path=environment.get("PATH"))
        if program is None or not _PYTHON.fullmatch(os.path.basename(command[0])):
            return
        if os.path.samefile(program, sys.executable):
            return
        try:
            self._process = subprocess.Popen(
                [program, "-c", _ASK],
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            # The command itself will meet the same and say so.
            self._process = None

    def answer(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return what it said, and what this interpreter is where nothing else was asked; never raises."""
        if self._process is None:
            return own_interpreter()
        try:
            text, _ = self._process.communicate(timeout=_TIMEOUT_S)
            version, implementation, packages = json.loads(text)
        except (subprocess.TimeoutExpired, ValueError, OSError):
            self._process.kill()
            self._process.communicate()
            return {}, {}
        return _facts(version, implementation, packages)


def _facts(
    version: str, implementation: str, packages: Sequence[Sequence[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    return {"python": f"{implementation} {version}"}, {name: number for name, number in packages if name}

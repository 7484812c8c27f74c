"""What a run ran on: system, interpreter, installed packages, accelerator. No environment variable is recorded."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

_PYTHON: Final = re.compile(r"python[0-9.]*(\.exe)?", re.IGNORECASE)
_DRIVER: Final = Path("/proc/driver/nvidia/version")
_TIMEOUT_S: Final = 20
_LINE_MAX: Final = 4096
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
        program = _interpreter(command[0], directory, environment)
        # Not where the links lead: two virtual environments of one Python are one file, and hold other packages.
        self._is_ours = program == os.path.abspath(sys.executable)
        if program is None or self._is_ours:
            return
        try:
            self._process = subprocess.Popen(
                [program, "-c", _ASK],
                # Elsewhere than in the work tree: it must neither import the user's modules nor be seen to read there.
                cwd=os.path.dirname(program),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            # The command itself will meet the same and say so.
            self._process = None

    def answer(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return what it said; nothing for a program that is no Python, or where it did not answer; never raises."""
        if self._process is None:
            return own_interpreter() if self._is_ours else ({}, {})
        try:
            text, _ = self._process.communicate(timeout=_TIMEOUT_S)
            version, implementation, packages = json.loads(text)
        except (subprocess.TimeoutExpired, ValueError, OSError):
            self.dismiss()
            return {}, {}
        return _facts(version, implementation, packages)

    def dismiss(self) -> None:
        """Ask no further."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def _interpreter(word: str, directory: str, environment: Mapping[str, str]) -> str | None:
    """Return the Python that runs a program: itself, or the one that its first line names; None for all others."""
    if os.path.dirname(word):
        found = shutil.which(os.path.join(directory, word))
    else:
        found = shutil.which(word, path=environment.get("PATH"))
    if found is None:
        return None
    if _PYTHON.fullmatch(os.path.basename(found)):
        return os.path.abspath(found)
    try:
        with open(found, "rb") as file:
            first = file.readline(_LINE_MAX).decode("utf-8", "replace")
    except OSError:
        return None
    if not first.startswith("#!"):
        return None
    named, *words = first[2:].split() or [""]
    if os.path.basename(named) == "env":
        # `#!/usr/bin/env -S python3 -u`: the first word that is no option of env's.
        named = next((word for word in words if not word.startswith("-")), "")
        named = shutil.which(named, path=environment.get("PATH")) or ""
    is_python = _PYTHON.fullmatch(os.path.basename(named)) and os.path.isabs(named)
    return os.path.abspath(named) if is_python else None


def _facts(
    version: str, implementation: str, packages: Sequence[Sequence[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    return {"python": f"{implementation} {version}"}, {name: number for name, number in packages if name}

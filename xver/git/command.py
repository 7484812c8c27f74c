"""Run git: one process a question, or one long-lived process for many contents.

Reads run in the C locale and take no optional locks, so they never disturb a git command running beside them.
Failures become `CommandFailed` with git's own first meaningful line.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from xver.errors import CommandFailed, InvalidInput, RepositoryNotFound, XverError

NO_EXECUTABLE: Final = 127
"""The status of `CommandFailed` when git is not installed: what a shell says of a command it cannot find."""

# What git sets for its hooks to say "this repository, this index" (git rev-parse --local-env-vars): we name the
# repository by our own root, and a leftover would send a command for one repository to another.
_LOCAL: Final = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    # How pathspecs are read is said by each command.
    "GIT_GLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
)
_NOTHING: Final[Mapping[str, str]] = {}
_PREFIXES: Final = ("fatal: ", "error: ")
_FULL: Final = "free some space, then run it again: what is done is kept"
_RIGHTS: Final = "correct its rights, or work in a folder that you may write to: xver doctor tells more"
_SYSTEM: Final[Mapping[str, str]] = {
    "No space left on device": _FULL,
    "Out of diskspace": _FULL,
    "Disk quota exceeded": _FULL,
    "Read-only file system": _RIGHTS,
    "Permission denied": _RIGHTS,
}
_HELD: Final = re.compile(r"Unable to create '(.+\.lock)': File exists")
_FOUND: Final = re.compile(rb"[0-9a-f]{40,64} (?:blob|tree|commit|tag) ([0-9]+)\n")


@dataclass(frozen=True, slots=True)
class GitCommand:
    """git, run at `root`: the top of a work tree, or any directory for questions that need no repository.

    `index` is the index file git handed to the hook we run in; without it the repository's own is used. Every method
    that runs git raises `CommandFailed` when git fails (status `NO_EXECUTABLE` when there is no git) and
    `RepositoryNotFound` when `root` is gone.
    """

    root: Path
    index: Path | None = None

    def raw(self, *args: str, input: bytes | None = None, check: bool = True) -> bytes:
        """Run a reading command and return its output; `check=False` accepts any exit status."""
        done = self._run(args, input=input, env=self._reading())
        if check and done.returncode:
            raise failure(args, done.returncode, done.stderr)
        return done.stdout

    def bounded(self, most: int, *args: str) -> bytes | None:
        """Run a reading command and return its output; one that prints more than `most` bytes is ended: None."""
        import tempfile  # which loads a dozen modules that an idle status does without

        with tempfile.TemporaryFile() as said:  # a pipe that nobody reads meanwhile could stop git
            with self._reader(args, said) as process:
                assert process.stdout is not None
                output = process.stdout.read(most + 1)
                if len(output) > most:
                    process.kill()
                    return None
            if process.returncode:
                said.seek(0)
                raise failure(args, process.returncode, said.read())
            return output

    def text(self, *args: str, input: str | None = None, check: bool = True) -> str:
        """Run a reading command and return its output as text; undecodable bytes become surrogate escapes."""
        body = None if input is None else os.fsencode(input)
        return self.raw(*args, input=body, check=check).decode("utf-8", "surrogateescape")

    def lines(self, *args: str, check: bool = True) -> list[str]:
        """Run a reading command and return the lines of its output; only LF ends a line."""
        text = self.text(*args, check=check)
        return text.removesuffix("\n").split("\n") if text else []

    def paths(self, *args: str, check: bool = True) -> list[str]:
        """Run a reading command that prints NUL-ended paths (`-z`) and return them."""
        text = self.text(*args, check=check)
        return text.removesuffix("\0").split("\0") if text else []

    def ok(self, *args: str) -> bool:
        """Tell whether a reading command succeeds."""
        return self._run(args, input=None, env=self._reading()).returncode == 0

    def change(
        self, *args: str, input: bytes | None = None, check: bool = True, env: Mapping[str, str] = _NOTHING
    ) -> tuple[int, bytes]:
        """Run a command that may change the repository; return its status and all that it and its hooks printed.

        `env` has variables for its hooks.
        """
        done = self._run(args, input=input, env={**self._environment(), **env}, together=True)
        if check and done.returncode:
            raise failure(args, done.returncode, done.stdout)
        return done.returncode, done.stdout

    def talk(self, *args: str, env: Mapping[str, str] = _NOTHING) -> int:
        """Run a command that speaks with the user (an editor): it has our terminal; return its exit status."""
        return self._run(args, input=None, env={**self._environment(), **env}, capture=False).returncode

    def _reader(self, args: Sequence[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
        """Return a reading command whose output is still to be read."""
        try:
            return subprocess.Popen(
                ["git", *args],
                cwd=self.root,
                env=self._reading(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except OSError as error:
            raise _cannot_start(self.root, error) from error

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in _LOCAL}
        if self.index is not None:
            env["GIT_INDEX_FILE"] = str(self.index)
        return env

    def _reading(self) -> dict[str, str]:
        return self._environment() | {
            "LC_ALL": "C",
            "LANGUAGE": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            # History must read the same for everybody, and these two are private to one clone.
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_GRAFT_FILE": os.devnull,
        }

    def _run(
        self,
        args: tuple[str, ...],
        *,
        input: bytes | None,
        env: Mapping[str, str],
        capture: bool = True,
        together: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *args],
                cwd=self.root,
                env=env,
                input=input,
                # Never let git read what the user typed for us, unless it is to talk with the user.
                stdin=subprocess.DEVNULL if capture and input is None else None,
                stdout=subprocess.PIPE if capture else None,
                stderr=(subprocess.STDOUT if together else subprocess.PIPE) if capture else None,
                check=False,
            )
        except OSError as error:
            raise _cannot_start(self.root, error) from error
        except ValueError as error:  # a NUL in an argument
            raise InvalidInput(f"git cannot be given this: {args!r}") from error


class CatFile:
    """One `git cat-file --batch` process that answers many look-ups; a context manager, for one thread at a time.

    The process starts at the first look-up, which raises like `GitCommand`, and ends with the context.
    """

    def __init__(self, git: GitCommand) -> None:
        self._git = git
        self._is_open = False
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        process, self._process = self._process, None
        if process is not None:
            if kind is not None:
                process.kill()  # it may be in the middle of a large answer that nobody will read
            try:
                process.__exit__(kind, error, trace)
            except BrokenPipeError:
                process.wait()

    def read(self, spec: str) -> bytes | None:
        """Return the content that `spec` (`<commit>:<path>`, `:<path>` in the index, an id) names, None if nothing.

        A name that is ambiguous names nothing. Raises `InvalidInput` for a spec with a line end in it, which the
        protocol cannot carry, and `CommandFailed` when git ends.
        """
        assert self._is_open, "read outside the context"
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        if "\n" in spec or not spec:
            raise InvalidInput(f"git cannot be asked for {spec!r}")
        try:
            process.stdin.write(os.fsencode(spec) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._ended(process) from None
        header = process.stdout.readline()
        if not header:
            raise self._ended(process)
        found = _FOUND.fullmatch(header)
        if found is None:  # `SPEC missing` or `SPEC ambiguous`
            return None
        size = int(found[1])
        body = process.stdout.read(size + 1)
        if len(body) != size + 1:
            raise self._ended(process)
        return body[:size]

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", "cat-file", "--batch"],
                cwd=self._git.root,
                env=self._git._reading(),  # noqa: SLF001 the two classes of this file are one thought
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Nobody would read a pipe while we wait for an answer, and a full one stops git.
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _cannot_start(self._git.root, error) from error

    def _ended(self, process: subprocess.Popen[bytes]) -> CommandFailed:
        status = process.wait()
        self._git.raw("rev-parse", "--git-dir")  # raises with the reason, if it is the repository
        return failure(("cat-file",), status, b"")


def failure(args: tuple[str, ...], status: int, output: bytes) -> CommandFailed:
    """Return the error for a git command that ended with `status`, told by git's first meaningful line."""
    line = first_line(output)
    words = [arg for arg in args if not arg.startswith("-")]
    name = f"git {words[0]}" if words else "git"
    if not line:
        line = f"it was ended by signal {-status}" if status < 0 else f"exit status {status}"
    return CommandFailed(f"{name} failed: {line}", status=status, hint=_hint(line))


def _hint(line: str) -> str | None:
    if "dubious ownership" in line:
        return "git config --global --add safe.directory PATH"
    if held := _HELD.search(line):
        return f"again when the other git has ended; if none runs, one was killed, and left {held[1]} to be deleted"
    return next((hint for words, hint in _SYSTEM.items() if words in line), None)


def first_line(output: bytes) -> str:
    """Return the first line that says what is wrong: no hint, no warning, no `fatal:` in front; empty if none."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").split("\n")]
    lines = [line for line in lines if line and not line.startswith(("hint:", "warning:"))]
    told = next((line for line in lines if line.startswith(_PREFIXES)), lines[0] if lines else "")
    for prefix in _PREFIXES:
        told = told.removeprefix(prefix)
    return told


def _cannot_start(root: Path, error: OSError) -> XverError:
    # A missing working directory and a missing program are the same error to the system.
    if not root.is_dir():
        return RepositoryNotFound(f"no such directory: {root}")
    if isinstance(error, FileNotFoundError):
        return CommandFailed(
            "git is not installed, or not on the PATH",
            status=NO_EXECUTABLE,
            hint="install git from https://git-scm.com",
        )
    return CommandFailed(f"git cannot be started: {error}", status=126)

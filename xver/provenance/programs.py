"""Runs that a program begins and ends by itself (`xver.run` in Python), and those whose end nobody saw."""

from __future__ import annotations

import getpass
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xver import __version__
from xver.git.state import tracked_files
from xver.model.paths import parse_path
from xver.model.runs import Attachment, Run, Status
from xver.provenance.code import code_state
from xver.provenance.declaring import declared_inputs, declared_outputs
from xver.provenance.environment import machine, own_interpreter
from xver.provenance.flight import Flight
from xver.provenance.sealing import begin, begun, flights, merge_events, seal
from xver.provenance.secrets import mask_arguments
from xver.provenance.ulids import is_ulid, new_ulid, run_name
from xver.repo import Repo
from xver.store.packing import Packer
from xver.worktree.reading import read_file

_MODULES_MAX = 2_000


def new_run(
    repo: Repo, *, command: Sequence[str], directory: str, title: str = "", parent: str | None = None, note: str = ""
) -> Run:
    """Return the record of a run that begins now, as it would be sealed if nothing more were heard of it."""
    ulid = new_ulid()
    return Run(
        ulid=ulid,
        name=run_name(ulid),
        title=title,
        status=Status.LOST,
        command=mask_arguments(command),
        directory=os.path.relpath(directory, repo.root).replace(os.sep, "/"),
        started=time.time_ns() // 1_000_000,
        duration=0,
        user=_user(),
        host=platform.node(),
        parent=parent if parent is not None and is_ulid(parent) else None,
        environment={**machine(), "xver": __version__},
        note=note,
    )


def begin_program(repo: Repo, *, title: str, command: Sequence[str], parent: str | None) -> Flight:
    """Begin the run of this process; its code state is taken now."""
    run = new_run(repo, command=command, directory=os.getcwd(), title=title, parent=parent)
    with repo.store.packer() as packer:
        return begin(repo, replace(run, code=code_state(repo, packer)), {}, packer)


def finish_program(repo: Repo, flight: Flight, *, main: str | None) -> Run:
    """Seal the run of this process: what it logged, the inputs and outputs it named, the modules it has loaded."""
    facts, packages = own_interpreter()
    return _seal_declared(repo, flight, environment=facts, packages=packages, modules=_loaded(repo, main))


def recover(repo: Repo) -> list[Run]:
    """Seal the runs whose processes died before they could; return them.

    What they logged is kept, and the outputs they named as they are now; what else they read and wrote is not known.
    """
    lost = [flight for flight in flights(repo) if not flight.is_alive()]
    note = "recovered: nobody saw its end, so what it read and wrote is known only as far as it said so"
    return [_seal_declared(repo, flight, environment={}, packages={}, modules=(), note=note) for flight in lost]


def _seal_declared(
    repo: Repo,
    flight: Flight,
    *,
    environment: dict[str, str],
    packages: dict[str, str],
    modules: Sequence[str],
    note: str = "",
) -> Run:
    record = flight.read()
    with repo.store.packer() as packer:
        run = merge_events(begun(flight), record, packer)
        written = declared_outputs(repo, record.outputs, packer)
        ended = record.ended or _last_written(flight)
        run = replace(
            run,
            status=record.status or Status.LOST,
            exit_code=record.exit_code,
            signal=record.signal,
            duration=max(0, ended - run.started),
            environment={**run.environment, **environment},
            packages=packages,
            code=replace(run.code, files=_store_modules(repo, modules, packer)),
            inputs=tuple(declared_inputs(repo, record.inputs, known=())),
            outputs=tuple(written.outputs),
            capture=("declared",),
            notes=(*run.notes, *written.notes, *([note] if note else [])),
        )
        seal(repo, flight, run, packer, inputs={}, outputs=written.kept)
    return run


def _loaded(repo: Repo, main: str | None) -> list[str]:
    """Return the sources of the modules that this process has loaded from the work tree, relative to its root."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    found = set()
    for file in [main, *files]:
        if file is None:
            continue
        path = Path(os.path.abspath(file))
        if path.suffix == ".py" and path.is_relative_to(repo.root):
            found.add(path.relative_to(repo.root).as_posix())
    if repo.git is not None and found:
        # A virtual environment inside of the work tree is no code of the user's; git does not track it.
        found &= set(tracked_files(repo.git)) | ({_relative(repo, main)} if main else set())
    return sorted(found)[:_MODULES_MAX]


def _relative(repo: Repo, main: str) -> str:
    path = Path(os.path.abspath(main))
    return path.relative_to(repo.root).as_posix() if path.is_relative_to(repo.root) else ""


def _store_modules(repo: Repo, modules: Sequence[str], packer: Packer) -> dict[str, Attachment]:
    stored = {}
    for module in modules:
        if (repo.root / module).is_file():
            known = read_file(os.fspath(repo.root / module), packer).known
            stored[parse_path(module)] = Attachment(known.id, known.size)  # type: ignore[arg-type]
    return {str(path): one for path, one in stored.items()}


def _last_written(flight: Flight) -> int:
    return max((int(path.stat().st_mtime * 1000) for path in flight.folder.iterdir()), default=0)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user without an entry in the password file.
        return ""

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
from typing import Final

from xver import __version__
from xver.errors import XverError
from xver.git.state import tracked_files
from xver.model.paths import parse_path
from xver.model.refs import RUNS
from xver.model.runs import Attachment, Run, Status
from xver.model.ulids import is_ulid, new_ulid, run_name
from xver.provenance.code import code_state
from xver.provenance.declaring import declared_inputs, declared_outputs
from xver.provenance.environment import machine, own_interpreter
from xver.provenance.events import FlightRecord
from xver.provenance.flight import Flight
from xver.provenance.sealing import begin, begun, flights, merge_events, seal
from xver.provenance.secrets import mask, mask_arguments
from xver.repo import Repo
from xver.store.packing import Packer
from xver.worktree.reading import read_file

_MODULES_MAX: Final = 2_000
_RECOVERED: Final = "recovered later: what it read and wrote is known only as far as it said so itself"


def new_run(
    repo: Repo, *, command: Sequence[str], directory: str, title: str = "", parent: str | None = None, note: str = ""
) -> Run:
    """Return the record of a run that begins now, as it would be sealed if nothing more were heard of it."""
    ulid = new_ulid()
    return Run(
        ulid=ulid,
        name=run_name(ulid),
        title=mask(title),
        status=Status.LOST,
        command=mask_arguments(command),
        directory=os.path.relpath(directory, repo.root).replace(os.sep, "/"),
        started=time.time_ns() // 1_000_000,
        duration=0,
        user=_user(),
        host=platform.node(),
        # What the environment names may be left over from a run that ended long ago, or of another repository.
        parent=parent if parent is not None and is_ulid(parent) and (repo.runs / parent).is_dir() else None,
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
    record = flight.read()
    return _seal_declared(repo, flight, record, environment=facts, packages=packages, modules=_loaded(repo, main))


def recover(repo: Repo) -> tuple[list[Run], list[str]]:
    """Seal the runs whose processes died before they could; return them, and a line for each that cannot be sealed.

    What they logged is kept, and the outputs they named as they are now; what else they read and wrote is not known.
    """
    sealed, problems = [], []
    for flight in flights(repo):
        if flight.is_alive():
            continue
        try:
            record = flight.read()
            repo.store.refresh()
            if RUNS + flight.folder.name in repo.store.log.refs:
                # Sealed already, by who was killed before its folder went, or removes that now: what stands in it is
                # less than what was recorded.
                flight.remove()
                continue
            sealed.append(
                _seal_declared(repo, flight, record, environment={}, packages={}, modules=(), note=_RECOVERED)
            )
        except (XverError, OSError) as error:
            problems.append(f"{run_name(flight.folder.name)} cannot be sealed: {error}")
    return sealed, problems


def _seal_declared(
    repo: Repo,
    flight: Flight,
    record: FlightRecord,
    *,
    environment: dict[str, str],
    packages: dict[str, str],
    modules: Sequence[str],
    note: str = "",
) -> Run:
    with repo.store.packer() as packer:
        run = merge_events(begun(flight), record, packer)
        written = declared_outputs(repo, record.outputs, packer)
        files, changed = _store_modules(repo, modules, packer, since=run.started)
        ended = record.ended or flight.last_written()
        run = replace(
            run,
            status=record.status or Status.LOST,
            exit_code=record.exit_code,
            signal=record.signal,
            duration=max(0, ended - run.started),
            environment={**run.environment, **environment},
            packages=packages,
            code=replace(run.code, files=files),
            inputs=tuple(declared_inputs(repo, record.inputs, known=())),
            outputs=tuple(written.outputs),
            capture=("declared",),
            notes=(*run.notes, *written.notes, *changed, *([note] if note else [])),
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


def _store_modules(
    repo: Repo, modules: Sequence[str], packer: Packer, *, since: int
) -> tuple[dict[str, Attachment], list[str]]:
    """Store the sources of modules; return them, and a note for each that is no longer what was loaded."""
    stored: dict[str, Attachment] = {}
    notes = []
    for module in modules:
        try:
            path = parse_path(module)
            found = os.stat(repo.root / module)
            if max(found.st_mtime, found.st_ctime) * 1000 >= since:
                notes.append(f"{module} changed during the run: it is not kept as the code that it was")
                continue
            known = read_file(os.fspath(repo.root / module), packer).known
        except (XverError, OSError) as error:
            notes.append(f"{module} cannot be kept: {error}")
            continue
        stored[path] = Attachment(known.id, known.size)  # type: ignore[arg-type]
    return stored, notes


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user without an entry in the password file.
        return ""

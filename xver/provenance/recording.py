"""Record a command from its beginning to its end: what `xver run -- CMD` does.

    look before ─► begin in flight ─► watch while it runs ─► look after ─► inputs, outputs, metrics ─► seal

The command never waits for us longer than the looks take, and its exit status is what counts: whatever fails on our
side becomes a note of the record, not an error of the run. No repository lock is held while it runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from xver.errors import Locked, XverError
from xver.git.state import tracked_files
from xver.model.runs import Evidence, Metric, Run, Scalar
from xver.provenance import metrics as metrics_files
from xver.provenance import parameters
from xver.provenance.code import code_state
from xver.provenance.declaring import declared_inputs
from xver.provenance.environment import Interpreter
from xver.provenance.events import FlightRecord
from xver.provenance.executing import execute
from xver.provenance.flight import Flight
from xver.provenance.inputs import Opened, Read, inputs_of
from xver.provenance.observing import DECLARED, Before, Seen, look_before, watching
from xver.provenance.outputs import folders_above, outputs_of
from xver.provenance.programs import new_run
from xver.provenance.sealing import begin, merge_events, neighbours, seal
from xver.provenance.secrets import mask
from xver.provenance.tree import TreeState, look
from xver.repo import Repo
from xver.store.packing import Packer
from xver.versioning.membership import rules


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run may be told: parameters as typed (`lr=0.01`), tags, a note, the run that called it, `adds`.

    `adds`: outputs under tracked paths are added, so that `xver.lock` follows.
    """

    params: Sequence[str] = ()
    tags: tuple[str, ...] = ()
    note: str = ""
    parent: str | None = None
    adds: bool = True


@dataclass(frozen=True, slots=True)
class Prepared:
    """A command ready to run: with its parameters filled in, where, with what environment, and its record so far."""

    command: list[str]
    directory: str
    environment: Mapping[str, str]
    run: Run
    given: frozenset[str] = field(default_factory=frozenset)


def record_command(
    repo: Repo, command: Sequence[str], *, directory: str, environment: Mapping[str, str], options: RunOptions
) -> Run:
    """Run a command in `directory` and return its sealed record.

    Raises:
        InvalidInput: a parameter that cannot be read.
        NotFound: there is no such program; nothing is recorded.
    """
    prepared = _prepare(repo, command, directory, environment, options)
    with repo.held(), repo.store.packer() as packer:
        before = look_before(repo, packer)
        run = replace(prepared.run, code=code_state(repo, packer))
        beside = neighbours(repo, run)
        flight = begin(repo, run, before.unsaved, packer)
    asked = Interpreter(prepared.command, directory=directory, environment=dict(prepared.environment))
    try:
        with watching(repo, before) as seen:
            ended = execute(
                prepared.command, directory=directory, environment=prepared.environment, started=flight.started
            )
    except XverError:
        # It did not start: there is no run.
        asked.dismiss()
        repo.store.move(f"no run {run.name}", dict.fromkeys([f"inflight/{run.ulid}", f"kept/{run.ulid}"]))
        flight.remove()
        raise
    writer = flight.writer()
    writer.append("end", status=str(ended.status), exit_code=ended.exit_code, signal=ended.signal)
    writer.close()
    facts, packages = asked.answer()
    run = replace(
        run,
        status=ended.status,
        exit_code=ended.exit_code,
        signal=ended.signal,
        duration=ended.duration,
        environment={**run.environment, **facts},
        packages=packages,
    )
    if beside | neighbours(repo, run):
        seen.notes.append("other runs went on here meanwhile: what they read and wrote may stand here as well")
    seen.notes += before.notes
    if run.code.dirty and run.code.patch is None:
        seen.notes.append("what git has not committed is too much to be kept with the run")
    try:
        return _conclude(repo, flight, run, before, seen, options, prepared.given)
    except (XverError, OSError) as error:
        # The program has ended as it has ended; what it logged is safe in its flight.
        return replace(run, notes=(*seen.notes, f"not sealed: {error}; then: xver runs recover"))


def _prepare(
    repo: Repo, command: Sequence[str], directory: str, environment: Mapping[str, str], options: RunOptions
) -> Prepared:
    given = parameters.parse_parameters(options.params)
    filled, used = parameters.fill_in(command, options.params)
    run = replace(
        new_run(repo, command=filled, directory=directory, parent=options.parent, note=mask(options.note)),
        params=parameters.mask_parameters({**parameters.in_command(filled), **given}),
        tags=tuple(map(mask, options.tags)),
    )
    told = {
        "XVER_RUN": run.ulid,
        "XVER_REPO": os.fspath(repo.root),
        "XVER_EVENTS": os.fspath(repo.runs / run.ulid / "events-other.jsonl"),
        "XVER_PARAMS": json.dumps(given),
    }
    return Prepared(filled, directory, {**environment, **told}, run, frozenset(given.keys() - used))


def _conclude(
    repo: Repo, flight: Flight, run: Run, before: Before, seen: Seen, options: RunOptions, unplaced: frozenset[str]
) -> Run:
    """Work out what was read and written, and seal; with the work tree held, as outputs may be added."""
    try:
        with repo.held():
            return _work_out(repo, flight, run, before, seen, options, unplaced)
    except Locked as error:
        # Another command goes on and on: the record matters more than xver.lock following it.
        seen.notes.append(f"outputs were not added to xver.lock: {error.message}")
        return _work_out(repo, flight, run, before, seen, replace(options, adds=False), unplaced)


def _work_out(
    repo: Repo, flight: Flight, run: Run, before: Before, seen: Seen, options: RunOptions, unplaced: frozenset[str]
) -> Run:
    after = look(repo.root, rules(repo), before.tracked)
    record = flight.read()
    changed = after.changed_since(before.tree)
    if seen.is_complete:
        # A file that was there and that nobody opened for writing was touched, or given other rights.
        opened = seen.written | seen.updated
        changed = {path for path in changed if path not in before.tree.files or path in opened}
    declared = set(record.outputs)
    named = {path for path in after.files if declared and not declared.isdisjoint((path, *folders_above(path)))}
    missing = [path for path in record.outputs if not os.path.lexists(repo.root / path)]
    seen.notes += [f"{path} was named as an output and is not there" for path in missing]
    with repo.store.packer() as packer:
        run = merge_events(run, record, packer)
        run = _take_files(repo, run, seen, changed, unplaced, record)
        read = _inputs(repo, record, before, after, seen, packer)
        written = outputs_of(
            repo,
            changed | named,
            declared=record.outputs,
            evidence=lambda path: _evidence(path, seen, record),
            rewritten=seen.written,
            before=before,
            after=after,
            packer=packer,
            adds=options.adds,
        )
        run = replace(
            run,
            code=replace(run.code, files=read.code),
            inputs=tuple(read.inputs),
            outputs=tuple(written.outputs),
            capture=(DECLARED, *seen.layers) if record.inputs or record.outputs else seen.layers,
            notes=(*run.notes, *seen.notes, *read.notes, *written.notes),
        )
        # What `add` wrote is in the log by now; what this packer holds goes live with the record.
        seal(repo, flight, run, packer, inputs=read.kept, outputs=written.kept)
    return run


def _inputs(repo: Repo, record: FlightRecord, before: Before, after: TreeState, seen: Seen, packer: Packer) -> Read:
    # Opened for writing, and not a byte changed: a database or an archive that was only looked into.
    looked_into = {path for path in seen.updated if before.tree.files.get(path) == after.files.get(path)}
    found = inputs_of(
        repo,
        Opened(seen.read | looked_into, seen.reread, Evidence.WATCHED, seen.is_complete),
        before=before,
        after=after,
        written=seen.written,
        code_paths=frozenset(tracked_files(repo.git)) if repo.git is not None else frozenset(),
        packer=packer,
    )
    known = {one.path for one in found.inputs} | seen.read
    found.inputs += declared_inputs(repo, record.inputs, known=known)
    return found


def _take_files(
    repo: Repo, run: Run, seen: Seen, changed: set[str], unplaced: frozenset[str], record: FlightRecord
) -> Run:
    """Return the run with what files of parameters and metrics say; a note for a parameter that went nowhere."""
    in_files: dict[str, Scalar] = {}
    for name in parameters.FILES:
        if name in seen.read and name not in changed:
            in_files |= parameters.in_file(repo.root / name)
    metrics: dict[str, Metric] = {}
    folder = "" if run.directory == "." else f"{run.directory}/"
    for path in dict.fromkeys((metrics_files.FILE, folder + metrics_files.FILE)):
        if path in changed:
            metrics |= metrics_files.in_file(repo.root / path)
    notes = [
        f"{name} was given and not seen to reach the command: write {{{name}}} where it belongs"
        for name in sorted(unplaced - record.params.keys())
        if in_files.get(name) != run.params.get(name)
    ]
    params = {**parameters.mask_parameters(in_files), **run.params}
    return replace(run, params=params, metrics={**metrics, **run.metrics}, notes=(*run.notes, *notes))


def _evidence(path: str, seen: Seen, record: FlightRecord) -> Evidence:
    if path in record.outputs or not set(record.outputs).isdisjoint(folders_above(path)):
        return Evidence.DECLARED
    return Evidence.WATCHED if path in seen.written else Evidence.COMPARED

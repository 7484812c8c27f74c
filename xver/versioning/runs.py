"""The runs that a store holds: read, and found by what people call them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from xver.errors import CorruptData, RunNotFound, UnsupportedFormat
from xver.format.runs import decode_run
from xver.model.ids import Kind
from xver.model.refs import RUNS
from xver.model.runs import Attachment, Run
from xver.model.ulids import is_ulid, run_name
from xver.repo import Repo
from xver.store.content import read_all
from xver.store.store import Wanted

_BATCH: Final = 1_000
_SHORTEST: Final = 4
_TIME_MAX: Final = 253_402_300_799_999
"""The end of the year 9999, in milliseconds."""
_ATTACHMENT_MAX: Final = 1 << 30


def read_runs(repo: Repo, ulids: Iterable[str] | None = None) -> list[Run]:
    """Return the runs of these ULIDs, or all there are, newest first.

    A record that cannot be read, or is not of the run it is filed under, is left out: records come from other people,
    and a bad one must not hide the others. `find_run` says what is wrong with it.
    """
    known = repo.store.log.refs_under(RUNS)
    chosen = sorted(known if ulids is None else set(ulids) & known.keys(), reverse=True)
    found: list[Run] = []
    for at in range(0, len(chosen), _BATCH):
        batch = [(known[ulid].id, ulid) for ulid in chosen[at : at + _BATCH] if known[ulid].id in repo.store]
        data = dict(repo.store.get_many(Wanted(Kind.RUN, id) for id in {id for id, _ in batch}))
        for id, ulid in batch:
            with contextlib.suppress(CorruptData, UnsupportedFormat):
                found.append(_decode(ulid, bytes(data[id])))
    return sorted(found, key=lambda run: run.ulid, reverse=True)


def find_run(repo: Repo, word: str) -> Run:
    """Return the run called `word`: its name, its ULID, or the beginning of one.

    Raises:
        RunNotFound: there is none, or several fit; they are listed.
        CorruptData: its record is damaged, or of another run.
    """
    fitting = fitting_runs(repo, word)
    if not fitting:
        raise RunNotFound(f"no run is called {word}", hint="xver runs lists them")
    if len(fitting) > 1:
        listed = ", ".join(f"{run_name(ulid)} ({ulid})" for ulid in sorted(fitting, reverse=True)[:10])
        raise RunNotFound(f"{word} fits several runs: {listed}", hint="give more of the name, or the id behind it")
    return _decode(fitting[0], repo.store.get(Kind.RUN, repo.store.log.refs[RUNS + fitting[0]].id))


def fitting_runs(repo: Repo, word: str) -> list[str]:
    """Return the ULIDs of the runs that `word` may mean: one that it names in full, else all that it abbreviates."""
    ulids = [one for one in repo.store.log.refs_under(RUNS) if is_ulid(one)]
    ulid, name = word.upper(), word.lower()
    exact = [one for one in ulids if one == ulid] or [one for one in ulids if run_name(one) == name]
    if exact or len(word) < _SHORTEST:
        return exact
    return [one for one in ulids if one.startswith(ulid) or run_name(one).startswith(name)]


def _decode(ulid: str, data: bytes) -> Run:
    run = decode_run(data)
    if run.ulid != ulid or run.name != run_name(ulid):
        raise CorruptData(f"the record filed under run {ulid} is of another run")
    if run.started + run.duration > _TIME_MAX:
        raise CorruptData(f"the record of run {run.name} has times that no calendar has")
    return run


def read_attachment(repo: Repo, attachment: Attachment) -> bytes:
    """Return what a run stored for itself; raises `CorruptData` for more than is read whole."""
    if attachment.size > _ATTACHMENT_MAX:
        raise CorruptData(f"an attachment of {attachment.size:,} bytes is too large to be read")
    return read_all(repo.store, attachment.id, attachment.size)

"""The runs that a store holds: read, and found by what people call them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xver.errors import RunNotFound
from xver.format.runs import decode_run
from xver.model.ids import Kind
from xver.model.refs import RUNS
from xver.model.runs import Attachment, Run
from xver.provenance.ulids import run_name
from xver.repo import Repo
from xver.store.content import read_all
from xver.store.store import Wanted

_BATCH: Final = 1_000
_SHORTEST: Final = 4


def read_runs(repo: Repo, ulids: Iterable[str] | None = None) -> list[Run]:
    """Return the runs of these ULIDs, or all there are, newest first."""
    known = repo.store.log.refs_under(RUNS)
    chosen = sorted(known if ulids is None else set(ulids) & known.keys(), reverse=True)
    found: dict[bytes, Run] = {}
    for at in range(0, len(chosen), _BATCH):
        wanted = [Wanted(Kind.RUN, known[ulid].id) for ulid in chosen[at : at + _BATCH]]
        found |= {id: decode_run(bytes(data)) for id, data in repo.store.get_many(wanted)}
    return [found[known[ulid].id] for ulid in chosen]


def find_run(repo: Repo, word: str) -> Run:
    """Return the run called `word`: its name, its ULID, or the beginning of one.

    Raises:
        RunNotFound: there is none, or several fit; they are listed.
    """
    fitting = fitting_runs(repo, word)
    if not fitting:
        raise RunNotFound(f"no run is called {word}", hint="xver runs lists them")
    if len(fitting) > 1:
        listed = ", ".join(f"{run_name(ulid)} ({ulid})" for ulid in sorted(fitting, reverse=True)[:10])
        raise RunNotFound(f"{word} fits several runs: {listed}", hint="give more of the name, or the id behind it")
    return read_runs(repo, fitting)[0]


def fitting_runs(repo: Repo, word: str) -> list[str]:
    """Return the ULIDs of the runs that `word` may mean: one that it names in full, else all that it abbreviates."""
    ulids = list(repo.store.log.refs_under(RUNS))
    ulid, name = word.upper(), word.lower()
    exact = [one for one in ulids if one == ulid] or [one for one in ulids if run_name(one) == name]
    if exact or len(word) < _SHORTEST:
        return exact
    return [one for one in ulids if one.startswith(ulid) or run_name(one).startswith(name)]


def read_attachment(repo: Repo, attachment: Attachment) -> bytes:
    """Return what a run stored for itself."""
    return read_all(repo.store, attachment.id, attachment.size)

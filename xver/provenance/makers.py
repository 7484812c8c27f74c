"""Which run made a content: all outputs of all runs, by id; names and places play no part.

An output that is a dataset made each of the members that its run wrote. Lists of members are read only when a
content is looked for that is no output by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from xver.errors import ContentNotFound, CorruptData
from xver.model.entries import File, Link
from xver.model.ids import EMPTY_ID, ListingId
from xver.model.runs import Evidence, Output, Run
from xver.provenance.members import Member, decode_members
from xver.repo import Repo
from xver.store.listings import read_listing
from xver.versioning.runs import read_attachment, read_runs


class Making(NamedTuple):
    """A run and the output by which it made a content; `member`: the content is one of the files that it wrote."""

    run: Run
    output: Output
    member: str | None = None

    @property
    def path(self) -> str:
        """What the content was called when the run wrote it."""
        return self.output.path if self.member is None else f"{self.output.path}/{self.member}"


class Makers:
    """Answers who made what, over all runs of a repository, newest first."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo

    def of(self, id: bytes, *, path: str | None = None, before: int | None = None) -> list[Making]:
        """Return who made a content, the most likely first.

        `before` leaves out runs that began later (milliseconds since 1970): what a run read was made before it. Those
        that wrote it under the name `path` come first, then those that ended well, then the newest.
        """
        found = [*self._outputs.get(id, ()), *self._members.get(id, ())]
        if before is not None:
            found = [one for one in found if one.run.started < before]
        unique = {one.run.ulid: one for one in reversed(found)}
        return sorted(
            unique.values(),
            key=lambda one: (one.path != path, one.run.status != "ok", -one.run.started),
        )

    def of_members(
        self, dataset: bytes, ids: Iterable[bytes], *, before: int | None = None
    ) -> list[tuple[Making, int]]:
        """Return the runs that made files of a dataset which no run made as a whole, with how many each made.

        Who read the dataset found all of its files there: what wrote the same bytes since then only copied them.
        """
        before = min((one for one in (before, self._first_read.get(dataset)) if one is not None), default=None)
        counts: dict[str, tuple[Making, int]] = {}
        for id in ids:
            makings = self.of(id, before=before)
            if makings:
                making, count = counts.get(makings[0].run.ulid, (makings[0], 0))
                counts[makings[0].run.ulid] = making, count + 1
        return sorted(counts.values(), key=lambda pair: -pair[1])

    def _listed(self, output: Output) -> list[Member]:
        try:
            if output.members is None:
                return [*self._imported(output)]
            return decode_members(read_attachment(self._repo, output.members))
        except (CorruptData, ContentNotFound):
            # Somebody else's record, or not all of it: what it wrote in parts is not known.
            return []

    def _imported(self, output: Output) -> Iterator[Member]:
        """Yield what a dataset held that was imported: all of it, so its listing says so."""
        if output.evidence is Evidence.IMPORTED and output.files is not None:
            for row in read_listing(self._repo.store, ListingId(output.id)):
                if isinstance(row.entry, File | Link):
                    yield Member(row.entry.id, row.entry.size, row.path)

    @cached_property
    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return read_runs(self._repo)

    @cached_property
    def _first_read(self) -> dict[bytes, int]:
        """When the first run began that read a content (milliseconds since 1970)."""
        # Newest first, so the oldest has the last word.
        return {used.id: run.started for run in self.runs for used in run.inputs if used.id is not None}

    @cached_property
    def _outputs(self) -> dict[bytes, list[Making]]:
        found: dict[bytes, list[Making]] = {}
        for run in self.runs:
            for output in run.outputs:
                # A dataset without files is no result either.
                if output.files != 0:
                    found.setdefault(output.id, []).append(Making(run, output))
        # No bytes are no result: every empty file has this id, whoever made it.
        found.pop(EMPTY_ID, None)
        return found

    @cached_property
    def _members(self) -> dict[bytes, list[Making]]:
        found: dict[bytes, list[Making]] = {}
        for run in self.runs:
            for output in run.outputs:
                for member in self._listed(output):
                    found.setdefault(member.id, []).append(Making(run, output, member.path))
        found.pop(EMPTY_ID, None)
        return found

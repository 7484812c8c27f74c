"""What data comes from: an origin can be asked whether it changed, and gives its content to a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from xver.format.log_entries import LiveIndex
from xver.model.entries import Entry, File
from xver.model.runs import Source
from xver.progress import Meter
from xver.repo import Repo
from xver.store.content import Before, Content


@dataclass(frozen=True, slots=True)
class Known:
    """What was taken from an origin before: what was recorded of it, the id it became, and its number of files."""

    source: Source
    id: bytes
    files: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken: the entry it became, what is to be recorded of the origin, what no version can hold.

    `is_stored` tells whether the content is in the store, and not only known.
    """

    entry: Entry
    source: Source
    special: tuple[str, ...] = ()
    is_stored: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken: for the tracked path `top`, where `before` stood; `known` from the same origin.

    `uploaded` has the indexes that are finished and not live, and gets each further one.
    """

    top: str
    known: Known | None
    before: Entry | None
    uploaded: list[LiveIndex]
    meter: Meter


class Origin(Protocol):
    """Somewhere outside of the repository that data comes from."""

    @property
    def uri(self) -> str:
        """The address, as it is recorded if it holds no secret."""

    @property
    def name(self) -> str:
        """What to call it where nobody says; empty where it has no name of its own."""

    def is_same(self, repo: Repo, known: Known) -> bool | None:
        """Tell whether what is there is what was taken before; None: that cannot be told without reading it.

        Raises:
            NotFound: nothing is there any more.
            StorageError: it cannot be reached.
        """

    def take(self, repo: Repo, wanted: Wanted) -> Taken | None:
        """Bring the content into the store, not live yet; None where nothing changed, and nothing travelled.

        Raises:
            NotFound: nothing is there.
            Conflict: it changed while it was read.
            InvalidInput: it cannot be tracked.
            StorageError: it cannot be reached.
        """


def file_of(content: Content) -> File:
    """Return the entry of a plain file of this content."""
    return File(content.id, content.size, content.fingerprint, content.sha256)


def stood(repo: Repo, before: Entry | None) -> Before:
    """Return what tells the content that stood in a place before, as far as it is here."""
    if isinstance(before, File) and before.size and before.id in repo.store:
        return lambda: (before.id, before.size)
    return lambda: None


def counted(blocks: Iterable[bytes], meter: Meter) -> Iterator[bytes]:
    """Yield the blocks, and tell the meter of their bytes."""
    for block in blocks:
        yield block
        meter.advance(len(block))

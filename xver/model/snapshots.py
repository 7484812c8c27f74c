"""A snapshot: the data of one commit, with its place in history. And a version: the same as people see it."""

from __future__ import annotations

from dataclasses import dataclass

from xver.model.ids import ListingId, SnapshotId


@dataclass(frozen=True, slots=True)
class Author:
    """Who made it, as git writes it."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of everything tracked.

    `time` is in seconds since 1970, `offset` the author's distance from UTC in minutes, `git` the hex id of the
    commit this snapshot was derived from (None outside git). Inside git it is a pure function of that commit.
    """

    root: ListingId
    parents: tuple[SnapshotId, ...]
    author: Author
    time: int
    offset: int
    message: str
    git: str | None = None

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class Version:
    """One commit as people see it: its id (git's, or the snapshot's, hex), who, when, why, and its parents.

    `time` and `offset` are as in a snapshot; a date that git cannot read is zero. Text of git's that is not what its
    encoding says has U+FFFD in it. The message has no line ends at its end.
    """

    id: str
    parents: tuple[str, ...]
    author: Author
    time: int
    offset: int
    message: str

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.split("\n", 1)[0]

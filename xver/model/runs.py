"""A run: what was executed, what it read and wrote, and how we know. Names are W3C PROV's where PROV has one."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from xver.model.ids import ContentId

Scalar: TypeAlias = str | int | float | bool | None
"""What a parameter's value or a metric's may be."""


class Evidence(enum.StrEnum):
    """How an edge of the graph is known, weakest last."""

    DECLARED = "declared"
    WATCHED = "watched"
    AUDITED = "audited"
    TRACED = "traced"
    COMPARED = "compared"
    IMPORTED = "imported"


class State(enum.StrEnum):
    """What is known of an input's bytes while the run used them."""

    STABLE = "stable"
    CHANGED = "changed-during-run"
    UNVERSIONED = "unversioned"
    BEFORE_UNKNOWN = "before-unknown"


class Status(enum.StrEnum):
    """How a run ended."""

    OK = "ok"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Content stored with the run (a strong edge): its id and size in bytes."""

    id: ContentId
    size: int


@dataclass(frozen=True, slots=True)
class Input:
    """`used`: a file or dataset as it was before the run.

    `path` is relative to the work tree; `id` is None where the bytes before use are not known. Of a dataset (`files`
    is its number of files) `read` counts the members opened and `members` lists them, a line `id size path` each.
    """

    path: str
    id: bytes | None
    size: int
    evidence: Evidence
    state: State
    role: str = "data"
    files: int | None = None
    read: int | None = None
    members: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """`generated`: a file or dataset as it was after the run.

    Of a dataset, `written` counts the members this run wrote, `members` lists them, and `before` is the dataset's id
    when the run began (None when it was not there): the members not written came with that. `kept` tells
    whether the bytes are in the store.
    """

    path: str
    id: bytes
    size: int
    evidence: Evidence
    kept: bool
    files: int | None = None
    written: int | None = None
    members: Attachment | None = None
    before: bytes | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """`hadPrimarySource`: where the output `path` came from, outside of this repository.

    `uri` is its address without secrets, `endpoint_url` the server where that is not the provider's own. `version` is
    what the server calls these bytes (an ETag, a generation, a time of change), of another repository the id of the
    version; `modified` is when it says that they last changed. Of a folder, `members` lists the objects.
    """

    path: str
    uri: str
    version: str = ""
    modified: str = ""
    endpoint_url: str | None = None
    members: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """The code that ran: git commit and branch, the patch of a dirty tree, and the tracked code files it read.

    `files` maps each path to its bytes, stored with the run, so a squashed-away commit loses nothing.
    """

    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    patch: Attachment | None = None
    files: Mapping[str, Attachment] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A series in short: the last value and its step, the extremes, and the number of points."""

    last: float
    step: float | None
    minimum: float
    maximum: float
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """One execution, immutable once sealed.

    `ulid` identifies it, `name` is for people, `title` what its author calls it. `started` is in milliseconds since
    1970, `duration` in milliseconds.
    `capture` names the layers that watched; `notes` says in plain words what could not be seen.
    """

    ulid: str
    name: str
    status: Status
    command: tuple[str, ...]
    directory: str
    started: int
    duration: int
    user: str
    host: str
    exit_code: int | None = None
    signal: int | None = None
    title: str = ""
    parent: str | None = None
    code: Code = Code()
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Scalar] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    series: Attachment | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    sources: tuple[Source, ...] = ()
    capture: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def attachments(self) -> list[Attachment]:
        """Return everything the run stored for itself: its strong edges."""
        found = [self.code.patch, self.series, *self.code.files.values()]
        found += [used.members for used in self.inputs] + [made.members for made in self.outputs]
        found += [one.members for one in self.sources]
        return [attachment for attachment in found if attachment is not None]

"""Another tool that versions data: what it tracks at one time, and where the bytes of that lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from xver.intake.held import Held
from xver.intake.trees import Item, Tree


class Member(NamedTuple):
    """A file of what is tracked: its path below that ("" where it is all), what the tool calls its bytes, its mode."""

    path: str
    key: str
    executable: bool = False


class Tracked(NamedTuple):
    """A path that the tool tracks, with its files; a file, or else a folder."""

    path: str
    members: Sequence[Member]
    is_folder: bool


class Left(NamedTuple):
    """A path that the tool tracks and that cannot be taken over, and why, for people."""

    path: str
    why: str


Proof: TypeAlias = "tuple[Callable[[], Any], str]"
"""A hash, and the hex digits that it has to come to."""


class Tool(Protocol):
    """A tool whose data is adopted."""

    name: str
    bring: str
    """The command that brings what the tool's own store lacks."""
    is_in_git: bool
    """Whether git itself tracks the same paths: what is committed counts, and they leave git's index."""
    refusals: list[str]
    """Places of the tool's store that could not be asked for what is not elsewhere, and why, for people."""

    def says(self, path: str, item: Item) -> bool:
        """Tell whether a file may say what the tool tracks."""

    def tracked(self, tree: Tree) -> Iterator[Tracked | Left]:
        """Yield what it tracks in a tree."""

    def find_many(self, keys: Collection[str]) -> dict[str, Held]:
        """Return what holds the bytes of some keys; what the tool's store does not have is left out."""

    def proof(self, key: str) -> Proof | None:
        """Return what shows that a file holds the bytes of this key; None: its size and name have to do."""

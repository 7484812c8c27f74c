"""Which tracked paths are meant: all of them, or what lies at or below some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xver.model.paths import is_below, overlaps


@dataclass(frozen=True, slots=True)
class Scope:
    """What lies at or below `paths`, relative to the root; None: everything."""

    paths: tuple[str, ...] | None = None

    def holds(self, path: str) -> bool:
        """Tell whether all of a path is meant."""
        return self.paths is None or any(is_below(path, one) for one in self.paths)

    def meets(self, path: str) -> bool:
        """Tell whether a path or anything below it may be meant."""
        return self.paths is None or any(overlaps(path, one) for one in self.paths)

    def within(self, paths: Sequence[str]) -> Scope:
        """Return what of `paths`, of everything if there are none, is meant."""
        if not paths or self.paths is None:
            return Scope(tuple(paths)) if paths else self
        pairs = ((one, own) for one in paths for own in self.paths if overlaps(one, own))
        return Scope(tuple(dict.fromkeys(one if is_below(one, own) else own for one, own in pairs)))

    def named(self, paths: Sequence[str]) -> Scope:
        """Return what is meant when somebody names `paths`: as `within`, and those that lie outside as well."""
        if not paths:
            return self
        return Scope(tuple(inner for one in paths for inner in self.within([one]).paths or (one,)))

    def joined(self, paths: Sequence[str]) -> Scope:
        """Return this and `paths`, none of which lies in another."""
        every = [*(self.paths or ()), *paths]
        outer = [one for one in every if not any(is_below(one, two) and one != two for two in every)]
        return Scope(tuple(sorted(dict.fromkeys(outer), key=str.encode)))


EVERYTHING: Final = Scope()

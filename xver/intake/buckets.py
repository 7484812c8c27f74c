"""A bucket that is adopted: the object at an address, or all objects below it, become one tracked path."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from xver.errors import NotFound
from xver.intake.held import BucketPlace, Held, HeldObject
from xver.intake.tools import Member, Tracked
from xver.intake.trees import Item, Tree
from xver.storage.base import Stat
from xver.sync.sources import paths_of


class BucketObjects:
    """What lies at an address of a bucket, to be tracked as `path`; its objects are known by their keys.

    Raises:
        InvalidInput: it is no address of a bucket.
    """

    name = "the bucket"
    bring = "xver adopt ADDRESS PATH"
    is_in_git = False

    def __init__(self, url: str, path: str, endpoint_url: str | None) -> None:
        self._place = BucketPlace(url, endpoint_url)
        self._is_folder = url.endswith("/")
        self._path = path
        self.refusals: list[str] = []

    def says(self, path: str, item: Item) -> bool:  # noqa: ARG002 - the server says it
        """Tell that no file says what lies there."""
        return False

    def tracked(self, tree: Tree) -> Iterator[Tracked]:  # noqa: ARG002 - the server says it
        """Yield the tracked path with all objects.

        Raises:
            NotFound: nothing is there.
            InvalidInput: a key that no path can be.
            StorageError: it cannot be listed.
        """
        if self._one is not None:
            yield Tracked(self._path, [Member("", self._one.key)], is_folder=False)
            return
        names = paths_of(self._place.url, [self._name(key) for key in self._stats])
        members = [Member(path, self._place.key(name)) for path, name in names.items()]
        yield Tracked(self._path, members, is_folder=True)

    def find_many(self, keys: Collection[str]) -> dict[str, Held]:
        """Return the objects with these keys."""
        found = {self._one.key: self._one} if self._one is not None else self._stats
        return {key: HeldObject(self._place, found[key]) for key in keys if key in found}

    def proof(self, key: str) -> None:
        """Tell that nothing shows what the bytes of an object are: an ETag need not be a hash of them."""

    @cached_property
    def _one(self) -> Stat | None:
        """The object at the address itself, None if none is there."""
        key = self._place.prefix
        return None if self._is_folder or not key else self._place.find([key]).get(key)

    @cached_property
    def _stats(self) -> dict[str, Stat]:
        found = {one.key: one for one in self._place.list()}
        if not found:
            raise NotFound(f"there is nothing at {self._place.url}", hint="check the address, and who may list it")
        return found

    def _name(self, key: str) -> str:
        return key[len(self._place.prefix) + 1 :] if self._place.prefix else key

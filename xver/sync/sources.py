"""What is taken in: files of a folder that every worker sees, or objects of a bucket; one value, used anywhere."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from xver.errors import Changing, InvalidInput, Unreadable
from xver.model.entries import EntryKind
from xver.model.paths import TrackedPath, parse_path
from xver.storage.base import Part, Stat, Storage
from xver.storage.locate import locate
from xver.store.content import put_stream
from xver.store.packing import Packer
from xver.worktree.reading import Reading, read_file
from xver.worktree.records import Known
from xver.worktree.stats import NO_STAT, unpack_stat

_BLOCK: Final = 8 * 1024 * 1024
Read: TypeAlias = Reading | Unreadable | Changing
"""What a file is, or why it cannot be read: one that resists is no reason to give up the others."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be read: its path (absolute in a folder, a key in a bucket), size in bytes, and packed stat."""

    path: str
    size: int
    stat: bytes = NO_STAT


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine, or one that all workers share; `root` is absolute."""

    root: str

    def read(self, files: Sequence[Item], packer: Packer) -> Iterator[Read]:
        """Yield what each file is, stored by `packer`, or why it cannot be read."""
        if not os.path.isdir(self.root):
            raise InvalidInput(f"cannot read {self.root}")
        for one in files:
            try:
                yield read_file(one.path, packer, stat=one.stat)
            except (Unreadable, Changing) as error:
                yield error


@dataclass(frozen=True, slots=True)
class Bucket:
    """The objects below an address; `endpoint_url` as for a remote. Nobody's stat is known of them."""

    url: str
    endpoint_url: str | None = None

    def read(self, files: Sequence[Item], packer: Packer) -> Iterator[Read]:
        """Yield what each object is, stored by `packer`; several ranges are on their way at a time.

        Raises:
            NotFound: an object is gone.
            StorageError: it cannot be read, or became shorter.
        """
        parts = [(one.path, part) for one in files for part in _parts(one.size)]
        blocks = map(bytes, self.storage().get_many(parts))
        for one in files:
            content = put_stream(packer, (next(blocks) for _ in _parts(one.size)))
            known = Known(EntryKind.FILE, content.size, content.id, content.fingerprint, content.sha256)
            yield Reading(known, NO_STAT, NO_STAT)

    def list(self) -> dict[str, Stat]:
        """Return the objects by key: what a name ends with `/` marks a folder and is left out."""
        return {one.key: one for one in self.storage().list("") if not one.key.endswith("/")}

    def storage(self) -> Storage:
        """Return the storage at the address; raises `InvalidInput` for one that is none of a bucket."""
        if "://" not in self.url or self.url.lower().startswith("file:"):
            raise InvalidInput(f"{self.url} is no bucket", hint="xver add PATH takes files of a folder")
        return locate(self.url, base=Path("/"), endpoint_url=self.endpoint_url)


Source: TypeAlias = Folder | Bucket


def item_of(path: str, stat: bytes) -> Item:
    """Return a file of a folder as a task has it."""
    return Item(path, unpack_stat(stat).size, stat)


def paths_of(url: str, keys: Collection[str]) -> dict[TrackedPath, str]:
    """Return the keys of objects below an address by the paths they become, in the order of a listing.

    Raises:
        InvalidInput: a key that no path can be, an object that is also a folder of others, or no key at all.
    """
    names = {}
    for key in sorted(keys, key=str.encode):
        try:
            names[parse_path(key)] = key
        except InvalidInput as error:
            raise InvalidInput(f"{url}/{key} cannot be tracked: {error.message}") from error
    for path in names:
        above = path.rpartition("/")[0]
        while above:
            if above in names:
                raise InvalidInput(f"{url}/{above} is an object, and a folder of {path}: a path is one of both")
            above = above.rpartition("/")[0]
    if not names:
        raise InvalidInput(f"there is nothing below {url}", hint="check the address, and who may list it")
    return names


def _parts(size: int) -> Iterator[Part]:
    for start in range(0, size, _BLOCK):
        yield Part(start, min(_BLOCK, size - start))

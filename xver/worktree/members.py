"""What a tracked path has already: no rule leaves it out, and a file that cannot be read stays as it was.

Asked only where a rule matches or a file resists: where the stat index speaks of the version, nothing is read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import accumulate

from xver.errors import ContentNotFound, CorruptData
from xver.format.listings import Row
from xver.model.entries import Entry, External, File, Link
from xver.model.ids import ListingId
from xver.model.paths import is_below
from xver.worktree.records import DirectoryRecord, Known, TreeRecord, known_of
from xver.worktree.stats import NO_STAT

_NOTHING = TreeRecord(None, {})


class Members:
    """The files of the entry that is tracked at `top`, None if none is; `record` is what the stat index knows there.

    `read_rows` reads a listing.
    """

    def __init__(
        self,
        top: str,
        entry: Entry | None,
        record: TreeRecord | None,
        read_rows: Callable[[ListingId], Iterable[Row]],
    ) -> None:
        self._top = top
        self._entry = entry
        self._record = record or _NOTHING
        self._read_rows = read_rows

    def __call__(self, path: str) -> bool:
        """Tell whether a path, relative to the root, is tracked there, or was when it was last seen, or a folder above.

        Where the listing is not here, or damaged, the stat index alone can tell.
        """
        if self.saw(path):
            return True
        inner = path[len(self._top) + 1 :]
        try:
            return self._tree.find(inner) is not None or inner in self._folders
        except (ContentNotFound, CorruptData):
            return False

    def saw(self, path: str) -> bool:
        """Tell the same of what was tracked when it was last seen."""
        inner = path[len(self._top) + 1 :]
        return not inner or inner in self._seen_folders or self._record.was_here(inner)

    def find(self, inner: str) -> Known | None:
        """Return what is tracked at a path relative to `top`, None if nothing.

        Raises:
            ContentNotFound, CorruptData: the listing is not here, or damaged, and the stat index does not speak of it.
        """
        found = self._tree.find(inner)
        return None if found is None else found[1]

    def below(self, folder: str) -> Iterator[tuple[str, DirectoryRecord]]:
        """Yield the directories at and below a folder relative to `top` that have files; raises like `find`."""
        return ((one, record) for one, record in self._tree.directories.items() if is_below(one, folder))

    @cached_property
    def _tree(self) -> TreeRecord:
        entry = self._entry
        if isinstance(entry, File | Link):
            return _NOTHING.updated([("", NO_STAT, known_of(entry))])
        if entry is None or isinstance(entry, External):
            return _NOTHING
        if self._record.id == entry.id:
            return self._record
        rows = self._read_rows(entry.id)
        return _NOTHING.updated(
            (str(row.path), NO_STAT, known_of(row.entry)) for row in rows if isinstance(row.entry, File | Link)
        )

    @cached_property
    def _folders(self) -> frozenset[str]:
        return with_folders(_of_files(self._tree))

    @cached_property
    def _seen_folders(self) -> frozenset[str]:
        return with_folders(_of_files(self._record))


def with_folders(folders: Iterable[str]) -> frozenset[str]:
    """Return folders and those above them, without the empty one."""
    return frozenset(one for folder in folders if folder for one in accumulate(folder.split("/"), "{}/{}".format))


def _of_files(tree: TreeRecord) -> Iterator[str]:
    return (folder for folder, record in tree.directories.items() if record.kinds)

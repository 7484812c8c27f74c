"""A listing onto the disk: only what differs is touched, nothing unsaved is lost, nothing is written outside.

Two phases. `plan_checkout` compares and decides, and refuses before anything changes. `execute_checkout` writes
each file beside its place and renames it there, through descriptors of directories opened without following links:
a link planted in the way is an error, never a way out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from xver.errors import CorruptData, DirtyWorktree, InvalidInput
from xver.format.listings import Row
from xver.model.entries import Dataset, Entry, File, Link
from xver.model.ids import EMPTY_ID
from xver.model.paths import TrackedPath, fold
from xver.worktree.compare import Comparison, Differs
from xver.worktree.reading import read_file
from xver.worktree.stat_index import TreeRecord

_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a checkout of one tracked path will do: files to write, files to remove, in the order of paths.

    `gone`: the path is no longer tracked, so its own folder goes too when it is empty.
    """

    path: TrackedPath
    entry: Entry
    write: tuple[Row, ...]
    remove: tuple[str, ...]
    gone: bool = False

    @property
    def size(self) -> int:
        """Bytes to write."""
        return sum(row.entry.size for row in self.write)


def plan_checkout(
    root: Path,
    path: TrackedPath,
    entry: Entry,
    comparison: Comparison,
    *,
    rows: Callable[[], Iterator[Row]],
    record: TreeRecord | None,
    in_store: Callable[[bytes], bool],
    force: bool = False,
) -> Plan:
    """Decide what makes `root/path` hold `entry`.

    A file on the disk that differs is overwritten or removed only if its own bytes are in the store. A file that no
    version is known to have had here stays where it is, unless something has to be written there.

    Raises:
        DirtyWorktree: work that is not in the store would be lost; `force` loses it.
    """
    wanted: dict[str, Entry] = {}
    if comparison.differences:
        wanted = {row.path: row.entry for row in rows()} if isinstance(entry, Dataset) else {"": entry}
    before = _recorded(record)
    write, remove, lost = [], [], []
    for one in comparison.differences:
        whole = f"{path}/{one.path}" if one.path else str(path)
        if one.differs is Differs.DELETED:
            write.append(Row(TrackedPath(one.path), wanted[one.path]))
            continue
        if one.differs is Differs.MODIFIED:
            write.append(Row(TrackedPath(one.path), wanted[one.path]))
        elif one.path in before or _stands_in_the_way(one.path, wanted):
            remove.append(one.path)
        else:
            continue
        if not force:
            known = read_file(os.fspath(root / whole), None).known
            if known.id != EMPTY_ID and not in_store(known.id):
                lost.append(whole)
    if lost:
        raise DirtyWorktree(
            f"{len(lost)} changed file{'s' if len(lost) > 1 else ''} would be lost",
            lost,
            hint=f"xver add {path} to keep the changes, or xver checkout --force to lose them",
        )
    return Plan(path, entry, tuple(write), tuple(remove))


def execute_checkout(
    root: Path, plan: Plan, read: Callable[[list[Row]], Iterator[tuple[Row, Iterator[bytes | memoryview]]]]
) -> None:
    """Carry out a plan; `read` yields the content of rows, in the order it likes.

    Raises:
        CorruptData: a path cannot be written safely here.
        StorageError, InvalidInput: the disk refuses.
    """
    check_names(root, plan)
    with _Folders(root) as folders:
        for gone in plan.remove:
            folders.remove(_whole(plan.path, gone), "" if plan.gone else plan.path)
        for row, parts in read(list(plan.write)):
            folders.write(_whole(plan.path, row.path), row.entry, parts)
        if isinstance(plan.entry, Dataset) and not plan.gone:
            folders.ensure(plan.path)


def check_names(root: Path, plan: Plan) -> None:
    """Refuse names that this file system cannot tell apart, or that Windows reserves."""
    if _folds_case(root):
        names: dict[str, str] = {}
        for row in plan.write:
            first = names.setdefault(fold(row.path), row.path)
            if first != row.path:
                raise InvalidInput(f"{first!r} and {row.path!r} are one name on this file system")
    if os.name == "nt":
        for row in plan.write:
            for part in row.path.split("/"):
                if ":" in part or part[-1:] in (".", " ") or part.partition(".")[0].casefold() in _RESERVED:
                    raise InvalidInput(f"{row.path!r} is no name for a file on Windows")


class _Folders:
    """Directories below the root, opened one part at a time without following links, and kept open a while."""

    _LIMIT: Final = 64

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self._open: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._open.values():
            os.close(handle)
        os.close(self._root)

    def ensure(self, folder: str, *, make: bool = True) -> int:
        """Return the descriptor of a folder, made if it is not there."""
        if not folder:
            return self._root
        handle = self._open.get(folder)
        if handle is not None:
            return handle
        parent, _, name = folder.rpartition("/")
        above = self.ensure(parent, make=make)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            handle = os.open(name, flags, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
            os.mkdir(name, dir_fd=above)
            handle = os.open(name, flags, dir_fd=above)
        except OSError as error:
            raise CorruptData(f"{folder!r} is no folder but something else: refused to write below it") from error
        if len(self._open) >= self._LIMIT:
            for old in [one for one in self._open if not folder.startswith(one + "/")]:
                os.close(self._open.pop(old))
        self._open[folder] = handle
        return handle

    def write(self, path: str, entry: Entry, parts: Iterator[bytes | memoryview]) -> None:
        """Write a file or link beside its place and rename it there."""
        folder, _, name = path.rpartition("/")
        handle = self.ensure(folder)
        beside = f".xver-{os.urandom(6).hex()}.tmp"
        try:
            if isinstance(entry, Link):
                os.symlink(os.fsdecode(b"".join(parts)), beside, dir_fd=handle)
            else:
                # The umask of the user decides about rights, as it does for git.
                mode = 0o777 if isinstance(entry, File) and entry.executable else 0o666
                file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=handle)
                with open(file, "wb", buffering=0) as out:
                    for part in parts:
                        _write_all(out, part)
            os.replace(beside, name, src_dir_fd=handle, dst_dir_fd=handle)
        except IsADirectoryError as error:
            self._unlink(beside, handle)
            raise InvalidInput(
                f"{path} is a folder, and a file belongs there", hint=f"move {path} away and check out again"
            ) from error
        except BaseException:
            self._unlink(beside, handle)
            raise

    def remove(self, path: str, top: str) -> None:
        """Remove a file, and the folders above it that this empties, up to `top`."""
        folder, _, name = path.rpartition("/")
        try:
            self._unlink(name, self.ensure(folder, make=False))
        except FileNotFoundError:
            return
        while folder and folder != top:
            above, _, name = folder.rpartition("/")
            if (handle := self._open.pop(folder, None)) is not None:
                os.close(handle)
            try:
                os.rmdir(name, dir_fd=self.ensure(above, make=False))
            except OSError:
                return
            folder = above

    @staticmethod
    def _unlink(name: str, handle: int) -> None:
        try:
            os.unlink(name, dir_fd=handle)
        except FileNotFoundError:
            return


def _write_all(out: object, part: bytes | memoryview) -> None:
    view = memoryview(part)
    while view:
        view = view[out.write(view) :]  # type: ignore[attr-defined]


def _whole(path: str, below: str) -> str:
    return f"{path}/{below}" if below else path


def _recorded(record: TreeRecord | None) -> set[str]:
    return set() if record is None else {path for path, _ in record.files()}


def _stands_in_the_way(path: str, wanted: Mapping[str, Entry]) -> bool:
    """Tell whether a file lies where a folder of the wanted version belongs, or is the tracked path itself."""
    return not path or any(one.startswith(path + "/") for one in wanted)


def _folds_case(root: Path) -> bool:
    """Tell whether the file system takes names of different case for one; asks about a name that is there."""
    for probe in ("xver.lock", ".git", ".xver"):
        if (root / probe).exists():
            return (root / probe.upper()).exists()
    return False

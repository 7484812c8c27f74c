"""Every exception xver raises, one tree, cut by what a handler would do.

    XverError                     carries the line a person reads and the hint that follows
    ├── InvalidInput              a path, name, address, option or file that cannot be right
    │   └── Unreadable            a file or folder of the user that cannot be read
    ├── NotFound                  what was named does not exist
    │   ├── RepositoryNotFound
    │   ├── ContentNotFound       an id that no reachable store holds
    │   │   ├── ForeignChanged    it lies in a file of others, which is gone or another now
    │   │   └── Purged            and that none may hold again
    │   ├── RefNotFound
    │   ├── RevisionNotFound
    │   └── RunNotFound
    ├── AlreadyExists             what was to be made is there
    ├── Conflict                  two intentions meet; nothing was changed
    │   ├── Changing              a file is written while it is read
    │   ├── RefConflict           the ref moved since it was read
    │   ├── Overtaken             somebody else was faster
    │   ├── Collected             a collection took what this relies on
    │   ├── HasMoved              the store is at another address now
    │   ├── MergeConflict         both sides changed the same path
    │   └── DirtyWorktree         work that is not in the store would be lost
    ├── CorruptData               bytes that are not what their name or format promises
    ├── UnsupportedFormat         written by a newer xver, or needing a feature this one lacks
    ├── StorageError              the storage refused or failed
    │   └── TransientStorageError and may succeed when tried again
    ├── Locked                    another process holds the work tree
    ├── CommandFailed             a program that xver ran for the user ended badly
    ├── WorkersFailed             the workers of an executor cannot be reached, do not fit, or died
    └── Incomplete                part of the work was done; the rest is listed

The library raises; `xver.cli.app` maps each class to its exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of `words` that a person who typed `word` may have meant, None if none looks like it."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(words), 1)), None)


class XverError(Exception):
    """Base of all errors: `message` is one line in the user's terms, `hint` the next command to type."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        # By default the class is called with the message alone, which not every one takes; errors cross processes.
        return _revive, (type(self), self.args, self.__dict__)


def _revive(kind: type[XverError], args: tuple[Any, ...], facts: dict[str, Any]) -> XverError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class InvalidInput(XverError, ValueError):
    """What was given cannot be right, whatever the state of the repository."""


class Unreadable(InvalidInput):
    """A file or folder that cannot be read; `reason` says why."""

    def __init__(self, path: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"cannot read {path}: {reason}", hint=hint)
        self.reason = reason


class NotFound(XverError, LookupError):
    """What was named does not exist."""


class RepositoryNotFound(NotFound):
    """No repository here, or none at that address."""


class ContentNotFound(NotFound):
    """An object that no store within reach holds."""

    def __init__(self, id: bytes, *, hint: str | None = None) -> None:
        super().__init__(f"content b3:{id.hex()[:16]} is not in this store", hint=hint)
        self.id = id


class Purged(ContentNotFound):
    """Content that was purged: its bytes were erased on purpose, and no store takes them again.

    `entry` is the number of the log entry that says so, `url` the store whose log it is.
    """

    def __init__(self, id: bytes, *, entry: int, url: str, path: str | None = None) -> None:
        super().__init__(id)
        what = path or f"content b3:{id.hex()[:16]}"
        self.message = f"{what} was purged (entry {entry} of the log of {url})"
        self.hint = "it cannot come back under this id: add other content, or stop tracking it with xver rm"
        self.args = (self.message,)
        self.entry = entry
        self.url = url


class ForeignChanged(ContentNotFound):
    """Content that lies in a file of others, which xver only reads: it is gone, or another now; `path` names it."""

    def __init__(self, id: bytes, path: str, what: str) -> None:
        super().__init__(id)
        self.message = f"{path}, which holds content b3:{id.hex()[:16]}, {what}"
        self.hint = "bring that file back; or, where a remote has the content: xver fsck --repair"
        self.args = (self.message,)
        self.path = path
        self.what = what


class RefNotFound(NotFound):
    """No such branch, tag or other ref."""


class RevisionNotFound(NotFound):
    """A revision that names nothing, or more than one thing."""


class RunNotFound(NotFound):
    """No run has that name or id."""


class AlreadyExists(XverError):
    """What was to be created is there already."""


class Conflict(XverError):
    """Two intentions meet; nothing was changed."""


class Changing(Conflict):
    """A file that is written again and again while it is read; `reason` says so."""

    def __init__(self, path: str) -> None:
        self.reason = "changes while it is read"
        super().__init__(f"{path} {self.reason}", hint="wait until whatever writes it is done, then add it again")


class RefConflict(Conflict):
    """The ref was moved by someone else since it was read."""

    def __init__(self, name: str, *, expected: str | None, actual: str | None, hint: str | None = None) -> None:
        super().__init__(
            f"{name} was moved meanwhile: expected {expected or 'nothing'}, found {actual or 'nothing'}", hint=hint
        )
        self.name = name
        self.expected = expected
        self.actual = actual


class Overtaken(Conflict):
    """Somebody changed the store first; nothing was changed."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url} was changed by another command meanwhile", hint="run it again")


class Collected(Conflict):
    """A collection ran since this was begun, and took what it relies on; nothing was changed.

    `packs` of those to be made live may have been deleted: they must be written again. All others are good still.
    """

    def __init__(self, url: str, *, packs: frozenset[str] = frozenset()) -> None:
        super().__init__(
            f"{url} was cleaned up meanwhile: some of what this relies on may be gone", hint="run it again"
        )
        self.packs = packs


class HasMoved(Conflict):
    """The store went to another address: nothing is written here any more."""

    def __init__(self, url: str, moved_to: str, *, name: str = "NAME") -> None:
        super().__init__(f"{url} has moved to {moved_to}", hint=f"xver remote set-url {name} {moved_to}")


class MergeConflict(Conflict):
    """Both sides changed these paths."""

    def __init__(self, paths: Sequence[str], *, hint: str | None = None) -> None:
        shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
        super().__init__(f"both sides changed {shown}", hint=hint)
        self.paths = tuple(paths)


class DirtyWorktree(Conflict):
    """Going on would lose work that is not in the store."""

    def __init__(self, message: str, paths: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.paths = tuple(paths)


class CorruptData(XverError):
    """Bytes are not what their name, checksum or format promises."""


class UnsupportedFormat(XverError):
    """Written by a newer xver, or needing a feature that this one lacks."""


UPGRADE: Final = "a newer xver reads it: pip install --upgrade xver"
"""The hint of `UnsupportedFormat`."""


class StorageError(XverError):
    """The storage refused or failed."""


class TransientStorageError(StorageError):
    """The storage failed in a way that may pass: time-outs, resets, throttling."""


class Locked(XverError):
    """Another process holds the work tree longer than we are willing to wait."""


class CommandFailed(XverError):
    """A program that xver ran (git, a user's command) ended badly; `status` is its exit status."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class WorkersFailed(XverError):
    """The workers of an executor cannot be reached, do not fit, or died too often."""


class Incomplete(XverError):
    """Part of the work is done and kept; `failures` lists the rest, one line each."""

    def __init__(self, message: str, failures: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.failures = tuple(failures)

"""What both sides changed in one file, joined: text by lines, as git does it, and tables by the key configured."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from xver.errors import CommandFailed, ContentNotFound
from xver.git.command import GitCommand
from xver.history.tables import NotATable, merge_tables
from xver.model.entries import Entry, File
from xver.repo import Repo
from xver.store.content import put_bytes, read_all
from xver.store.packing import Packer

_MOST: Final = 64 * 1024 * 1024
"""The most bytes of a file that is joined; larger ones are a conflict."""


class FileMerge:
    """Joins what both sides made of a file; new content goes to `packer`."""

    def __init__(self, repo: Repo, packer: Packer) -> None:
        self._repo = repo
        self._packer = packer

    def __call__(self, path: str, base: Entry | None, ours: Entry | None, theirs: Entry | None) -> Entry | None:
        """Return the joined file, None where only a person can tell, or the content is not here."""
        if not isinstance(ours, File) or not isinstance(theirs, File):
            return None
        was = base if isinstance(base, File) else None
        executable = theirs.executable if was is not None and ours.executable == was.executable else ours.executable
        if ours.id == theirs.id:
            return replace(ours, executable=executable)
        sides = (was, ours, theirs)
        if any(one is not None and one.size > _MOST for one in sides):
            return None
        try:
            before, mine, other = (
                b"" if one is None else read_all(self._repo.store, one.id, one.size) for one in sides
            )
        except ContentNotFound:
            return None
        data = self._join(path, before, mine, other)
        if data is None:
            return None
        content = put_bytes(self._packer, data, before=lambda: (ours.id, ours.size))
        return File(content.id, content.size, content.fingerprint, content.sha256, executable)

    def _join(self, path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        keys = self._repo.settings.merge_keys
        key = next((key for pattern, key in keys.items() if fnmatchcase(path, pattern)), None)
        if key is not None:
            try:
                # What the key cannot join is nothing for lines: they would give one key two rows.
                return merge_tables(base, ours, theirs, suffix=PurePosixPath(path).suffix.lower(), key=key)
            except NotATable:
                pass
        return self._by_lines(base, ours, theirs)

    def _by_lines(self, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        self._repo.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="merge-", dir=self._repo.cache, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            for side, data in (("ours", ours), ("base", base), ("theirs", theirs)):
                (folder / side).write_bytes(data)
            try:
                return GitCommand(folder).raw("merge-file", "-p", "ours", "base", "theirs")
            except CommandFailed:  # a conflict, no text, or no git
                return None

"""git's index follows what xver writes: `xver.lock` as it is, and of .gitignore the block that belongs to xver.

What stands around the block is the user's, also in the index: of a file that is staged in part, or not at all, only the
block is brought up to date. A commit has a lock and a block of one mind that way, whatever was staged before.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xver.errors import CommandFailed, InvalidInput
from xver.git.command import GitCommand
from xver.git.commit import stage
from xver.git.history import LOCK
from xver.git.ignore_block import FILE as GIT_IGNORE
from xver.git.ignore_block import read_block, update_block


@dataclass(frozen=True, slots=True)
class _Staged:
    mode: str
    id: str


def stage_own(git: GitCommand) -> None:
    """Stage what is in no conflict, where no other command of git has its index: that one is not waited for.

    So `git commit` knows of a change of nothing but data.
    """
    with suppress(InvalidInput, CommandFailed):
        rows = _index(git)
        lock = rows.get(LOCK, [])
        if not _is_conflict(lock) and not (lock and lock[0].id == _blob_id(git.root / LOCK, like=lock[0].id)):
            stage(git, [LOCK])
        block = rows.get(GIT_IGNORE, [])
        if not _is_conflict(block):
            _stage_block(git, block[0] if block else None)


def stage_ignore_file(git: GitCommand) -> None:
    """Stage .gitignore whole, or, where the user has staged a part of it by hand, its block alone.

    One whose block is broken is left as the user staged it.

    Raises:
        CommandFailed: git cannot.
    """
    with suppress(InvalidInput):
        texts = [_text(git, f"{where}:{GIT_IGNORE}") for where in ("", "HEAD")]
        inside, before = (update_block(text, ()) for text in texts)
        if inside == before and (git.root / GIT_IGNORE).exists():
            stage(git, [GIT_IGNORE])
        else:
            block = _index(git).get(GIT_IGNORE, [])
            _stage_block(git, block[0] if block else None)


def drop_empty_ignore_file(git: GitCommand) -> None:
    """Remove a .gitignore with nothing in it, if it came after HEAD; one of HEAD's stays, for others to merge with."""
    path = git.root / GIT_IGNORE
    with suppress(FileNotFoundError, CommandFailed):
        if path.stat().st_size or git.ok("cat-file", "-e", f"HEAD:{GIT_IGNORE}"):
            return
        path.unlink()
        if git.paths("ls-files", "-z", "--", GIT_IGNORE):
            git.change("update-index", "--force-remove", "--", GIT_IGNORE)


def _index(git: GitCommand) -> dict[str, list[_Staged]]:
    """Return the rows of the index for both files, by path; the three sides of a conflict are more than one."""
    found: dict[str, list[_Staged]] = {}
    for row in git.paths("--literal-pathspecs", "ls-files", "-s", "-z", "--", LOCK, GIT_IGNORE):
        facts, _, path = row.partition("\t")
        mode, id, number = facts.split(" ")
        # A conflict may have one side alone: the other was deleted.
        found.setdefault(path, []).extend([_Staged(mode, id)] * (1 if number == "0" else 2))
    return found


def _is_conflict(rows: list[_Staged]) -> bool:
    return len(rows) > 1


def _stage_block(git: GitCommand, known: _Staged | None) -> None:
    path = git.root / GIT_IGNORE
    if known is None:
        stage(git, [GIT_IGNORE])
        return
    if known.id == _blob_id(path, like=known.id):
        return
    old = _text(git, known.id)
    new = update_block(old, read_block(os.fsdecode(path.read_bytes())) if path.exists() else ())
    if new != old:
        id = git.raw("hash-object", "-w", "--stdin", input=os.fsencode(new)).decode().strip()
        git.change("update-index", "--cacheinfo", f"{known.mode},{id},{GIT_IGNORE}")


def _text(git: GitCommand, blob: str) -> str:
    """Return the text of a blob as git has it, empty if there is none."""
    return os.fsdecode(git.raw("cat-file", "blob", blob, check=False))


def _blob_id(file: Path, *, like: str) -> str | None:
    """Return the id that git gives a file's bytes where nothing converts them, None if there is no file."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    return hashlib.new(
        "sha1" if len(like) == 40 else "sha256", b"blob %d\0%b" % (len(data), data), usedforsecurity=False
    ).hexdigest()

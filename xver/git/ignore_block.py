"""The block of `.gitignore` that belongs to xver: every path it tracks is kept out of git.

    # >>> xver: data tracked by xver, not by git
    /data/raw/
    /model.pkl
    # <<< xver

Only the block is written; everything around it stays byte for byte. A path is written as an anchored pattern of
gitignore(5) that matches itself alone. Since each begins with `/`, no `#` or `!` can stand in front.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from xver.errors import InvalidInput
from xver.patience import replace

START: Final = "# >>> xver: data tracked by xver, not by git"
END: Final = "# <<< xver"
FILE: Final = ".gitignore"

_START_PREFIX: Final = "# >>> xver"
_SPECIAL: Final = re.compile(r"[*?\[\\]")
_TRAILING_SPACES: Final = re.compile(r" +$")
# What no line of a pattern file can hold is written as a class. That of the line end also matches its neighbours TAB
# and VT, which is the narrowest that text can say.
_CLASS: Final = {"\r": "[\r]", "\n": "[\t-\v]"}
_ESCAPED: Final = re.compile(r"\\(.)|\[(?:\r|\t-\v)\]", re.DOTALL)


def update_block(text: str, paths: Iterable[str]) -> str:
    """Return `text` with xver's block holding exactly `paths`, sorted; a path that ends with `/` is a folder.

    The block stays where it is, or comes at the end, with the line ends of the text around it; it is taken out when
    there are no paths. A second block (left by a merge) is taken out. Idempotent.

    Raises `InvalidInput` for a start without an end, or an end without a start.
    """
    pieces, first = _outside(text)
    eol = "\r\n" if "\r\n" in text and "\n" not in text.replace("\r\n", "") else "\n"
    patterns = [_pattern(path) for path in sorted(set(paths))]
    if not patterns:
        return "".join(pieces)
    block = eol.join([START, *patterns, END, ""])
    before, after = "".join(pieces[:first]), "".join(pieces[first:])
    if before and not before.endswith("\n"):
        before += eol
    return before + block + after


def merge_blocks(base: str, ours: str, theirs: str) -> tuple[str, str, str]:
    """Return three texts with one block in all of them: it has what either side added and neither took out.

    Around the block they may still differ. Raises `InvalidInput` like `update_block`.
    """
    was, mine, other = (set(read_block(text)) for text in (base, ours, theirs))
    paths = (mine & other) | ((mine | other) - was)
    return update_block(base, paths), update_block(ours, paths), update_block(theirs, paths)


def read_block(text: str) -> list[str]:
    """Return the paths in xver's block, as given to `update_block`; raises `InvalidInput` like it."""
    paths = []
    for start, end, lines in _blocks(text):
        for line in lines[start + 1 : end]:
            pattern = line.removesuffix("\n").removesuffix("\r")
            if pattern.startswith("/"):
                paths.append(_unescape(pattern[1:]))
    return paths


def write_block(root: Path, datasets: Iterable[str], files: Iterable[str]) -> bool:
    """Bring the block in `root`'s .gitignore to these paths; tell whether the file had to change.

    The file is replaced in one step and keeps its mode. Raises `InvalidInput` for broken markers, and when it is a
    symbolic link, which git does not follow.
    """
    target = root / FILE
    if target.is_symlink():
        raise InvalidInput(f"{FILE} is a symbolic link, which git does not read", hint=f"replace {FILE} by a file")
    try:
        old, mode = os.fsdecode(target.read_bytes()), target.stat().st_mode & 0o7777
    except FileNotFoundError:
        old, mode = "", None
    new = update_block(old, [*(f"{path}/" for path in datasets), *files])
    if new == old:
        return False
    beside = root / f"{FILE}.xver-{os.urandom(6).hex()}"
    try:
        # O_EXCL with 0o666 lets the umask decide on a new file, as for any other the user makes.
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "wb") as stream:
            stream.write(os.fsencode(new))
            stream.flush()
            os.fsync(stream.fileno())
        if mode is not None:
            os.chmod(beside, mode)
        replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return True


def _outside(text: str) -> tuple[list[str], int]:
    """Return the lines outside all blocks, and how many of them stand before the first block."""
    lines = _lines(text)
    blocks = _blocks(text)
    inside = {number for start, end, _ in blocks for number in range(start, end + 1)}
    kept = [line for number, line in enumerate(lines) if number not in inside]
    return kept, blocks[0][0] if blocks else len(kept)


def _blocks(text: str) -> list[tuple[int, int, list[str]]]:
    lines = _lines(text)
    blocks = []
    start: int | None = None
    for number, line in enumerate(lines):
        plain = line.rstrip()
        if plain.startswith(_START_PREFIX):
            if start is not None:
                raise _broken(start, "no end")
            start = number
        elif plain == END:
            if start is None:
                raise _broken(number, "no start")
            blocks.append((start, number, lines))
            start = None
    if start is not None:
        raise _broken(start, "no end")
    return blocks


def _lines(text: str) -> list[str]:
    # Only LF ends a line for git; str.splitlines knows ten more.
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _broken(number: int, what: str) -> InvalidInput:
    return InvalidInput(
        f"the xver block in {FILE} has {what} (line {number + 1})",
        hint="delete that line: the next xver command writes the block from xver.lock",
    )


def _pattern(path: str) -> str:
    pattern = _SPECIAL.sub(r"\\\g<0>", path)
    pattern = _TRAILING_SPACES.sub(lambda spaces: "\\ " * len(spaces[0]), pattern)
    if pattern.endswith("\r"):  # git drops one CR in front of the line end
        pattern = pattern[:-1] + _CLASS["\r"]
    return "/" + pattern.replace("\n", _CLASS["\n"])


def _unescape(pattern: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        return "\r" if match[0] == _CLASS["\r"] else "\n"

    return _ESCAPED.sub(plain, pattern)

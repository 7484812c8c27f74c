"""The merge and diff drivers: how git merges and shows what xver writes, in this clone.

Which file has which driver stands in git's own `info/attributes`, what a driver is in git's configuration: nothing of
it is tracked, so nobody without xver notices. Each falls back to what git does itself where xver is not on the PATH.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from xver.git.command import GitCommand
from xver.git.history import LOCK
from xver.git.ignore_block import FILE as GIT_IGNORE
from xver.patience import replace

_HAS_XVER: Final = "command -v xver >/dev/null 2>&1"
_CONFIG: Final = {
    "merge.xver.name": "data tracked by xver",
    "merge.xver.driver": f"{_HAS_XVER} && exec xver hook merge %O %A %B %L %P;"
    " exec git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B",
    # git gives up a whole diff when the program for one file fails.
    "diff.xver.command": f'show() {{ {_HAS_XVER} && xver hook diff "$@"'
    ' || git diff --no-index --no-ext-diff --no-textconv "$2" "$5"; true; }; show',
    "diff.xver.textconv": f'show() {{ {_HAS_XVER} && xver hook text "$1" || cat "$1"; }}; show',
}
_START: Final = "# >>> xver"
_END: Final = "# <<< xver"
_BLOCK: Final = f"""{_START}: how git merges and shows what xver writes
/{LOCK} text eol=lf merge=xver diff=xver
/{GIT_IGNORE} merge=xver
{_END}
"""
_OURS: Final = re.compile(rf"^{_START}.*\n(?:.*\n)*?{_END}(?:\n|\Z)", re.MULTILINE)


def install_drivers(git: GitCommand) -> None:
    """Make xver the driver of `xver.lock`, and of its block in .gitignore, in this clone and its work trees."""
    for key, value in _CONFIG.items():
        if _configured(git, key) != value:
            git.change("config", "--local", "--replace-all", key, value)
    _write_attributes(git, _BLOCK)


def remove_drivers(git: GitCommand) -> None:
    """Let git merge and show these files as any other again."""
    _write_attributes(git, "")
    for section in ("merge.xver", "diff.xver"):
        git.change("config", "--local", "--remove-section", section, check=False)


def missing_drivers(git: GitCommand) -> list[str]:
    """Return what is not in place, or not as this version writes it."""
    missing = [key for key, value in _CONFIG.items() if _configured(git, key) != value]
    return [*missing, *([] if _BLOCK in _read(_attributes(git)) else ["info/attributes"])]


def _configured(git: GitCommand, key: str) -> str | None:
    found = git.paths("config", "--local", "-z", "--get-all", key, check=False)
    return found[0] if len(found) == 1 else None


def _attributes(git: GitCommand) -> Path:
    return git.root / git.text("rev-parse", "--git-path", "info/attributes").removesuffix("\n")


def _write_attributes(git: GitCommand, block: str) -> None:
    path = _attributes(git)
    old = _read(path)
    rest = _OURS.sub("", old)
    if block and rest and not rest.endswith("\n"):
        rest += "\n"
    new = rest + block
    if new == old:
        return
    if not new:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f"{path.name}.xver.tmp")
    beside.write_bytes(new.encode("utf-8", "surrogateescape"))
    replace(beside, path)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""

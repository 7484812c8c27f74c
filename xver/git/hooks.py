"""The hooks that git calls: small shell scripts which call those that were there before, then `xver hook NAME`.

    hooks/pre-push               ours; does nothing where xver is not on the PATH
    hooks/pre-push.before-xver   the one that was there, called first with the same words and the same input

They lie where git looks for them (`core.hooksPath`), and hold no path of this machine.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from xver.errors import AlreadyExists
from xver.git.command import GitCommand
from xver.patience import replace

WITHIN_COMMIT: Final = "XVER_WITHIN_COMMIT"
"""Set for the git that `xver commit` starts, which has done what our hooks would do."""

_MARK: Final = "# Written by xver install; xver install --uninstall takes it out."
_BEFORE: Final = ".before-xver"
_HEAD: Final = f"""#!/bin/sh
{_MARK}
hook=@NAME@
# Other tools chain hooks too: one that comes back to this script ends here.
case "$XVER_HOOKS" in *":$hook $PWD:"*) exit 0 ;; esac
XVER_HOOKS="$XVER_HOOKS:$hook $PWD:"
export XVER_HOOKS
before="$(dirname "$0")/$hook{_BEFORE}"
"""
_CALL: Final = """[ -z "$XVER_WITHIN_COMMIT" ] && command -v xver >/dev/null 2>&1 || exit $status
[ -e xver.lock ] || [ -e "$(git rev-parse --git-common-dir)/xver/store" ] || exit $status
"""
_BEFORE_IT: Final = """status=0
if [ -x "$before" ]; then "$before" "$@" || exit $?; fi
"""
_AFTER_IT: Final = """status=0
if [ -x "$before" ]; then "$before" "$@"; status=$?; fi
"""
_ASK: Final = 'exec xver hook "$hook" "$@"\n'
_FOLLOW: Final = "xver hook follow\nexit $status\n"
_BODIES: Final = {
    "pre-commit": _BEFORE_IT + _CALL + _ASK,
    "pre-push": """status=0
refs=$(cat)
give() { [ -z "$refs" ] || printf '%s\\n' "$refs"; }
if [ -x "$before" ]; then give | "$before" "$@" || exit $?; fi
"""
    + _CALL
    + 'give | xver hook "$hook" "$@"\n',
    # Most changes of branches and most commits leave the data as it is: that is told without starting xver. A commit
    # without xver.lock may have been adopted.
    "post-checkout": _AFTER_IT
    + _CALL
    + '[ "$3" = 1 ] && [ -e xver.lock ] && git diff-tree --quiet "$1" "$2" -- xver.lock 2>/dev/null && exit $status\n'
    + _FOLLOW,
    "post-merge": _AFTER_IT + _CALL + _FOLLOW,
    # cherry-pick and revert call no other hook when they are done; a rebase calls post-rewrite at its end.
    "post-commit": _AFTER_IT
    + _CALL
    + '[ -d "$(git rev-parse --git-path rebase-merge)" ] && exit $status\n'
    + "git diff-tree --quiet HEAD^ HEAD -- xver.lock 2>/dev/null && exit $status\n"
    + _FOLLOW,
    "post-rewrite": _AFTER_IT + _CALL + '[ "$1" = rebase ] || exit $status\n' + _FOLLOW,
}
NAMES: Final = tuple(_BODIES)
"""The hooks of git that xver has a part in."""


def hooks_folder(git: GitCommand) -> Path:
    """Return where git looks for hooks."""
    return git.root / git.text("rev-parse", "--git-path", "hooks").removesuffix("\n")


def install_hooks(git: GitCommand) -> list[str]:
    """Put our hooks in place and return the names of those that had one before, which ours calls.

    Raises `AlreadyExists` where there are two others: the one that ours calls, and one that took our place.
    """
    folder = hooks_folder(git)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if _is_foreign(folder / name) and os.path.lexists(folder / (name + _BEFORE)):
            raise AlreadyExists(
                f"there are two other hooks: {folder / name} and {name}{_BEFORE}",
                hint=f"make one of them, {name}, and remove {name}{_BEFORE}",
            )
    for name in NAMES:
        ours = folder / name
        if _is_foreign(ours):
            replace(ours, folder / (name + _BEFORE))
        if _text(ours) != script(name):
            _write(ours, script(name))
    return [name for name in NAMES if os.path.lexists(folder / (name + _BEFORE))]


def remove_hooks(git: GitCommand) -> None:
    """Take our hooks out; those that were there before are in their places again."""
    folder = hooks_folder(git)
    for name in NAMES:
        ours, before = folder / name, folder / (name + _BEFORE)
        if os.path.lexists(ours) and not _is_foreign(ours):
            ours.unlink()
        if os.path.lexists(before) and not os.path.lexists(ours):
            replace(before, ours)


def missing_hooks(git: GitCommand) -> list[str]:
    """Return the names of the hooks that are not in place, or not as this version writes them."""
    folder = hooks_folder(git)
    return [name for name in NAMES if _text(folder / name) != script(name)]


def script(name: str) -> str:
    """Return the text of our hook of this name."""
    return _HEAD.replace("@NAME@", name) + _BODIES[name]


def _is_foreign(path: Path) -> bool:
    return os.path.lexists(path) and _MARK not in (_text(path) or "").split("\n", 2)[1:2]


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return None


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o777)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
        replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)

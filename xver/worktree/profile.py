"""The sparse profile of a work tree: the paths it wants on the disk, one file of JSON beside the stat index."""

from __future__ import annotations

from pathlib import Path

from xver.errors import InvalidInput
from xver.model.scopes import EVERYTHING, Scope
from xver.patience import replace


def read_profile(path: Path) -> Scope:
    """Return what a work tree wants; everything where no profile was set.

    Raises:
        InvalidInput: the file is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return EVERYTHING  # nearly always, at the start of every command: without a parser
    except ValueError:
        text = ""
    import json

    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise InvalidInput(f"the sparse profile is damaged: {path}", hint="remove that file, then xver sparse set PATH")
    return Scope(tuple(found))


def write_profile(path: Path, scope: Scope) -> None:
    """Let a work tree want `scope`; written beside and renamed."""
    if scope.paths is None:
        path.unlink(missing_ok=True)
        return
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(json.dumps(scope.paths) + "\n", encoding="utf-8", newline="\n")
    replace(beside, path)

"""What changed inside of a file, as JSON has it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from xver.content.changes import BytesChanges, Changes, TableChanges, TensorChanges


def content_json(changes: Changes) -> dict[str, Any]:
    """Return what changed: `kind` is "table", "tensors" or "bytes", the rest as the library has it."""
    match changes:
        case TableChanges():
            return {"kind": "table", "same": changes.is_same, **asdict(changes)}
        case TensorChanges():
            return {"kind": "tensors", **asdict(changes)}
        case BytesChanges():
            return {"kind": "bytes", **asdict(changes)}

"""Values of the library in words and in JSON: entries, changes, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xver.cli.human import plural, size
from xver.cli.output import Style, Styled, Text
from xver.model.entries import Dataset, Entry, EntryKind, External, File, kind_of
from xver.model.ids import short_id
from xver.model.snapshots import Version
from xver.versioning.state import Staged
from xver.worktree.compare import Difference, Differs

if TYPE_CHECKING:
    from xver.history.diff import Change

_KINDS = {
    EntryKind.FILE: "file",
    EntryKind.EXECUTABLE: "executable",
    EntryKind.LINK: "link",
    EntryKind.DATASET: "dataset",
    EntryKind.EXTERNAL: "external",
}


def kind_word(entry: Entry) -> str:
    """Return the word for an entry's kind, as xver.lock has it."""
    return _KINDS[kind_of(entry)]


def entry_json(entry: Entry | None) -> dict[str, Any] | None:
    """Return an entry as JSON has it: kind, id, size in bytes, and what its kind has besides."""
    if entry is None:
        return None
    found: dict[str, Any] = {"kind": kind_word(entry), "size": entry.size}
    if isinstance(entry, External):
        return {**found, "uri": entry.uri, "etag": entry.etag}
    found["id"] = entry.id.hex()
    if isinstance(entry, Dataset):
        found["files"] = entry.files
    if isinstance(entry, File) and entry.sha256 is not None:
        found["sha256"] = entry.sha256.hex()
    return found


def change_json(change: Change) -> dict[str, Any]:
    """Return a change as JSON has it."""
    found: dict[str, Any] = {
        "path": change.path,
        "before": entry_json(change.before),
        "after": entry_json(change.after),
    }
    if change.source is not None:
        found["source"] = change.source
    return found


def version_json(version: Version) -> dict[str, Any]:
    """Return a version as JSON has it; time in seconds since 1970, offset in minutes."""
    return {
        "id": version.id,
        "parents": list(version.parents),
        "author": {"name": version.author.name, "email": version.author.email},
        "time": version.time,
        "offset": version.offset,
        "message": version.message,
    }


def staged_line(one: Staged) -> list[Text]:
    """Return the line of one tracked path in a status or after a commit."""
    before, after = one.before, one.after
    if before is None and after is not None:
        return [Styled("+ ", "good"), one.path, f"  {amount(after)}"]
    if after is None and before is not None:
        return [Styled("- ", "bad"), one.path, f"  {amount(before)}"]
    assert before is not None
    assert after is not None
    files = ""
    if isinstance(before, Dataset) and isinstance(after, Dataset):
        delta = after.files - before.files
        files = f"  {'+' if delta > 0 else '-'}{plural(abs(delta), 'file')}" if delta else ""
    delta = after.size - before.size
    sign = "+" if delta >= 0 else "-"
    return [Styled("~ ", "strong"), one.path, f"{files}  {sign}{size(abs(delta))}"]


def amount(entry: Entry) -> str:
    """Return an entry's number of files and size in words."""
    if isinstance(entry, Dataset):
        return f"{plural(entry.files, 'file')}  {size(entry.size)}"
    return size(entry.size)


def change_line(change: Change) -> list[Text]:
    """Return the line of one file in a diff."""
    before, after = change.before, change.after
    if before is None and after is not None:
        return [Styled("A ", "good"), change.path, f"  {size(after.size)}"]
    if after is None and before is not None:
        return [Styled("D ", "bad"), change.path, f"  {size(before.size)}"]
    assert before is not None
    assert after is not None
    if change.source is not None:
        return [Styled("R ", "strong"), change.source, " -> ", change.path, f"  {size(after.size)}"]
    if kind_of(before) is not kind_of(after):
        return [Styled("T ", "strong"), change.path, f"  {kind_word(before)} -> {kind_word(after)}"]
    return [Styled("M ", "strong"), change.path, f"  {size(before.size)} -> {size(after.size)}"]


def difference_line(top: str, one: Difference) -> list[Text]:
    """Return the line of one file that the disk has otherwise than the tracked path `top`."""
    path = f"{top}/{one.path}" if one.path else top
    style: Style = "good" if one.differs is Differs.ADDED else "bad"
    return [Styled(f"{one.differs:8}", style), " ", path, f"  {size(one.size)}"]


def id_text(id: bytes) -> Styled:
    """Return the short form of an id, in its colour."""
    return Styled(short_id(id), "id")

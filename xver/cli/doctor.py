"""What `xver doctor` looks at: one finding a question, each with the next command where something is missing."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from xver import __version__
from xver.cli.doctor_repository import examine_repository
from xver.cli.finding import Finding
from xver.errors import XverError
from xver.format.chunks import check_cutter
from xver.git.command import GitCommand
from xver.model.entries import CHUNK_MAX
from xver.model.ids import chunk_id
from xver.provenance.watch import is_available
from xver.storage.local import LocalStorage

_LOW_SPACE = 1_000_000_000
_HASHED = 32 * 1024 * 1024


def examine(folder: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Return every finding, in the order in which they matter."""
    findings = [
        Finding("xver", True, f"{__version__} on Python {platform.python_version()}, {platform.system()}"),
        _cutter(),
        _git(folder),
        _file_system(folder),
        _links(folder),
        _hashing(),
        _space(folder),
        _watching(),
        _s3(environ),
    ]
    return [*findings, *examine_repository(folder)]


def _cutter() -> Finding:
    try:
        check_cutter()
    except XverError as error:
        return Finding("cutter", False, error.message, error.hint or "")
    return Finding("cutter", True, "compiled")


def _git(folder: Path) -> Finding:
    if shutil.which("git") is None:
        return Finding("git", True, "not installed: xver keeps history itself")
    return Finding("git", True, GitCommand(folder).text("--version").strip())


def _file_system(folder: Path) -> Finding:
    kind = _kind_of(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".xver-doctor-") as where:
            won = LocalStorage(where).create("probe/0", b"x")
    except (XverError, OSError) as error:
        hint = "work in a folder that you may write, on a local file system"
        return Finding("file system", False, f"{kind}, {error}", hint)
    return Finding("file system", won, f"{kind}, atomic creates {'work' if won else 'do not work'}")


def _kind_of(folder: Path) -> str:
    """Return the name of a folder's file system, as the system's table of mounts has it."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "of a kind that this system does not tell"
    whole = str(folder.resolve())
    found = {fields[1]: fields[2] for line in mounts if len(fields := line.split(" ")) > 2}
    above = [point for point in found if whole == point or whole.startswith(point.rstrip("/") + "/")]
    return found[max(above, key=len)] if above else "unknown"


def _links(folder: Path) -> Finding:
    with (
        contextlib.suppress(OSError, XverError),
        tempfile.TemporaryDirectory(dir=folder, prefix=".xver-doctor-") as where,
    ):
        if LocalStorage(where).can_clone:
            return Finding("link mode", True, "large files are cloned")
    return Finding("link mode", True, "copies")


def _hashing() -> Finding:
    block = bytes(CHUNK_MAX)
    start = time.perf_counter()
    for _ in range(_HASHED // CHUNK_MAX):
        chunk_id(block)
    took = time.perf_counter() - start
    return Finding("hashing", True, f"{_HASHED / max(took, 1e-9) / 1e9:.1f} GB/s on one thread")


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    return Finding(
        "disk", free > _LOW_SPACE, f"{free / 1e9:.1f} GB free", "" if free > _LOW_SPACE else "free some space"
    )


def _watching() -> Finding:
    if not is_available():
        return Finding("watching", True, "not on this system: inputs of a run are those it declares")
    limit = Path("/proc/sys/fs/inotify/max_user_watches")
    count = limit.read_text(encoding="ascii").strip() if limit.exists() else "an unknown number of"
    return Finding("watching", True, f"inotify, {count} folders at most")


def _s3(environ: Mapping[str, str]) -> Finding:
    if importlib.util.find_spec("s3fs") is None:
        return Finding("s3", True, "not installed", "for buckets: pip install 'xver[s3]'")
    has_key = "AWS_ACCESS_KEY_ID" in environ or "AWS_PROFILE" in environ or Path("~/.aws").expanduser().exists()
    return Finding("s3", True, "s3fs is installed, credentials " + ("found" if has_key else "not found"))

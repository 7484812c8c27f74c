"""What `xver doctor` looks at: one finding a question, each with the next command where something is missing."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xver import __version__
from xver.errors import XverError
from xver.format.chunks import check_cutter
from xver.git.command import GitCommand
from xver.provenance.watch import is_available
from xver.repo import find_places, open_repo
from xver.storage.local import LocalStorage

_LOW_SPACE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: what was asked, whether it is in order, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    hint: str = ""


def examine(folder: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Return every finding, in the order in which they matter."""
    findings = [
        Finding("xver", True, f"{__version__} on Python {platform.python_version()}, {platform.system()}"),
        _cutter(),
        _git(folder),
        _hard_links(folder),
        _space(folder),
        _watching(),
        _s3(environ),
    ]
    return [*findings, *_repository(folder)]


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


def _hard_links(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".xver-doctor-") as where:
            won = LocalStorage(where).create("probe/0", b"x")
    except (XverError, OSError) as error:
        return Finding("file system", False, str(error), "work in a folder that you may write, on a local file system")
    return Finding("file system", won, "atomic creates work" if won else "atomic creates do not work")


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


def _repository(folder: Path) -> list[Finding]:
    if find_places(folder) is None:
        return [Finding("repository", True, "none here", "xver init")]
    try:
        repo = open_repo(folder)
        tracked = len(repo.lock.entries)
        entries = repo.store.log.n
        remotes = ", ".join(repo.settings.remotes) or "no remote"
    except XverError as error:
        return [Finding("repository", False, error.message, error.hint or "")]
    return [Finding("repository", True, f"{repo.root}: {tracked} tracked paths, {entries} log entries, {remotes}")]

"""Small file systems of a test's own, in a mount namespace that ends with the process that uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import xver as xver_package

SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from xver.cli.app import main
os.chdir(sys.argv[1])

def xver(*words):
    print("$", *words, flush=True)
    code = main(words)
    sys.stdout.flush(); sys.stderr.flush()
    print("=", code, flush=True)

exec(sys.argv[3])
"""


@cache
def may_mount() -> bool:
    """Tell whether file systems can be mounted here."""
    if shutil.which("unshare") is None:
        return False
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return probe.returncode == 0


def why_no_xfs(folder: Path) -> str | None:
    """Return why no XFS can be made and mounted here, None if it can: that needs its tools, root and a loop device."""
    if not may_mount() or shutil.which("mkfs.xfs") is None:
        return "needs the right to mount in a namespace of its own, and mkfs.xfs"
    try:
        made = subprocess.run(
            ["unshare", "-m", "/bin/sh", "-c", f'{XFS} && touch "$2/x"', "", "", str(folder)],
            cwd=folder, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        (folder / "xfs.img").unlink(missing_ok=True)
    return None if made.returncode == 0 else f"no XFS here: {made.stderr.decode()[:200]}"


XFS = 'truncate -s 512M xfs.img && mkfs.xfs -q -m reflink=1 xfs.img && mount -o loop xfs.img "$2"'
"""The words for `play` that mount an XFS which makes clones."""


def play(tmp_path: Path, mount: str, script: str) -> list[str]:
    """Run `script` at a mount point; return the lines on stdout and stderr."""
    (tmp_path / "at").mkdir(exist_ok=True)
    package = str(Path(xver_package.__file__).parents[1])
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONUTF8": "1", "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    done = subprocess.run(
        [
            "unshare", "-m", "/bin/sh", "-c", f'{mount} && exec "$0" -c "$1" "$2" "$3" "$4"',
            sys.executable, SCRIPT, str(tmp_path / "at"), package, script,
        ],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout.splitlines()

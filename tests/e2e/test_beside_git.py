"""Two people on two branches of git, typed for real: merge without and with the driver, rebase, squash and bisect."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.transcript import README, shape, type_in, walk_through

PAGE = README.parent / "docs/beside-git.md"


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    shutil.which("git") is None or shutil.which("bash") is None or sys.platform == "win32", reason="needs git and bash"
)
def test_the_transcript_prints_what_the_page_shows(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XVER_"))}
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    block = walk_through(PAGE.read_text(encoding="utf-8"), PAGE)
    fresh = type_in(block, home, {**kept, "HOME": str(home), "PATH": path, "PYTHONUTF8": "1"}, seconds=580)
    assert shape(fresh) == shape(block), f"write it anew: python -m tests.support.transcript\n{fresh}"

"""What never changes is not replaced: sealed runs and snapshots of commits, whatever the other side says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from xver.model.ids import Kind
from xver.model.refs import RUNS, Target, TargetKind
from xver.provenance.recording import RunOptions, record_command
from xver.repo import Repo, init_repo
from xver.settings import Remote, add_remote
from xver.sync.fetch import fetch
from xver.sync.push import push
from xver.sync.remotes import open_remote
from xver.versioning.commits import commit
from xver.versioning.runs import read_runs
from xver.versioning.tracking import add


def test_a_run_that_the_remote_replaced_stays_ours(tmp_path: Path) -> None:
    repo, remote = _shared(tmp_path)
    ours = read_runs(repo)[0]
    there = open_remote(repo, remote)
    forged = there.get(Kind.RUN, there.log.refs[RUNS + ours.ulid].id).replace(b'"ok"', b'"failed"')
    with there.packer() as packer:
        id = packer.put(Kind.RUN, forged)
        index = packer.finish()
    there.move("forge", {RUNS + ours.ulid: Target(TargetKind.RUN, id)}, index)

    fetch(repo, remote)
    assert read_runs(repo)[0] == ours
    push(repo, remote)
    assert open_remote(repo, remote).log.refs[RUNS + ours.ulid].id == id


def _shared(tmp_path: Path) -> tuple[Repo, Remote]:
    work = tmp_path / "work"
    (work / "data").mkdir(parents=True)
    (work / "data" / "a").write_text("a", encoding="utf-8")
    repo, _ = init_repo(work)
    add(repo, ["data"])
    commit(repo, "first")
    command = [sys.executable, "-c", "pass"]
    record_command(repo, command, directory=str(work), environment=os.environ, options=RunOptions())
    remote = Remote("origin", str(tmp_path / "remote"))
    add_remote(repo.settings_path, remote)
    push(repo, remote)
    return repo, remote

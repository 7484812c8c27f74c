"""Commands that are run for real: what they read and wrote, and nothing that they did not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.recorded import execute, git, inputs, linux, outputs, project, python
from tests.support.repos import reopened
from xver.model.entries import entry_id
from xver.model.ids import chunk_id
from xver.model.paths import TrackedPath
from xver.model.refs import KEPT
from xver.model.runs import Evidence, State, Status
from xver.provenance.members import decode_members
from xver.provenance.recording import RunOptions
from xver.repo import Repo, open_repo
from xver.versioning.runs import read_attachment

RAW = {f"data/raw/{name}.csv": f"x,{name}\n".encode() for name in "abc"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return project(tmp_path / "project", RAW, tracked=("data/raw",))


def members(repo: Repo, attachment: object) -> list[str]:
    return [one.path for one in decode_members(read_attachment(repo, attachment))]  # type: ignore[arg-type]


@linux
def test_readers_in_cpp_and_rust_are_seen(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    repo = project(tmp_path, {"data/x": b"1"}, tracked=("data",))
    for name in ("arrow", "polars", "unread"):
        pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "data" / f"{name}.parquet")
    run = python(
        repo,
        "import polars, pyarrow.parquet as pq\n"
        "pq.read_table('data/arrow.parquet')\npolars.read_parquet('data/polars.parquet')",
    )
    used = inputs(run)["data"]
    assert (used.evidence, used.state) == (Evidence.WATCHED, State.STABLE)
    assert members(repo, used.members) == ["arrow.parquet", "polars.parquet"]


@linux
def test_an_input_has_the_version_it_had_before_though_no_commit_has_it(repo: Repo) -> None:
    (repo.root / "data/raw/a.csv").write_bytes(b"edited")
    locked = repo.lock_path.read_bytes()
    run = python(repo, "open('data/raw/a.csv').read()")
    used = inputs(run)["data/raw"]
    assert used.id != entry_id(repo.lock.entries[TrackedPath("data/raw")])
    assert (used.state, used.read, used.files) == (State.STABLE, 1, 3)
    # The bytes are kept with the run, and xver.lock stays what it was.
    assert repo.lock_path.read_bytes() == locked
    assert chunk_id(b"edited") in reopened(repo).store
    assert repo.store.log.refs_under(KEPT).keys() == {run.ulid}


@linux
@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("open('data/raw/a.csv').read()", True),
        ("import os; os.chdir('/'); open(ROOT + '/data/raw/a.csv').read()", True),
        ("import os; open('data/raw/a.csv').read(); os.remove('data/raw/a.csv')", True),
        ("import subprocess; subprocess.run(['cat', 'data/raw/a.csv'], check=True)", True),
        ("import os\nif os.fork() == 0: open('data/raw/a.csv').read(); os._exit(0)\nos.wait()", True),
        ("open('data/raw/a.csv', 'r+').read()", True),
        ("open('data/raw/a.csv').read(); open('data/raw/a.csv', 'w').write('new')", True),
        ("import os; os.rename('data/raw/a.csv', 'elsewhere.csv')", True),
        ("open('data/raw/a.csv', 'w').write('new'); open('data/raw/a.csv').read()", False),
        ("import os; os.stat('data/raw/a.csv'); os.listdir('data/raw')", False),
        ("import os; os.utime('data/raw/a.csv', (1, 1))", False),
    ],
)
def test_what_a_program_may_do_with_an_input(repo: Repo, code: str, read: bool) -> None:
    before = entry_id(repo.lock.entries[TrackedPath("data/raw")])
    run = python(repo, code.replace("ROOT", repr(os.fspath(repo.root))))
    assert run.status is Status.OK
    if read:
        used = inputs(run)["data/raw"]
        assert (used.id, used.state, members(repo, used.members)) == (before, State.STABLE, ["a.csv"])
    else:
        assert run.inputs == ()


@linux
def test_a_pool_of_processes_is_seen(repo: Repo) -> None:
    (repo.root / "pool.py").write_text(
        "import multiprocessing, glob\n"
        "def read(path): return len(open(path).read())\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool: pool.map(read, glob.glob('data/raw/*'))\n"
    )
    run = execute(repo, sys.executable, "pool.py")
    used = inputs(run)["data/raw"]
    assert (used.read, used.files, used.members) == (3, 3, None)
    assert set(run.code.files) == {"pool.py"}


@linux
def test_an_input_that_is_read_again_after_it_was_rewritten_is_not_all_of_one_version(repo: Repo) -> None:
    run = python(repo, "p = 'data/raw/a.csv'\nopen(p).read(); open(p, 'w').write('new'); open(p).read()")
    assert inputs(run)["data/raw"].state is State.CHANGED


@linux
def test_what_stood_in_a_rewritten_file_that_nobody_tracked_is_not_claimed(repo: Repo) -> None:
    (repo.root / "notes.txt").write_text("before")
    run = python(repo, "open('notes.txt').read(); open('notes.txt', 'w').write('after')")
    used = inputs(run)["notes.txt"]
    assert (used.id, used.state) == (None, State.BEFORE_UNKNOWN)
    assert outputs(run)["notes.txt"].id == chunk_id(b"after")


@linux
def test_a_result_of_the_last_time_is_no_input_of_the_next(repo: Repo) -> None:
    code = "open('model.bin', 'w').write('m'); assert open('model.bin').read() == 'm'"
    python(repo, code)
    run = python(repo, code)
    assert run.inputs == ()
    assert outputs(run).keys() == {"model.bin"}


def test_files_written_beside_and_renamed_or_gone_again_leave_only_the_result(repo: Repo) -> None:
    run = python(
        repo,
        "import os\nopen('model.part', 'w').write('m'); os.rename('model.part', 'model.bin')\n"
        "open('scratch', 'w').write('s'); open('scratch').read(); os.remove('scratch')",
    )
    assert run.inputs == ()
    assert outputs(run).keys() == {"model.bin"}


@linux
def test_a_folder_that_is_renamed_was_used_and_its_new_name_was_made(repo: Repo) -> None:
    id = entry_id(repo.lock.entries[TrackedPath("data/raw")])
    run = python(repo, "import os; os.rename('data/raw', 'data/old')")
    assert inputs(run)["data/raw"].id == id
    assert outputs(run)["data"].files == 3


@linux
def test_a_touched_file_is_no_output(repo: Repo) -> None:
    (repo.root / "tool.sh").write_text("true")
    run = python(repo, "import os; os.chmod('tool.sh', 0o755); os.utime('data/raw/a.csv', (1, 1))")
    assert run.outputs == ()


def test_a_dataset_from_which_files_were_removed_is_an_output(repo: Repo) -> None:
    before = entry_id(repo.lock.entries[TrackedPath("data/raw")])
    run = python(repo, "import os; os.remove('data/raw/b.csv')")
    made = outputs(run)["data/raw"]
    assert (made.files, made.written, made.before) == (2, 0, before)
    assert entry_id(repo.lock.entries[TrackedPath("data/raw")]) == made.id


def test_outputs_under_tracked_paths_are_kept_and_added_unless_told_otherwise(repo: Repo) -> None:
    code = "open('data/raw/d.csv', 'w').write('{}')"
    before = repo.lock.entries
    kept = python(repo, code.format("one"), options=RunOptions(adds=False))
    assert repo.lock.entries == before
    assert outputs(kept)["data/raw"].kept
    assert chunk_id(b"one") in repo.store
    added = python(repo, code.format("two"))
    assert entry_id(repo.lock.entries[TrackedPath("data/raw")]) == outputs(added)["data/raw"].id
    assert members(repo, outputs(added)["data/raw"].members) == ["d.csv"]


def test_what_is_not_tracked_is_grouped_by_the_folder_that_is_its_own(repo: Repo) -> None:
    (repo.root / "mixed").mkdir()
    (repo.root / "mixed/old").write_text("old")
    run = python(
        repo,
        "import os\nos.makedirs('out/deep')\n"
        "for path in ('out/a', 'out/deep/b', 'mixed/new', 'top'): open(path, 'w').write(path)\n"
        "for n in range(3): open(f'out/{n}', 'w').write(str(n))",
    )
    assert {path: made.files for path, made in outputs(run).items()} == {"out": 5, "mixed/new": None, "top": None}
    assert not any(made.kept for made in run.outputs)


def test_very_many_files_beside_others_are_one_output(repo: Repo) -> None:
    (repo.root / "mixed").mkdir()
    (repo.root / "mixed/old").write_text("old")
    run = python(repo, "for n in range(150): open(f'mixed/{n}', 'w').write(str(n))")
    assert {path: made.written for path, made in outputs(run).items()} == {"mixed": 150}


def test_settings_keep_outputs_that_are_not_tracked(repo: Repo) -> None:
    repo.settings_path.write_text('[run]\nkeep = ["models/**"]\n')
    run = python(repo, "import os; os.mkdir('models'); open('models/m', 'w').write('m'); open('x', 'w').write('x')")
    assert {path: made.kept for path, made in outputs(run).items()} == {"models": True, "x": False}
    assert chunk_id(b"m") in reopened(repo).store


@linux
def test_modules_count_as_read_when_python_reads_only_what_it_compiled(repo: Repo) -> None:
    (repo.root / "package").mkdir()
    for name in ("main.py", "package/__init__.py", "package/inner.py"):
        (repo.root / name).write_text("import package.inner\n" if name == "main.py" else "x = 1\n")
    for _ in range(2):
        run = execute(repo, sys.executable, "main.py", PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX="")
        assert set(run.code.files) == {"main.py", "package/__init__.py", "package/inner.py"}
    assert list((repo.root / "package/__pycache__").iterdir()) != []


@linux
def test_data_in_git_is_an_input_and_code_in_git_is_code(tmp_path: Path) -> None:
    repo = project(tmp_path, {"labels.csv": b"l", "train.py": b"open('labels.csv').read()"}, beside_git=True)
    run = execute(repo, sys.executable, "train.py")
    assert (inputs(run)["labels.csv"].state, set(run.code.files)) == (State.STABLE, {"train.py"})


@linux
def test_code_that_rewrites_itself_is_not_kept_as_what_it_became(tmp_path: Path) -> None:
    repo = project(tmp_path, {"train.py": b"open('train.py', 'a').write('#')"}, beside_git=True)
    run = execute(repo, sys.executable, "train.py")
    assert run.code.files == {}
    assert any("train.py was read and changed" in note for note in run.notes)


def test_a_patch_that_is_too_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xver.provenance.code._PATCH_MAX", 1_000)
    repo = project(tmp_path, {"blob": bytes(range(256))}, beside_git=True)
    (repo.root / "blob").write_bytes(os.urandom(10_000))
    run = python(repo, "open('made', 'w').write('x')")
    assert (run.code.dirty, run.code.patch) == (True, None)
    assert "what git has not committed is too much to be kept with the run" in run.notes


@pytest.mark.parametrize("state", ["no git", "unborn", "detached", "dirty", "worktree"])
def test_every_state_of_git_is_recorded_as_it_is(tmp_path: Path, state: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    if state == "unborn":
        git(root, "init", "-q")
    project(root, {"blob": bytes(range(256))}, beside_git=state not in ("no git", "unborn"))
    if state == "detached":
        git(root, "checkout", "-q", "--detach")
    elif state == "dirty":
        (root / "blob").write_bytes(bytes(range(255, -1, -1)))
    elif state == "worktree":
        git(root, "worktree", "add", "-q", os.fspath(tmp_path / "linked"), "-b", "other")
        root = tmp_path / "linked"
    repo = open_repo(root)
    (root / "sub").mkdir()
    run = python(repo, "open('made', 'w').write('x')", folder="sub")
    assert (run.status, run.directory, list(outputs(run))) == (Status.OK, "sub", ["sub"])
    has_commit = state not in ("no git", "unborn")
    assert run.code.commit == (git(root, "rev-parse", "HEAD") if has_commit else None)
    assert run.code.branch == {"dirty": "main", "worktree": "other", "unborn": "main"}.get(state)
    assert run.code.dirty == (state == "dirty")
    if run.code.patch is not None:
        assert b"GIT binary patch" in read_attachment(repo, run.code.patch)

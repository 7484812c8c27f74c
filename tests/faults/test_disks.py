"""A disk that is full, and one that may only be read: small file systems in a mount namespace of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mounted import may_mount, play
from tests.support.repos import write_tree

pytestmark = pytest.mark.skipif(not may_mount(), reason="needs the right to mount in a namespace of its own")


def after(lines: list[str], command: str, nth: int = 0) -> list[str]:
    """Return what the n-th call of a command printed, and last its exit code."""
    start = [at for at, line in enumerate(lines) if line == f"$ {command}"][nth]
    end = next(at for at in range(start, len(lines)) if lines[at].startswith("= "))
    return [*lines[start + 1 : end], lines[end].removeprefix("= ")]


FULL_AT_ADD = """
xver("-q", "init")
Path("d").mkdir()
Path("d/small").write_bytes(b"kept")
xver("-q", "add", "d")
xver("-q", "commit", "-m", "one")
Path("d/big").write_bytes(os.urandom(5_000_000))
lock = Path("xver.lock").read_bytes()
xver("-q", "add", "d")
assert Path("xver.lock").read_bytes() == lock
xver("-q", "fsck")
Path("ballast").unlink()
xver("-q", "add", "d")
xver("status", "--json")
xver("-q", "fsck")
"""


def test_a_disk_that_fills_up_during_add(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=12m none "$2" && head -c 3000000 /dev/urandom > "$2/ballast"'
    lines = play(tmp_path, mount, FULL_AT_ADD)
    failed = after(lines, "-q add d", 1)
    assert failed[0].startswith("error: ")
    assert "full" in failed[0] or "no space" in failed[0]
    assert failed[1].startswith("hint: free some space")
    assert failed[-1] in ("12", "71")
    assert len(failed) == 3
    assert after(lines, "-q fsck")[-1] == "0"
    assert after(lines, "-q add d", 2) == ["0"]
    assert after(lines, "-q fsck", 1)[-1] == "0"


FULL_AT_CHECKOUT = """
xver("-q", "init")
Path("d").mkdir()
for number in range(20):
    Path(f"d/f{number:02}").write_bytes(b"%d" % number * 50_000)
xver("-q", "add", "d")
xver("-q", "commit", "-m", "one")
files = {path: path.read_bytes() for path in Path("d").iterdir()}
for path in list(files)[5:]:
    path.unlink()
Path("d/mine").write_bytes(b"never added")
ballast = Path("ballast").open("wb")
try:
    while ballast.write(os.urandom(50_000)):
        ballast.flush()
except OSError:
    pass
try:
    ballast.close()
except OSError:
    pass
os.truncate("ballast", Path("ballast").stat().st_size - 300_000)
xver("-q", "checkout")
assert not [name for name in os.listdir("d") if name.endswith(".tmp")]
assert all(files[path] == path.read_bytes() for path in Path("d").iterdir() if path.name != "mine")
Path("ballast").unlink()
xver("-q", "checkout")
assert all(path.read_bytes() == data for path, data in files.items())
assert Path("d/mine").read_bytes() == b"never added"
"""


def test_a_disk_that_fills_up_during_checkout(tmp_path: Path) -> None:
    lines = play(tmp_path, 'mount -t tmpfs -o size=8m none "$2"', FULL_AT_CHECKOUT)
    failed = after(lines, "-q checkout")
    assert failed[0].endswith("cannot be written: no space left on device"), failed
    assert failed[1:] == ["hint: free some space or correct the rights, then run it again: what is done is kept", "12"]
    assert after(lines, "-q checkout", 1) == ["0"]


FULL_AT_SHARING = """
def fill(left):
    ballast = Path("../ballast").open("wb", buffering=0)
    try:
        while ballast.write(os.urandom(50_000)):
            pass
    except OSError:
        pass
    os.truncate("../ballast", Path("../ballast").stat().st_size - left)

os.mkdir("work")
os.chdir("work")
xver("-q", "init")
Path("d").mkdir()
Path("d/big").write_bytes(os.urandom(3_000_000))
xver("-q", "add", "d")
xver("-q", "commit", "-m", "one")
xver("-q", "remote", "add", "origin", "../remote")
fill(1_000_000)
xver("-q", "push")
xver("-q", "fsck", "--data")
Path("../ballast").unlink()
xver("-q", "push", "--verify")
fill(1_000_000)
xver("-q", "clone", "../remote", "../copy")
xver("-q", "fsck")
xver("-q", "-C", "../copy", "fsck", "--data")
Path("../ballast").unlink()
xver("-q", "-C", "../copy", "pull")
assert Path("../copy/d/big").read_bytes() == Path("d/big").read_bytes()
os.chdir("../copy")
xver("-q", "fsck", "--data")
"""


def test_a_disk_that_fills_up_during_push_and_clone(tmp_path: Path) -> None:
    lines = play(tmp_path, 'mount -t tmpfs -o size=24m none "$2"', FULL_AT_SHARING)
    for command in ("-q push", "-q clone ../remote ../copy"):
        failed = after(lines, command)
        assert failed[0].startswith("error: "), failed
        assert "full" in failed[0] or "no space" in failed[0]
        assert failed[1].startswith("hint: free some space")
        assert failed[-1] in ("12", "71")
    assert after(lines, "-q push --verify") == ["0"]
    assert failed[1].endswith("what arrived is kept: xver -C ../copy pull goes on")
    assert after(lines, "-q -C ../copy fsck --data")[-1] == "0"
    assert after(lines, "-q -C ../copy pull") == ["0"]
    assert after(lines, "-q fsck --data") == ["0"]
    assert after(lines, "-q fsck") == ["0"]
    assert after(lines, "-q fsck --data", 1) == ["0"]


READ_ONLY = """
for words in (["status"], ["log"], ["ls"], ["cat", "d/a"], ["diff"]):
    xver(*words)
xver("-q", "add", "d")
xver("-q", "checkout")
xver("-q", "commit", "-m", "two")
"""


def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    from xver.repo import init_repo
    from xver.versioning.commits import commit
    from xver.versioning.tracking import add

    root = tmp_path / "at"
    root.mkdir()
    repo, _ = init_repo(root)
    write_tree(root, {"d/a": b"1\n"})
    add(repo, ["d"])
    commit(repo, "one")
    write_tree(root, {"d/a": b"22\n"})
    lines = play(tmp_path, 'mount --bind "$2" "$2" && mount -o remount,bind,ro "$2"', READ_ONLY)
    assert after(lines, "status")[-1] == "0"
    assert after(lines, "status")[1] == " modified d/a  3 B"
    assert [after(lines, one)[-1] for one in ("log", "ls", "cat d/a", "diff")] == ["0"] * 4
    for command in ("-q add d", "-q checkout", "-q commit -m two"):
        failed = after(lines, command)
        assert "read-only file system" in failed[0].lower(), failed
        assert failed[-1] in ("12", "71")


COMMIT_BESIDE_GIT = """
import subprocess
git = lambda *words: subprocess.run(["git", *words], check=True)
git("init", "-q", ".")
git("config", "user.name", "Ada")
git("config", "user.email", "ada@example.com")
xver("-q", "init")
Path("f").write_bytes(b"one")
xver("-q", "add", "f")
try:
    with open("ballast", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
except OSError:
    pass
xver("-q", "commit", "-m", "full")
os.remove("ballast")
subprocess.run(["mount", "-o", "remount,ro", "."], check=True)
xver("-q", "commit", "-m", "read only")
subprocess.run(["mount", "-o", "remount,rw", "."], check=True)
xver("-q", "commit", "-m", "at last")
xver("-q", "status", "--json")
"""


def test_git_s_own_refusals_say_what_to_do(tmp_path: Path) -> None:
    lines = play(tmp_path, 'mount -t tmpfs -o size=8m none "$2"', COMMIT_BESIDE_GIT)
    for words, hint in (
        ("full", "hint: free some space, then run it again: what is done is kept"),
        ("read only", "hint: correct its rights, or work in a folder that you may write to: xver doctor tells more"),
    ):
        error, *rest = after(lines, f"-q commit -m {words}")
        assert error.startswith("error: git ")
        assert rest == [hint, "15"]
    assert after(lines, "-q commit -m at last") == ["0"]

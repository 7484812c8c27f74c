"""Clones on an XFS of the test's own: no second copy on the disk, killed anywhere, in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mounted import XFS, play, why_no_xfs


@pytest.fixture
def xfs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The words that mount one."""
    reason = why_no_xfs(tmp_path_factory.mktemp("xfs"))
    if reason is not None:
        pytest.skip(reason)
    return XFS


SHARED = """
import random, subprocess

def used():
    os.sync()
    found = os.statvfs(".")
    return (found.f_blocks - found.f_bfree) * found.f_frsize

def grown(before, what):
    print("grown", what, used() - before, flush=True)

size = 40_000_123
data = random.Random(1).randbytes(size)
xver("-q", "init")
Path("big").write_bytes(data)
before = used()
xver("-q", "add", "big")
xver("-q", "commit", "-m", "one")
grown(before, "add")
print(subprocess.run(["filefrag", "-v", "big"], capture_output=True, text=True).stdout)
Path("big").unlink()
xver("-q", "checkout")
grown(before, "checkout")
assert Path("big").read_bytes() == data
xver("-q", "fsck", "--data")
with open("big", "r+b") as file:
    file.seek(7_000_000)
    file.write(b"x" * 400_000)
edited = Path("big").read_bytes()
xver("-q", "add", "big")
xver("-q", "commit", "-m", "two")
grown(before, "edit")
xver("-q", "restore", "--source", "HEAD~1", "big")
assert Path("big").read_bytes() == data
grown(before, "restore")
xver("-q", "restore", "--source", "HEAD", "big")
assert Path("big").read_bytes() == edited
xver("-q", "fsck", "--data")
"""


def test_a_file_and_its_store_share_their_blocks(tmp_path: Path, xfs: str) -> None:
    lines = play(tmp_path, xfs, SHARED)
    assert {line for line in lines if line.startswith("= ")} == {"= 0"}
    grown = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("grown ")}
    assert grown.keys() == {"add", "checkout", "edit", "restore"}
    assert max(grown.values()) < 4_000_000, grown
    assert any("shared" in line for line in lines)


KILLED = """
import random
from xver.storage import local

def calls(act, die_at):
    # Run `act` in a process that dies at the n-th call by which something becomes durable or visible.
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [die_at]
    def counted(real):
        def call(*words, **more):
            left[0] -= 1
            if left[0] == 0:
                os._exit(77)
            return real(*words, **more)
        return call
    os.fsync, local.replace, os.link, os.replace = map(counted, (os.fsync, local.replace, os.link, os.replace))
    os.write(1, b"")
    os._exit(act())

data = random.Random(3).randbytes(17_000_000)
xver("-q", "init")
Path("big").write_bytes(data)
for words in (["-q", "add", "big"], ["-q", "checkout"]):
    n, code = 1, 77
    while code == 77:
        if words[1] == "checkout":
            Path("big").unlink(missing_ok=True)
        code = calls(lambda: main(words), n)
        n += 1
        assert code in (0, 77), code
        xver("-q", "fsck", "--data")
        assert words[1] == "checkout" or Path("big").read_bytes() == data
    assert n > 3, n
xver("-q", "add", "big")
xver("-q", "gc", "--now")
assert len(list(Path(".xver/store/packs").glob("*.whole"))) == 1
Path("big").unlink()
xver("-q", "checkout")
assert Path("big").read_bytes() == data
xver("-q", "fsck", "--data")
"""


def test_killed_anywhere(tmp_path: Path, xfs: str) -> None:
    lines = play(tmp_path, xfs, KILLED)
    assert {line for line in lines if line.startswith("= ")} == {"= 0"}


ANYTHING = """
import random
chance = random.Random(1)
xver("-q", "init")
known = {}
for step in range(30):
    name = chance.choice(["d/a", "d/b"])
    path = Path(name)
    what = chance.choice(["new", "edit", "append", "insert", "cut", "add", "add", "commit", "checkout", "gc", "back"])
    print("#", what, name, flush=True)
    if what == "new" or not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(15_000_000, 20_000_000)))
    elif what == "edit":
        with path.open("r+b") as file:
            for _ in range(chance.randrange(1, 20)):
                file.seek(chance.randrange(path.stat().st_size))
                file.write(chance.randbytes(chance.randrange(1, 5_000)))
    elif what == "append":
        with path.open("ab") as file:
            file.write(chance.randbytes(100_000))
    elif what == "insert":
        data = path.read_bytes()
        path.write_bytes(data[:1_000_000] + b"inserted" + data[1_000_000:])
    elif what == "cut":
        os.truncate(path, path.stat().st_size * 2 // 3)
    if what == "commit":
        Path("d/n").write_text(str(len(known)))
    if what in ("add", "commit", "gc"):
        xver("-q", "add", "d")
    if what == "commit":
        xver("-q", "commit", "-m", str(len(known)))
        known[len(known)] = {one.name: one.read_bytes() for one in Path("d").iterdir()}
    elif what == "gc":
        xver("-q", "gc", "--now")
    elif what == "checkout":
        xver("-q", "add", "d")
        before = path.read_bytes()
        path.unlink()
        xver("-q", "checkout")
        assert path.read_bytes() == before
    elif what == "back" and known:
        back = chance.randrange(len(known))
        rev = f"HEAD~{len(known) - 1 - back}" if back < len(known) - 1 else "HEAD"
        xver("-q", "restore", "--force", "--source", rev, "d")
        assert {one.name: one.read_bytes() for one in Path("d").iterdir()} == known[back]
xver("-q", "fsck", "--data")
print(len(list(Path(".xver/store/packs").glob("*.whole"))), "whole")
"""


def test_whatever_is_done(tmp_path: Path, xfs: str) -> None:
    lines = play(tmp_path, xfs.replace("512M", "2G"), ANYTHING)
    assert {line for line in lines if line.startswith("= ")} == {"= 0"}, lines

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


DYING = """
import random
from xver.storage import local
from xver.store import spool

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
    spool.write_parts = counted(spool.write_parts)
    os.write(1, b"")
    os._exit(act())
"""
KILLED = f"""{DYING}
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


ARRIVING = """
import random, subprocess

def used():
    os.sync()
    found = os.statvfs(".")
    return (found.f_blocks - found.f_bfree) * found.f_frsize

def grown(before, what):
    print("grown", what, used() - before, flush=True)

data, more = random.Random(1).randbytes(40_000_123), random.Random(2).randbytes(30_000_001)
os.makedirs("here/ds")
os.chdir("here")
Path("ds/big").write_bytes(data)
Path("ds/same").write_bytes(data)
xver("-q", "init")
xver("-q", "add", "ds")
xver("-q", "commit", "-m", "one")
os.mkdir("../remote")
xver("-q", "remote", "add", "origin", "../remote")
xver("-q", "push")
os.chdir("..")
before = used()
xver("-q", "clone", "remote", "copy")
grown(before, "clone")
print(subprocess.run(["filefrag", "-v", "copy/ds/big"], capture_output=True, text=True).stdout)
assert Path("copy/ds/big").read_bytes() == Path("copy/ds/same").read_bytes() == data
os.chdir("here")
Path("ds/more").write_bytes(more)
xver("-q", "add", "ds")
xver("-q", "commit", "-m", "two")
xver("-q", "push")
os.chdir("../copy")
before = used()
xver("-q", "pull")
grown(before, "pull")
assert Path("ds/more").read_bytes() == more
with open("ds/big", "r+b") as file:
    file.seek(7_000_000)
    file.write(b"x" * 400_000)
xver("-q", "checkout", "--force")
assert Path("ds/big").read_bytes() == data
xver("-q", "fsck", "--data")
before = used()
xver("-q", "evict", "--all")
xver("-q", "fsck", "--data")
Path("ds/big").unlink()
xver("-q", "pull")
assert Path("ds/big").read_bytes() == data
xver("-q", "gc", "--now")
grown(before, "evict")
xver("-q", "fsck", "--data")
print(sorted(one.name.rpartition(".")[2] for one in Path(".xver/store/packs").iterdir()), flush=True)
"""


def test_what_arrives_is_written_once(tmp_path: Path, xfs: str) -> None:
    lines = play(tmp_path, xfs, ARRIVING)
    assert {line for line in lines if line.startswith("= ")} == {"= 0"}, lines
    grown = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("grown ")}
    assert grown.keys() == {"clone", "pull", "evict"}
    assert 40_000_000 < grown["clone"] < 44_000_000, grown
    assert 30_000_000 < grown["pull"] < 34_000_000, grown
    assert any("shared" in line for line in lines)


KILLED_WHILE_IT_ARRIVES = f"""{DYING}
import shutil, subprocess
data = random.Random(3).randbytes(17_000_000)
os.mkdir("here")
os.mkdir("remote")
os.chdir("here")
xver("-q", "init")
xver("-q", "remote", "add", "origin", "../remote")
Path("big").write_bytes(data)
xver("-q", "add", "big")
xver("-q", "commit", "-m", "one")
xver("-q", "push")
os.chdir("..")
xver("-q", "clone", "remote", "before")
os.chdir("before")
xver("-q", "evict", "--all")
Path("big").unlink()
os.chdir("..")
n, code = 1, 77
while code == 77:
    subprocess.run(["cp", "-a", "--reflink=always", "before", "copy"], check=True)
    os.chdir("copy")
    code = calls(lambda: main(["-q", "pull"]), n)
    assert code in (0, 77), code
    print("left", *(one.suffix for one in Path(".xver/store/tmp").iterdir()), flush=True)
    xver("-q", "pull")
    assert Path("big").read_bytes() == data
    assert not list(Path(".xver/store/tmp").glob("*.part"))
    xver("-q", "fsck", "--data")
    xver("-q", "gc", "--now")
    assert len(list(Path(".xver/store/packs").glob("*.whole"))) == 1
    os.chdir("..")
    shutil.rmtree("copy")
    n += 1
"""


def test_killed_while_a_file_arrives(tmp_path: Path, xfs: str) -> None:
    lines = play(tmp_path, xfs, KILLED_WHILE_IT_ARRIVES)
    assert {line for line in lines if line.startswith("= ")} == {"= 0"}, lines
    assert lines.count("left .part") > 3, lines


FULL = """
import random
data = random.Random(3).randbytes(40_000_000)
os.mkdir("here")
os.mkdir("remote")
os.chdir("here")
xver("-q", "init")
xver("-q", "remote", "add", "origin", "../remote")
Path("big").write_bytes(data)
xver("-q", "add", "big")
xver("-q", "commit", "-m", "one")
xver("-q", "push")
os.chdir("..")
found = os.statvfs(".")
with open("filler", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - 20_000_000)
xver("-q", "clone", "remote", "copy")
os.unlink("filler")
os.chdir("copy")
print(*(one.name for one in Path(".xver/store/tmp").iterdir()), flush=True)
xver("-q", "pull")
assert Path("big").read_bytes() == data
xver("-q", "fsck", "--data")
left = [*Path(".xver/store/packs").iterdir(), *Path(".xver/store/tmp").iterdir()]
print(*sorted(one.suffix for one in left), flush=True)
"""


def test_a_disk_that_fills_while_a_file_arrives(tmp_path: Path, xfs: str) -> None:
    lines = play(tmp_path, xfs, FULL)
    assert sorted(line for line in lines if line.startswith("= ")) == ["= 0"] * 7 + ["= 12"], lines
    assert any("what arrived is kept" in line for line in lines)
    assert any(line.endswith(".part") for line in lines)
    assert lines[-1] == ".meta .whole"

"""The package loads, and checks out, without what only POSIX has: the names are taken away before it is imported.

Types are checked as on Windows and macOS too (`mypy --platform`); this sees what types cannot, like `getattr`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .sources import ROOT, modules

POSIX_ONLY = {
    "os": """O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC WNOHANG chown chroot confstr
        copy_file_range ctermid fchown fdatasync fork forkpty fwalk getegid geteuid getgid getgroups
        getloadavg getpgid getpgrp getpriority getsid getuid killpg lchown lockf major makedev memfd_create
        minor mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn pread
        preadv pwrite pwritev readv register_at_fork sched_getaffinity sched_yield sendfile setpgid
        setpriority setsid setuid statvfs sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 writev""",
    "select": "epoll kevent kqueue poll",
    "signal": """SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTOU SIGUSR1
        SIGUSR2 SIGWINCH alarm pause pthread_kill pthread_sigmask setitimer sigpending sigwait""",
    "socket": "AF_UNIX",
}

PROGRAM = """
import asyncio, concurrent.futures.thread, email, http.client, logging, multiprocessing, platform, queue, random
import selectors, shutil, ssl, subprocess, tempfile, uuid, zoneinfo
import blake3, click, filelock, fsspec, networkx, numpy, pathspec, s3fs, tomlkit  # what others need is theirs
import pyarrow.compute, pyarrow.csv, pyarrow.parquet
import importlib, os, sys
from pathlib import Path

for module, names in {names!r}.items():
    for name in names.split():
        vars(sys.modules[module]).pop(name, None)
os.supports_dir_fd, os.supports_fd = set(), set()
filelock.FileLock = filelock.SoftFileLock  # the form for POSIX needs what is gone, and Windows has another

for name in {modules!r}:
    importlib.import_module(name)

from xver.repo import init_repo
from xver.versioning.removing import remove
from xver.versioning.restoring import checkout
from xver.versioning.state import status
from xver.versioning.tracking import add

root = Path(sys.argv[1])
(root / "d" / "s").mkdir(parents=True)
(root / "d" / "s" / "x").write_bytes(b"kept")
repo, _ = init_repo(root)
add(repo, ["d"])
shutil.rmtree(root / "d")
assert checkout(repo).written == 1
assert (root / "d" / "s" / "x").read_bytes() == b"kept"
assert not status(repo).changed
assert remove(repo, ["d/s"]).files == 1
assert not (root / "d" / "s").exists()
"""


def test_the_package_needs_nothing_that_only_posix_has(tmp_path: Path) -> None:
    programs = {"xver.__main__", "xver.cli.demo.scripts.prepare", "xver.cli.demo.scripts.train"}  # they run when loaded
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules("xver")} - programs
    program = PROGRAM.format(names=POSIX_ONLY, modules=sorted(names))
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr

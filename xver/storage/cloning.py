"""Clones: a new file that shares the blocks of another until one of the two is written to (XFS, Btrfs, APFS).

Linux has the ioctl FICLONE, macOS fclonefileat(2); Python has neither before 3.13. What was cloned is one state of the
file, whoever writes it meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Final

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_FICLONE: Final = 0x40049409
_NO_OWNER: Final = 2
_CANNOT: Final = frozenset(
    {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.ETXTBSY}
)


class NoClone(Exception):
    """The file system makes no clones, or none of this file in that place."""


def clone(source: int, path: str, *, mode: int = 0o666, dir_fd: int | None = None) -> int:
    """Make a new file of the bytes of an open one; return its descriptor, for reading and writing.

    `path` is taken from the folder `dir_fd`, if one is given.

    Raises:
        NoClone: that cannot be done here.
        OSError: anything else. In both cases no file is left.
    """
    handle = os.open(path, _NEW, mode, dir_fd=dir_fd)
    try:
        handle = _filled(source, handle, path, dir_fd)
    except BaseException as error:
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path, dir_fd=dir_fd)
        if isinstance(error, OSError) and error.errno in _CANNOT:
            raise NoClone(error.strerror) from error
        raise
    return handle


if sys.platform == "linux":
    import fcntl

    def _filled(source: int, handle: int, path: str, dir_fd: int | None) -> int:
        del path, dir_fd
        fcntl.ioctl(handle, _FICLONE, source)
        return handle

elif sys.platform == "darwin":
    import ctypes

    _HERE: Final = -2  # AT_FDCWD

    def _filled(source: int, handle: int, path: str, dir_fd: int | None) -> int:
        # A clone is a new name there, with the mode of its source: what was made first tells what the mode should be.
        mode = os.fstat(handle).st_mode & 0o777
        os.unlink(path, dir_fd=dir_fd)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.fclonefileat(source, _HERE if dir_fd is None else dir_fd, os.fsencode(path), ctypes.c_uint(_NO_OWNER)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        os.chmod(path, mode | 0o600, dir_fd=dir_fd)
        cloned = os.open(path, os.O_RDWR | os.O_NOFOLLOW, dir_fd=dir_fd)
        os.fchmod(cloned, mode)
        os.close(handle)
        return cloned

else:

    def _filled(source: int, handle: int, path: str, dir_fd: int | None) -> int:
        del source, handle, dir_fd
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)

"""Rename a file unless something has the new name: for file systems without hard links, such as many network folders.

Linux has renameat2(2) with RENAME_NOREPLACE, macOS renamex_np(2) with RENAME_EXCL; Python has neither. The kernel
hands the question to the file system, and where that cannot answer it, it says so.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Final

_HERE: Final = -100  # AT_FDCWD: paths are absolute anyway
_NO_REPLACE: Final = 1
_EXCLUSIVE: Final = 4
_CANNOT: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def rename_new(old: str, new: str) -> bool:
    """Give a file a new name; tell whether the system and the file system can do that at all.

    Raises:
        FileExistsError: something has that name.
        OSError: anything else that renaming may fail by.
    """
    number = _ask(os.fsencode(old), os.fsencode(new))
    if number in _CANNOT:
        return False
    if number:
        raise OSError(number, os.strerror(number), new)
    return True


def _ask(old: bytes, new: bytes) -> int:
    """Return the error's number, 0 when it is done."""
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        return ctypes.get_errno() if libc.renameat2(_HERE, old, _HERE, new, ctypes.c_uint(_NO_REPLACE)) else 0
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return ctypes.get_errno() if libc.renamex_np(old, new, ctypes.c_uint(_EXCLUSIVE)) else 0
    return errno.ENOSYS

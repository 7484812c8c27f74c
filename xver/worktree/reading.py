"""Read a user's file into content: what was read is either one state of it, or refused."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Final, NamedTuple

from xver.model.entries import CHUNK_MAX
from xver.model.ids import NO_FINGERPRINT
from xver.progress import SILENT, Meter, of_file
from xver.store.content import Before, Content, put_stream
from xver.store.packing import Packer
from xver.store.wholes import WHOLE_MIN, Blocks, put_whole
from xver.worktree.kinds import kind_of_stat
from xver.worktree.records import Known
from xver.worktree.stats import Stat, settled
from xver.worktree.steady import link_target, read_small, steadily

_PIECE: Final = 4 * 1024 * 1024
"""What is read of a large file at once: three of them are in memory for each file that is read, each of many chunks."""


class Reading(NamedTuple):
    """What a file was when it was read, the stat to record for it, and the stat it had."""

    known: Known
    stat: bytes
    seen: bytes


def read_file(
    path: str,
    packer: Packer | None,
    *,
    stat: bytes | None = None,
    before: Before | None = None,
    meter: Meter = SILENT,
) -> Reading:
    """Read a file or link and store its content; without a packer only identify it.

    `stat` is what it was a moment ago, packed, where the caller knows: that saves a look. `before` tells what content
    stood there before (`put_stream`). A large file's bytes are counted by `meter`.

    Raises:
        Changing: the file went on changing while it was read.
        Unreadable: it cannot be read, is gone, or is neither file nor link.
    """
    return steadily(path, stat, lambda seen, found, handle: _identify(path, seen, found, handle, packer, before, meter))


def _identify(
    path: str, stat: bytes, found: Stat, handle: int | None, packer: Packer | None, before: Before | None, meter: Meter
) -> tuple[Reading, int]:
    now = time.time_ns()
    kind = kind_of_stat(found.mode)
    if handle is None:
        content = put_stream(packer, [link_target(path)])
        known = Known(kind, content.size, content.id, NO_FINGERPRINT, None)
    else:
        blocks = partial(_blocks, label=f"Adding {os.path.basename(path)}", meter=meter)
        content = _put(handle, found.size, packer, before, blocks)
        known = Known(kind, content.size, content.id, content.fingerprint, content.sha256)
    return Reading(known, settled(stat, now), stat), content.size


def _put(handle: int, size: int, packer: Packer | None, before: Before | None, blocks: Blocks) -> Content:
    if size <= CHUNK_MAX:
        return put_stream(packer, [read_small(handle, size)], before=before)
    if packer is not None and size >= WHOLE_MIN and (whole := put_whole(packer, handle, size, blocks)) is not None:
        return whole
    # A read that is under way ends before the file is closed, and its number is another file's.
    with closing(blocks(handle, size)) as read:
        return put_stream(packer, read, before=before)


def _blocks(handle: int, size: int, *, label: str, meter: Meter) -> Generator[bytes, None, None]:
    """Yield the file's bytes, and not much more than `size`: one that grows faster than it is read has no end."""
    # The disk reads the next block while this one is hashed and cut.
    with of_file(meter, label, size) as count, ThreadPoolExecutor(1, "read") as reader:
        coming = reader.submit(os.read, handle, _PIECE)
        while block := coming.result():
            size -= len(block)
            coming = reader.submit(os.read, handle, _PIECE if size >= 0 else 0)
            yield block
            count(len(block))

"""A file that several threads share: each reads from where it has sought, and who only reads goes on."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor

from xver.store.seeking import Seekable, SharedReader

DATA = b"".join(b"%08d" % number for number in range(4_000))


class _Slow(Seekable):
    def _read_at(self, position: int, length: int) -> bytes:
        time.sleep(0.0005)  # as one that waits for a server: others run meanwhile
        return DATA[position : position + length]


def test_threads_that_seek_and_read_get_each_their_own() -> None:
    file = SharedReader(_Slow(len(DATA)), 64)

    def ask(number: int) -> bytes:
        file.seek(8 * number)
        return file.read(8)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(0, 4_000, 13)))
    assert found == [b"%08d" % number for number in range(0, 4_000, 13)]


def test_a_file_that_is_handed_on_goes_on_where_it_stands() -> None:
    file = SharedReader(_Slow(len(DATA)), 64)
    file.seek(80)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(file.read, 8).result() == b"00000010"
        assert file.tell() == 88
        assert file.read(8) == b"00000011"
        assert other.submit(file.read, 8).result() == b"00000012"


def test_all_ways_to_read_go_on_from_one_place() -> None:
    file = SharedReader(_Slow(len(DATA)))
    file.seek(8)
    assert file.peek(8)[:8] == b"00000001"
    assert (file.read(8), file.read1(8), file.tell()) == (b"00000001", b"00000002", 24)
    into = bytearray(8)
    assert (file.readinto(into), bytes(into)) == (8, b"00000003")
    assert file.readline(8) == b"00000004"
    file.seek(-8, io.SEEK_END)
    assert next(file) == file.read() + b"00003999"

"""What every storage promises, as tests; each backend subclasses them.

`stored` and `store` go around the backend, straight to the medium: what it writes is read by somebody else, and what
it reads was written by somebody else.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import ClassVar

import pytest

from xver.errors import NotFound, StorageError
from xver.storage.base import Part, Stat, Storage

TEN = b"0123456789"
KEYS = ["a", "log/0000000042", "packs/0.9f3a-0.data", "deep/1/2/3/4/5/6/7/8/9/end", "Upper/lower_-.~mixed"]


class StorageContract:
    """One writer at a time; `many` objects fill more than one page of a listing."""

    many: ClassVar[int] = 1_050

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    def stored(self, storage: Storage, key: str) -> bytes | None:
        """Read from the medium itself; None for no such object."""
        raise NotImplementedError

    def store(self, storage: Storage, key: str, data: bytes) -> None:
        """Write to the medium itself."""
        raise NotImplementedError

    @pytest.mark.parametrize("key", KEYS)
    def test_what_is_put_is_on_the_medium(self, storage: Storage, key: str) -> None:
        storage.put(key, TEN)
        assert self.stored(storage, key) == TEN

    @pytest.mark.parametrize("key", KEYS)
    def test_what_is_on_the_medium_is_got(self, storage: Storage, key: str) -> None:
        self.store(storage, key, TEN)
        assert storage.get(key) == TEN
        assert storage.view(key) == TEN
        assert storage.stat(key) == Stat(key, 10)
        assert list(storage.list("")) == [Stat(key, 10)]

    def test_a_put_takes_views_and_may_be_repeated(self, storage: Storage) -> None:
        for _ in range(2):
            storage.put("a", memoryview(b"--0123456789--")[2:-2])
        assert self.stored(storage, "a") == TEN

    def test_an_object_may_be_empty(self, storage: Storage) -> None:
        storage.put("empty", b"")
        assert storage.get("empty") == b""
        assert storage.stat("empty") == Stat("empty", 0)

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 1), (3, 4), (9, 1), (0, 10), (-1, 1), (-4, 2), (-10, 10), (0, 0), (10, 0), (-3, 0)]
    )
    def test_a_part_is_those_bytes(self, storage: Storage, offset: int, length: int) -> None:
        self.store(storage, "a", TEN)
        start = offset % 10 if offset < 0 else offset
        assert storage.get("a", Part(offset, length)) == TEN[start : start + length]

    @pytest.mark.parametrize(
        ("offset", "length"), [(9, 2), (10, 1), (11, 0), (100, 5), (0, 11), (-1, 2), (-11, 1), (-11, 11), (-20, 3)]
    )
    def test_a_part_beyond_the_end_is_refused_and_not_shortened(
        self, storage: Storage, offset: int, length: int
    ) -> None:
        self.store(storage, "a", TEN)
        with pytest.raises(StorageError, match="cut short"):
            storage.get("a", Part(offset, length))

    def test_a_missing_object_is_not_found(self, storage: Storage) -> None:
        self.store(storage, "folder/a", TEN)
        for key in ("none", "folder/none", "folder/a/none", "no/such/folder"):
            assert storage.stat(key) is None
            for part in (None, Part(0, 1), Part(-1, 1), Part(0, 0)):
                with pytest.raises(NotFound, match=key):
                    storage.get(key, part)
            with pytest.raises(NotFound, match=key):
                storage.view(key)

    def test_a_folder_is_no_object(self, storage: Storage) -> None:
        self.store(storage, "folder/a", TEN)
        assert storage.stat("folder") is None

    def test_many_parts_come_in_the_order_in_which_they_were_asked_for(self, storage: Storage) -> None:
        bodies = {f"packs/{n}": Random(n).randbytes(5_000) for n in range(3)}
        for key, body in bodies.items():
            self.store(storage, key, body)
        random = Random(1)
        parts = [
            (f"packs/{random.randrange(3)}", Part(random.randrange(4_000), random.randrange(1_000))) for _ in range(60)
        ]
        found = list(storage.get_many(parts))
        assert found == [bodies[key][part.offset : part.offset + part.length] for key, part in parts]

    @pytest.mark.parametrize("count", [0, 1, 20])
    def test_many_parts_fail_where_one_is_missing_after_those_before_it(self, storage: Storage, count: int) -> None:
        self.store(storage, "a", TEN)
        asked = storage.get_many([*[("a", Part(n % 10, 1)) for n in range(count)], ("none", Part(0, 1))])
        assert [next(asked) for _ in range(count)] == [b"%d" % (n % 10) for n in range(count)]
        with pytest.raises(NotFound, match="none"):
            next(asked)

    def test_many_parts_may_be_left_unread(self, storage: Storage) -> None:
        self.store(storage, "a", TEN)
        assert list(storage.get_many([])) == []
        asked = storage.get_many([("a", Part(n % 10, 1)) for n in range(50)])
        assert next(asked) == b"0"
        del asked
        assert storage.get("a") == TEN

    def test_a_writer_s_object_is_seen_when_the_block_has_ended(self, storage: Storage) -> None:
        with storage.writer("packs/1") as file:
            file.write(b"01234")
            file.write(b"56789")
            assert self.stored(storage, "packs/1") is None
            assert storage.stat("packs/1") is None
        assert self.stored(storage, "packs/1") == TEN

    def test_a_writer_that_fails_leaves_nothing(self, storage: Storage) -> None:
        def fail() -> None:
            with storage.writer("packs/1") as file:
                file.write(b"01234")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert self.stored(storage, "packs/1") is None
        assert list(storage.list("")) == []

    def test_the_second_create_loses_and_changes_nothing(self, storage: Storage) -> None:
        assert storage.create("log/0", b"first") is True
        assert storage.create("log/0", b"second") is False
        assert self.stored(storage, "log/0") == b"first"
        assert storage.create("log/1", b"second") is True

    def test_a_create_loses_against_an_object_that_somebody_else_wrote(self, storage: Storage) -> None:
        self.store(storage, "log/0", b"theirs")
        assert storage.create("log/0", b"ours") is False
        assert self.stored(storage, "log/0") == b"theirs"

    def test_an_empty_create_is_refused_and_empties_nothing(self, storage: Storage) -> None:
        self.store(storage, "log/0", b"theirs")
        for key in ("log/0", "log/1"):
            with pytest.raises(StorageError, match="empty"):
                storage.create(key, b"")
        assert self.stored(storage, "log/0") == b"theirs"
        assert self.stored(storage, "log/1") is None

    def test_a_listing_has_what_is_below_the_prefix_at_every_level(self, storage: Storage) -> None:
        sizes = {"log/1": 1, "log/2": 2, "log/deep/er/3": 3, "logs/4": 4, "lo/5": 5, "6": 6, "packs/log/7": 7}
        for key, size in sizes.items():
            self.store(storage, key, b"x" * size)

        def listed(prefix: str) -> dict[str, int]:
            return {stat.key: stat.size for stat in storage.list(prefix)}

        assert listed("") == sizes
        assert listed("log/") == {"log/1": 1, "log/2": 2, "log/deep/er/3": 3}
        assert listed("log/deep/") == {"log/deep/er/3": 3}
        assert listed("none/") == {}

    def test_a_listing_has_more_than_one_page(self, storage: Storage) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: self.store(storage, f"log/{n:010d}", b"x"), range(self.many)))
        assert sorted(stat.key for stat in storage.list("log/")) == [f"log/{n:010d}" for n in range(self.many)]

    def test_a_delete_takes_one_object_and_may_be_repeated(self, storage: Storage) -> None:
        for key in ("packs/1", "packs/1.more", "packs/2"):
            self.store(storage, key, TEN)
        for _ in range(2):
            storage.delete("packs/1")
        storage.delete("never/was")
        storage.delete("packs/2/none")
        assert self.stored(storage, "packs/1") is None
        assert {stat.key for stat in storage.list("")} == {"packs/1.more", "packs/2"}
        with pytest.raises(NotFound):
            storage.get("packs/1")

    def test_a_full_pack_goes_there_and_back(self, storage: Storage) -> None:
        body = Random(1).randbytes(32 * 1024 * 1024)
        with storage.writer("packs/1") as file:
            file.write(body)
        assert self.stored(storage, "packs/1") == body
        assert storage.get("packs/1") == body
        parts = [("packs/1", Part(n << 22, 1 << 22)) for n in range(8)]
        assert b"".join(storage.get_many(parts)) == body

    def test_threads_share_an_instance(self, storage: Storage) -> None:
        def use(n: int) -> None:
            body = Random(n).randbytes(10_000)
            storage.put(f"packs/{n}", body)
            assert storage.get(f"packs/{n}", Part(-10, 10)) == body[-10:]
            assert storage.create(f"log/{n}", body)
            assert [stat.size for stat in storage.list(f"packs/{n}/")] == []
            storage.delete(f"packs/{n}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(24)))
        assert {stat.key for stat in storage.list("")} == {f"log/{n}" for n in range(24)}


class AtomicCreateContract:
    """Several writers at a time."""

    def stored(self, storage: Storage, key: str) -> bytes | None:
        raise NotImplementedError

    def test_of_all_who_create_at_once_one_wins_and_its_bytes_stay(self, storage: Storage) -> None:
        gate = threading.Barrier(8)

        def create(writer: int, n: int) -> bool:
            gate.wait()
            return storage.create(f"log/{n}", b"%d of %d" % (writer, n))

        for n in range(3):
            with ThreadPoolExecutor(8) as pool:
                won = list(pool.map(create, range(8), [n] * 8))
            assert won.count(True) == 1
            assert self.stored(storage, f"log/{n}") == b"%d of %d" % (won.index(True), n)

"""Lists of a dataset's members: names come back as they were, whatever stands in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import BIG, ids, paths
from xver.errors import CorruptData
from xver.model.runs import Attachment
from xver.provenance.members import Member, decode_members, put_members
from xver.storage.memory import MemoryStorage
from xver.store.content import read_all
from xver.store.store import create_store


def stored(members: list[Member]) -> bytes:
    store = create_store(MemoryStorage(), client="test")
    with store.packer() as packer:
        attachment = put_members(packer, members)
        assert isinstance(attachment, Attachment)
        store.move("test", {}, packer.finish())
    return read_all(store, attachment.id, attachment.size)


@given(st.lists(st.builds(Member, ids, st.integers(0, BIG), paths), min_size=1, max_size=3))
def test_members_come_back_as_they_were(members: list[Member]) -> None:
    assert decode_members(stored(members)) == members


@pytest.mark.parametrize("path", ["a\\nb", "a\\\nb", "a\nb", "\\", "\\\\n", "a b", " a", "a\u2028b", "a\rb"])
def test_a_backslash_before_an_n_is_no_line_end(path: str) -> None:
    member = Member(bytes(32), 5, path)
    assert decode_members(stored([member])) == [member]


@pytest.mark.parametrize("data", [b"x\n", b"\xff\n", b"ab 5 a\n", b"%s five a\n" % (b"ab" * 32)])
def test_what_is_no_list_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_members(data)

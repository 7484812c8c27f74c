"""Edges in little memory come out as they went in, chunks first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xver.history.edge_list import EdgeList
from xver.history.reach import Edge
from xver.model.entries import CHUNK_MAX
from xver.model.ids import ID_SIZE, Kind

edges = st.builds(
    Edge,
    st.sampled_from(Kind),
    st.binary(min_size=ID_SIZE, max_size=ID_SIZE),
    st.sampled_from(["", "data/a", "data/b", "1234:data/é"]),
    st.none() | st.integers(0, CHUNK_MAX),
)


@given(st.lists(edges, max_size=40))
def test_what_was_added_comes_out(some: list[Edge]) -> None:
    kept = EdgeList(some)
    packed = [edge for edge in some if edge.kind is Kind.CHUNK and edge.size is not None]
    others = [edge for edge in some if edge not in packed]
    assert list(kept) == [*packed, *others]
    assert kept.others == others
    assert len(kept) == len(some)
    assert list(kept) == list(kept)

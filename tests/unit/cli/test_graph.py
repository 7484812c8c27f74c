"""The graph beside the log: what each shape of history looks like."""

from __future__ import annotations

import pytest

from xver.cli.views.graph import draw

SHAPES = {
    "a line": (
        "c-b b-a a",
        """
        * c
        * b
        * a
        """,
    ),
    "a merge": (
        "m-ab b-c a-c c",
        r"""
        * m
        |\
        | * b
        * | a
        |/
        * c
        """,
    ),
    "two roots": (
        "b-a x a",
        """
        * b
        | * x
        * a
        """,
    ),
    "a root that ends before others": (
        "m-ab a b-c c",
        r"""
        * m
        |\
        * | a
         /
        * b
        * c
        """,
    ),
    "a merge of three": (
        "m-abx b-c x-c a-c c",
        r"""
        * m
        |\
        |\ \
        | * | b
        | | * x
        * | | a
        |_|/
        |/
        * c
        """,
    ),
    "two merges of one branch": (
        "m-nb n-ab b-c a-c c",
        r"""
        * m
        |\
        * | n
        |\ \
        | |/
        | * b
        * | a
        |/
        * c
        """,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape(shape: str) -> None:
    words, expected = SHAPES[shape]
    parents = {word[0]: tuple(word[2:]) for word in words.split()}
    lines = []
    for id, left in zip(parents, draw(list(parents), parents), strict=True):
        lines += [*left.above, f"{left.line} {id}", *left.below]
    assert "\n".join(lines) == "\n".join(line[8:] for line in expected.strip("\n").splitlines()).rstrip()

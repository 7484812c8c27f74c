"""Names of refs and what they point to."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.support.values import ref_names, targets
from xver.errors import InvalidInput
from xver.model.refs import Target, parse_ref, parse_target


@given(targets)
def test_a_target_survives_being_written(target: Target) -> None:
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "snapshot",
        "snapshot:",
        f"blob:{'0' * 64}",
        f"snapshot:{'0' * 63}",
        f"snapshot:{'0' * 63}A",
        f"snapshot: {'0' * 63}",
    ],
)
def test_nothing_else_is_a_target(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_target(text)


@given(ref_names)
def test_plain_names_are_refs(name: str) -> None:
    assert parse_ref(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@",
        "-a",
        "/a",
        "a/",
        "a//b",
        "a..b",
        ".a",
        "a/.b",
        "a.",
        "a.lock",
        "a.lock/b",
        "a b",
        "a\nb",
        "a\x7f",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "a@{1}",
        "x" * 513,
    ],
)
def test_what_git_refuses_is_no_ref(name: str) -> None:
    with pytest.raises(InvalidInput):
        parse_ref(name)

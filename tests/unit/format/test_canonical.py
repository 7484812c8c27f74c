"""RFC 8785, as far as records need it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.errors import CorruptData, InvalidInput
from xver.format.canonical import Json, decode_json, encode_json

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 53), 1 << 53), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(_TEXTS, VALUES, max_size=4))
def test_a_record_survives_and_is_plain_json(record: dict[str, Json]) -> None:
    data = encode_json(record)
    assert decode_json(data, "record") == record
    assert json.loads(data) == record
    assert encode_json(decode_json(data, "record")) == data


def test_keys_are_ordered_by_utf_16_as_in_the_rfc() -> None:
    # RFC 8785, section 3.2.3.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    data = encode_json(dict.fromkeys(names))
    assert list(json.loads(data)) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_strings_are_escaped_as_in_the_rfc() -> None:
    # RFC 8785, section 3.2.2.2.
    assert (
        encode_json('\u20ac$\x0f\nA\'B"\\\\"/\x7f\u2028') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\u2028"'.encode()
    )
    assert encode_json({"b": [1, True, None], "a": -(1 << 53)}) == b'{"a":-9007199254740992,"b":[1,true,null]}'


@pytest.mark.parametrize("value", [1.0, (1 << 53) + 1, -(1 << 53) - 1, "\ud800", {"\udfff": 1}, b"x", {1}])
def test_what_has_no_one_form_is_refused(value: Json) -> None:
    with pytest.raises(InvalidInput):
        encode_json({"key": value})


def test_a_record_nested_without_end_is_refused() -> None:
    value: Json = None
    for _ in range(40):
        value = [value]
    with pytest.raises(InvalidInput):
        encode_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'{"a":1}x',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1.5}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740993}',
        b'{"a":' + b"9" * 100_000 + b"}",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\uDfff\\ud800"}',
        b'{"\\uD800":1}',
        b'{"a":"\n"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_record_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData, match="thing"):
        decode_json(data, "thing")


def test_a_pair_of_surrogates_written_as_escapes_is_a_character() -> None:
    assert decode_json(b'{"a":"\\ud83d\\ude00"}', "record") == {"a": "\U0001f600"}

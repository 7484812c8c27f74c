"""Tracked paths: what is taken, and every way out or disguise that is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.errors import InvalidInput
from xver.model.paths import (
    MAX_PATH,
    PathSet,
    decode_path,
    fold,
    is_anchored,
    is_below,
    overlaps,
    parse_path,
    quoted,
    stand_in,
    typed,
)

NAMES = ("a", "a/b", "a-b", "a/b/c", "a0", "ab", "a/0", "b/c")


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a/b",
        "..a",
        "a..",
        "...",
        ".gitignore",
        ".github/x",
        "git",
        "xver",
        "a~1",
        "git~2",
        "a b",
        "a\nb",
        'a"b',
        "a\\b",
        "\\",
        "a\x01",
        "é",
        "e\u0301",
        "日本/語",
        "\U0001f600",
        "a.",
        "a:b",
        "con",
        "\u200d",
        "x" * MAX_PATH,
        "é" * (MAX_PATH // 2),
    ],
)
def test_what_is_a_path_is_taken_as_it_is(text: str) -> None:
    assert parse_path(text) == text
    assert decode_path(text.encode()) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/.",
        "a/./b",
        "../a",
        "a/..",
        "a/../b",
        "a\0b",
        "\0",
        "\ud800",
        "a/\udcff",
        "x" * (MAX_PATH + 1),
        "é" * (MAX_PATH // 2 + 1),
        "..\\a",
        "a\\..\\b",
        "a\\..",
    ],
)
def test_what_leads_out_or_is_no_clean_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_path(text)


@pytest.mark.parametrize("name", ["git", "xver"])
@pytest.mark.parametrize(
    "disguise",
    [
        ".{}",
        ".{} ",
        ".{}.",
        ".{}. .",
        ".{}:stream",
        ".{}::$INDEX_ALLOCATION",
        ".{}\\hooks",
        "a\\.{}",
        "{}~1",
        "{}~1 ",
        "\uff0e{}",
        "\u200c.{}",
        ".\u00ad{}",
        ".{}\ufe0f",
        ".\U000e0041{}",
        ".\u034f{}\u2060",
        "\ufeff.{}",
    ],
)
def test_a_place_of_git_or_xver_is_refused_in_any_disguise(name: str, disguise: str) -> None:
    plain = disguise.format(name)
    for part in (plain, disguise.format(name.upper()), plain.title()):
        for text in (part, f"a/{part}", f"{part}/b", f"a/{part}/b"):
            with pytest.raises(InvalidInput):
                parse_path(text)


@pytest.mark.parametrize("text", [".gıt", ".g\u200d\u0131t", ".ｇｉｔ", ".ⓖit", ".gⅰt", ".𝓰it", ".ˣver"])
def test_letters_that_fold_to_ascii_disguise_nothing(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_path(text)


@pytest.mark.parametrize("encoded", [b"\xff", b"a/\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"])
def test_bytes_that_are_not_utf_8_are_no_path(encoded: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_path(encoded)


@given(st.text(max_size=30))
def test_whatever_is_taken_stays_below_and_beside_git(text: str) -> None:
    try:
        parts = parse_path(text).split("/")
    except InvalidInput:
        return
    assert all(part and part not in (".", "..") and "\0" not in part for part in parts)
    assert not {".git", ".xver"} & {part.casefold() for part in parts}


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("data/raw", "data/raw"),
        ("my data", "'my data'"),
        ("it's", """'it'"'"'s'"""),
        ("-x", "./-x"),
        ("a$b;c", "'a$b;c'"),
    ],
)
def test_a_path_is_typed_as_one_word(path: str, word: str) -> None:
    assert typed(path) == quoted(path) == word


@pytest.mark.parametrize(
    ("path", "folder", "word"),
    [
        ("d/a", "", "d/a"), ("d/a", "d", "a"), ("d", "d", "."), ("e f", "d/s", "'../../e f'"), ("d/-x", "d", "./-x"),
        ("/top", "d", "/top"), ("", "d", ".."), ("", "", "."),
    ],
)  # fmt: skip
def test_a_path_is_typed_from_where_one_stands(path: str, folder: str, word: str) -> None:
    stand_in(folder)
    try:
        assert typed(path) == word
    finally:
        stand_in("")


def test_below_is_by_whole_parts() -> None:
    assert is_below("a/b", "a")
    assert is_below("a", "a")
    assert is_below("a", "")
    assert not is_below("ab", "a")
    assert overlaps("a", "a/b")
    assert overlaps("a/b", "a")
    assert not overlaps("a-b", "a")


@given(st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_a_set_of_paths_knows_what_is_above_and_below(paths: set[str], path: str) -> None:
    found = PathSet(paths)
    assert found.below(path) == sorted(one for one in paths if is_below(one, path))
    assert found.above(path) == min((one for one in paths if is_below(path, one)), key=len, default=None)


@pytest.mark.parametrize(
    ("one", "other"), [("A", "a"), ("é", "e\u0301"), ("ß", "SS"), ("Ω", "\u2126"), ("É/x", "e\u0301/X")]
)
def test_names_that_a_folding_file_system_cannot_tell_apart_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize("text", ["C:", "c:/x", "C:x", "\\x", "\\\\server\\share\\x"])
def test_what_windows_takes_for_a_path_of_its_own(text: str) -> None:
    assert is_anchored(parse_path(text))


@pytest.mark.parametrize("text", ["C", "ab:c", "a/C:", "a\\b", ":"])
def test_what_windows_does_not_take_for_a_path_of_its_own(text: str) -> None:
    assert not is_anchored(parse_path(text))

"""Tables that two sides changed, joined by a key."""

from __future__ import annotations

import json

import pytest

from xver.history.tables import NotATable, merge_tables

BASE = b"id,label,by\n1,,\n2,,\n3,,\n"


def merge(
    base: bytes, ours: bytes, theirs: bytes, suffix: str = ".csv", key: tuple[str, ...] = ("id",)
) -> bytes | None:
    return merge_tables(base, ours, theirs, suffix=suffix, key=key)


def test_two_labellers_of_one_table_keep_both_halves() -> None:
    ours = BASE.replace(b"1,,", b"1,cat,ada").replace(b"2,,", b"2,,ada")
    theirs = BASE.replace(b"2,,", b"2,dog,").replace(b"3,,", b"3,emu,eve")
    assert merge(BASE, ours, theirs) == b"id,label,by\n1,cat,ada\n2,dog,ada\n3,emu,eve\n"


def test_rows_that_one_side_added_or_deleted() -> None:
    ours = b"id,label,by\n0,new,\n1,,\n3,,\n"
    theirs = b"id,label,by\n1,,\n2,,\n2b,x,\n2c,y,\n3,,\n4,z,\n"
    assert merge(BASE, ours, theirs) == b"id,label,by\n0,new,\n1,,\n2b,x,\n2c,y,\n3,,\n4,z,\n"


def test_a_side_that_sorted_the_table_anew() -> None:
    ours = b"id,label,by\n3,,\n2,,\n1,,\n"
    assert merge(BASE, ours, BASE.replace(b"2,,", b"2,dog,eve")) == b"id,label,by\n3,,\n2,dog,eve\n1,,\n"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (BASE.replace(b"1,,", b"1,cat,"), BASE.replace(b"1,,", b"1,dog,")),
        (BASE.replace(b"1,,", b"1,cat,"), BASE.replace(b"1,,\n", b"")),
        (BASE + b"4,a,\n", BASE + b"4,b,\n"),
    ],
)
def test_what_only_a_person_can_tell(ours: bytes, theirs: bytes) -> None:
    assert merge(BASE, ours, theirs) is None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (BASE + b"1,again,\n", BASE + b"4,b,\n"),
        (BASE + b"4,too,many,cells\n", BASE + b"5,b,\n"),
        (BASE, b"name,label\n1,\n"),
        (BASE, b""),
        (BASE, b"\xff\xfe"),
        (BASE, BASE + b'5,"open,\n'),
    ],
)
def test_what_is_no_table_with_this_key(ours: bytes, theirs: bytes) -> None:
    with pytest.raises(NotATable):
        merge(BASE, ours, theirs)


def test_columns_that_both_sides_added() -> None:
    ours = b"id,label,by,sure\n1,,,yes\n2,,,\n3,,,\n"
    theirs = b"id,label,box\n1,,5\n2,cow,\n3,,\n"
    assert merge(BASE, ours, theirs) == b"id,label,sure,box\n1,,yes,5\n2,cow,,\n3,,,\n"


def test_what_nobody_changed_keeps_its_bytes() -> None:
    base = b'\xef\xbb\xbfid;text\r\n1;"two\r\nlines"\r\n2;"plain"\r\n3;x'
    ours = base.replace(b"3;x", b"3;y")
    theirs = base.replace(b'2;"plain"', b'2;"a;b"')
    want = b'\xef\xbb\xbfid;text\r\n1;"two\r\nlines"\r\n2;"a;b"\r\n3;y'
    assert merge(base, ours, theirs) == want


def test_a_table_that_gets_columns_is_written_as_it_was() -> None:
    base = b'\xef\xbb\xbf"id";"text"\r\n"1";"plain"\r\n"2";"a;b"\r\n"3";5"\r\n'
    ours = base.replace(b'"text"', b'"text";"sure"').replace(b'n"\r', b'n";"yes"\r').replace(b'b"\r', b'b";\r')
    ours = ours.replace(b'5"\r', b'5";no\r')
    theirs = base.replace(b'"text"', b'"text";box').replace(b'"\r', b'";7\r')
    assert merge(base, ours, theirs) == (
        b'\xef\xbb\xbf"id";"text";"sure";box\r\n"1";"plain";"yes";7\r\n"2";"a;b";;7\r\n"3";5";no;7\r\n'
    )
    assert merge(base, base.replace(b"plain", b"new"), theirs) == theirs.replace(b"plain", b"new")


def test_a_form_that_one_side_changed_is_that_of_the_merge() -> None:
    ours = BASE.replace(b"1,,", b"1,cat,")
    by_excel = b"\xef\xbb\xbf" + BASE.replace(b"\n", b"\r\n")
    want = b"\xef\xbb\xbfid,label,by\r\n1,cat,\r\n2,,\r\n3,,\r\n"
    assert merge(BASE, ours, by_excel) == want
    assert merge(BASE, by_excel, ours) == want
    assert merge(BASE, ours, BASE.replace(b",", b";")) == b"id;label;by\n1;cat;\n2;;\n3;;\n"
    assert merge(BASE, ours, (BASE + b"4,,\n").removesuffix(b"\n")) == ours + b"4,,"


def test_line_ends_that_are_mixed_give_no_empty_lines() -> None:
    base = b"id,x\r\n1,a\n2,b\n"
    assert merge(base, base.replace(b"a", b"c"), base.replace(b"b", b"d")) == b"id,x\r\n1,c\n2,d\n"
    base = b"id,x\r1,a\r2,b\r"
    assert merge(base, base.replace(b"a", b"c"), base.replace(b"b", b"d")) == b"id,x\r1,c\r2,d\r"


def test_a_key_of_two_columns_in_tsv() -> None:
    base = b"a\tb\tc\n1\t1\t\n1\t2\t\n"
    ours, theirs = base.replace(b"1\t1\t", b"1\t1\tx"), base.replace(b"1\t2\t", b"1\t2\ty")
    assert merge(base, ours, theirs, ".tsv", ("a", "b")) == b"a\tb\tc\n1\t1\tx\n1\t2\ty\n"
    with pytest.raises(NotATable):
        merge(base, ours, theirs, ".tsv", ("a",))


def test_json_lines() -> None:
    base = b'{"id":1,"y":null}\n{"id":2}\n'
    ours = b'{"id":1,"y":"cat"}\n{"id":2}\n{"id":3, "y": "\xc3\xa9"}\n'
    theirs = b'{"id":1,"y":null,"by":true}\n{"id":2}\n'
    found = merge(base, ours, theirs, ".jsonl")
    assert found is not None
    assert [json.loads(line) for line in found.splitlines()] == [
        {"id": 1, "y": "cat", "by": True}, {"id": 2}, {"id": 3, "y": "é"},
    ]  # fmt: skip
    assert found.splitlines(keepends=True)[1:] == ours.splitlines(keepends=True)[1:]
    assert merge(base, base.replace(b"null", b"1"), base.replace(b"null", b"true"), ".jsonl") is None
    with pytest.raises(NotATable):
        merge(base, b"[]\n", base, ".jsonl")


def test_json_lines_that_are_joined_keep_every_digit_and_their_ends() -> None:
    base = b'{"id":1,"p":0.12345678901234567890,"big":1e999,"x":[1,2.50],"y":0}\r\n'
    found = merge(base, base.replace(b'"y":0', b'"y":1'), base.replace(b"}", b',"z":"}"}'), ".jsonl")
    assert found == b'{"id": 1, "p": 0.12345678901234567890, "big": 1e999, "x": [1,2.50], "y": 1, "z": "}"}\r\n'
    finer = base.replace(b"67890,", b"67891,")
    assert merge(base, base, finer, ".jsonl") == finer


def test_a_table_that_both_sides_made() -> None:
    assert merge(b"", b"id,x\n1,a\n", b"id,x\n2,b\n") == b"id,x\n2,b\n1,a\n"
    assert merge(b"", b"id,x\n1,a\n", b"id,x\n1,b\n") is None

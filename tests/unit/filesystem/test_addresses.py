"""Addresses: what is meant can always be written, is told apart, and survives being joined by fsspec."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xver.errors import InvalidInput
from xver.filesystem.addresses import Address, parse_address

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8)
paths = st.lists(names, max_size=3).map("/".join)
revs = st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(store=st.sampled_from(["", "/home/ada/survey"]), rev=revs, path=paths)
def test_every_address_comes_back(store: str, rev: str | None, path: str) -> None:
    address = Address(store, rev, path)
    text = str(address)
    if store or not re.match("[A-Za-z]:", text):  # a drive of Windows
        assert parse_address(text, is_remote=False) == address
    if store:
        assert parse_address(text, is_remote=True) == address


@given(rev=revs, folder=paths.filter(bool), name=names)
def test_a_name_joined_to_a_folder_is_in_the_folder(rev: str | None, folder: str, name: str) -> None:
    parent = Address("bucket/prefix", rev, folder)
    child = parent.at(f"{folder}/{name}")
    assert str(child).startswith(f"{parent}/")
    assert str(child).removeprefix(f"{parent}/") == name.replace("@", "@@")


@pytest.mark.parametrize(
    ("text", "is_remote", "expected"),
    [
        ("data/x.csv", False, Address("", None, "data/x.csv")),
        ("data/x.csv@v1.0", False, Address("", "v1.0", "data/x.csv")),
        ("data/x.csv@team/branch~2", False, Address("", "team/branch~2", "data/x.csv")),
        ("data/mail@@home.csv", False, Address("", None, "data/mail@home.csv")),
        ("data/mail@@home.csv@v1", False, Address("", "v1", "data/mail@home.csv")),
        ("data/x.csv@HEAD@@{2 days ago}", False, Address("", "HEAD@{2 days ago}", "data/x.csv")),
        ("@v1/data/x.csv", False, Address("", "v1", "data/x.csv")),
        ("@team%2Fbranch/data", False, Address("", "team/branch", "data")),
        ("@@odd/name", False, Address("", None, "@odd/name")),
        ("", False, Address("", None, "")),
        ("@v1", False, Address("", "v1", "")),
        ("data/@v1", False, Address("", "v1", "data")),
        ("/home/ada/survey//data/x.csv@v1", False, Address("/home/ada/survey", "v1", "data/x.csv")),
        ("/home/ada/survey", False, Address("/home/ada/survey", None, "")),
        ("C:/survey//data/x.csv", False, Address("C:/survey", None, "data/x.csv")),
        ("bucket/prefix//data/x.csv@v1", True, Address("bucket/prefix", "v1", "data/x.csv")),
        ("bucket//x", True, Address("bucket", None, "x")),
        ("bucket/prefix//", True, Address("bucket/prefix", None, "")),
        ("ada@host:22/store//data/x@v1", True, Address("ada@host:22/store", "v1", "data/x")),
    ],
)
def test_what_people_write(text: str, is_remote: bool, expected: Address) -> None:
    assert parse_address(text, is_remote=is_remote) == expected
    assert parse_address(str(expected), is_remote=is_remote) == expected


@pytest.mark.parametrize("text", ["mail@home@v1", "x.csv@", "@/x", "a@b@@@c@d"])
def test_where_it_cannot_be_told_what_is_meant_nothing_is_guessed(text: str) -> None:
    with pytest.raises(InvalidInput, match="version"):
        parse_address(text, is_remote=False)

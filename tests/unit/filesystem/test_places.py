"""Places: every way to name a path of a version, and what names none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.repos import new_repo
from tests.unit.filesystem.conftest import Home
from xver.errors import InvalidInput
from xver.filesystem.places import Place, parse_place

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8)
paths = st.lists(names.filter(lambda name: name.strip() == name), min_size=1, max_size=3).map("/".join)
revs = st.none() | st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/survey@v1:data/raw", ("s3://bucket/survey", "v1", "data/raw")),
        ("s3://bucket:data", ("s3://bucket", None, "data")),
        ("xver+s3://bucket/a/b@main@{2 days ago 10:00}:data/", ("s3://bucket/a/b", "main@{2 days ago 10:00}", "data")),
        ("xver+s3://bucket/survey//data/raw@v1", ("s3://bucket/survey", "v1", "data/raw")),
        ("gs://bucket/x@@y:mail@home", ("gs://bucket/x@y", None, "mail@home")),
        ("sftp://ada@host:2222/srv/x@v1:a:b", ("sftp://ada@host:2222/srv/x", "v1", "a:b")),
        ("sftp://ada@host/srv/x:a", ("sftp://ada@host/srv/x", None, "a")),
        ("file:///mnt/x@v1:a", ("file:///mnt/x", "v1", "a")),
        ("xver+file:///C:/mnt/x@v1:a", ("file:///C:/mnt/x", "v1", "a")),
        ("file:///mnt/x//a", ("file:///mnt/x", None, "a")),
        ("az://container/x:", ("az://container/x", None, "")),
    ],
)
def test_remotes(text: str, expected: tuple[str, str | None, str], tmp_path: Path) -> None:
    found = parse_place(text, start=tmp_path)
    assert found == Place(expected[0], "", *expected[1:])


def test_folders(home: Home, tmp_path: Path) -> None:
    root, store = home.repo.root, home.store
    here = Place(None, str(root / "."), "v1", "data")
    assert parse_place("@v1:data", start=root) == here
    assert parse_place(f"{root}@v1:data", start=tmp_path) == Place(None, str(root), "v1", "data")
    assert parse_place("repo:data", start=root.parent) == Place(None, str(root), None, "data")
    assert parse_place("store@v1:data", start=root.parent) == Place(store.as_uri(), "", "v1", "data")
    assert parse_place("xver://data@v1", start=root) == here
    assert parse_place(f"xver://{root}//data@v1", start=tmp_path) == Place(None, str(root), "v1", "data")


@pytest.mark.parametrize("text", ["data.csv", "a:b", "http://host:80/a", "nothing@v1:data", "https://host/a@b:c"])
def test_what_names_no_place(text: str, tmp_path: Path) -> None:
    assert parse_place(text, start=tmp_path) is None


def test_a_file_with_a_colon_in_its_name_is_that_file(home: Home, tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("no name has a colon there")
    repo = new_repo(tmp_path / "mine")
    (repo.root / "data:x").write_bytes(b"")
    (repo.root / "data").mkdir()
    assert parse_place("data:x", start=repo.root) is None
    assert parse_place("data:y", start=repo.root) == Place(None, str(repo.root / "data"), None, "y")


def test_an_address_of_a_bucket_is_one_of_objects_where_those_are_meant(tmp_path: Path) -> None:
    assert parse_place("s3://bucket/a:b", start=tmp_path, plain=False) is None


@pytest.mark.parametrize("text", ["s3://bucket/survey", "s3://bucket/a@:b", "xver+ftp://host/a:b", "xver+s3://bucket"])
def test_what_names_a_store_and_no_path(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        parse_place(text, start=tmp_path)


@given(rev=revs, path=paths)
def test_what_is_recorded_names_the_same_place(rev: str | None, path: str) -> None:
    for place in (Place("s3://bucket/x", "", rev, path), Place(None, str(Path("/x").resolve()), rev, path)):
        found = parse_place(str(place), start=Path("/"))
        assert found == place

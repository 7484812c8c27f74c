"""Taking data in from other repositories and folders, and giving it out, as it is typed: import, get, add --as."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.repos import read_tree, write_tree
from tests.support.trees import posix

from .workplace import Workplace


@pytest.fixture
def other(tmp_path: Path) -> Workplace:
    """Another repository, without git, with two versions and a tag, pushed to the folder `remote`."""
    other = Workplace(tmp_path / "other", tmp_path / "home", git=False)
    other.ok("remote", "add", "origin", "../remote")
    other.save("one", raw__a="1", raw__deep__b="2" * 300_000, models__m="model")
    other.ok("tag", "v1")
    other.save("two", raw__a="one", raw__c="3")
    other.ok("push")
    return other


def last_run(place: Workplace) -> dict[str, Any]:
    runs = json.loads(place("runs", "list", "--json").stdout)
    return dict(runs[0])


# From another repository


@pytest.mark.parametrize("form", ["remote", "colon", "folder", "repository", "file"])
def test_a_path_of_another_repository_comes_with_its_version(place: Workplace, other: Workplace, form: str) -> None:
    remote = other.root.parent / "remote"
    address = {
        "remote": f"xver+{remote.as_uri()}//raw@v1",
        "colon": f"xver+{remote.as_uri()}@v1:raw",
        "folder": "../remote@v1:raw",
        "repository": "../other@v1:raw",
        "file": f"xver://{other.root}//raw@v1",
    }[form]
    place.ok("import", address, "data/raw")
    assert read_tree(place.root / "data/raw") == {"a": b"1", "deep/b": b"2" * 300_000}
    source = last_run(place)["sources"][0]
    there = other.json("show", "v1")["id"]
    assert source["version"] == there
    assert f"version {there[:7]}" in place("lineage", "data/raw").stdout
    assert place("lineage", "data/raw/deep/b").stdout.count(there[:7]) == 1
    assert place.ok("update") == "Unchanged data/raw\n"


def test_a_branch_is_followed_and_another_tag_is_named(place: Workplace, other: Workplace) -> None:
    place.ok("import", "../remote@main:raw", "raw")
    place.ok("import", "../remote@v1:models/m", "m")
    other.save("three", raw__a="1", raw__c="4")
    other.ok("tag", "v3")
    other.ok("push")
    assert [one["state"] for one in place.json("update", "-n")] == ["unchanged", "newer"]
    assert place.ok("update").splitlines() == [
        "Unchanged m",
        "Updated raw  3 files  300 kB -> 3 files  300 kB",
        "  M raw/a  3 B -> 1 B",
        "  M raw/c  1 B -> 1 B",
    ]
    assert place.ok("update", "m", "--from", "../remote@v3:models/m") == "Unchanged m\n"
    assert [one["state"] for one in place.json("update")] == ["unchanged", "unchanged"]


def test_only_what_is_lacking_is_copied(place: Workplace, other: Workplace) -> None:
    big = os.urandom(2_000_000)
    other.save("big", raw__big=big)
    other.ok("push")
    place.write(own__big=big)
    place.ok("add", "own")
    said = place("import", "../remote:raw", "raw").stdout
    assert read_tree(place.root / "raw")["big"] == big
    assert "2.0 MB  (" in said.replace("2.3 MB", "2.0 MB")
    stored = sum(path.stat().st_size for path in place.root.rglob("*.data"))
    assert stored < 2_500_000


def test_a_part_of_a_dataset_and_a_folder_above_datasets_become_datasets(place: Workplace, other: Workplace) -> None:
    place.ok("import", "../remote:raw/deep", "deep")
    assert read_tree(place.root / "deep") == {"b": b"2" * 300_000}
    other.save("nested", all__x__a="1")
    other.ok("rm", "all")
    other.write(all__x__a="1", all__y__b="2")
    other.ok("add", "all/x", "all/y")
    other.ok("commit", "-m", "two of them")
    place.ok("import", "../other:all", "all")
    assert read_tree(place.root / "all") == {"x/a": b"1", "y/b": b"2"}
    assert place.ok("update", "all") == "Unchanged all\n"


@pytest.mark.parametrize(
    ("address", "code", "error"),
    [
        ("../remote@v9:raw", 3, "no version is named v9"),
        ("../remote:none", 3, "none is not tracked there"),
        ("xver+s3://bucket/prefix", 2, "xver+s3://bucket/prefix names no path of that store"),
        ("xver+ftp://host/a:b", 2, "xver keeps nothing at ftp:// addresses"),
        ("../remote@:raw", 2, "../remote@:raw names no version behind the @"),
    ],
)
def test_what_another_repository_does_not_have(
    place: Workplace, other: Workplace, address: str, code: int, error: str
) -> None:
    assert place.fails(code, "import", address, "a")[0] == f"error: {error}"


# From this machine


def test_a_folder_of_another_disk_is_taken_in_and_again_when_it_changed(place: Workplace, tmp_path: Path) -> None:
    write_tree(tmp_path / "disk" / "ds", {"a": b"1", "deep/b": b"2"})
    (tmp_path / "disk" / "ds" / "run").write_bytes(b"#!/bin/sh\n")
    said = place.ok("add", "../disk/ds", "--as", "data/ds")
    assert said.startswith("Added data/ds  3 files  12 B  (")
    assert read_tree(place.root / "data/ds") == {"a": b"1", "deep/b": b"2", "run": b"#!/bin/sh\n"}
    assert json.loads(place.ok("runs", "list", "--json")) == []
    assert place.ok("add", "../disk/ds", "--as", "data/ds").startswith("Unchanged data/ds ")
    (tmp_path / "disk" / "ds" / "a").unlink()
    place.write(data__ds__deep__b="mine")
    assert place.fails(9, "add", "../disk/ds", "--as", "data/ds")[0] == "error: data/ds has changes that are not added"
    place.ok("checkout", "--force", "data/ds")
    assert place.ok("add", "../disk/ds", "--as", "data/ds").startswith("Added data/ds  2 files")
    assert read_tree(place.root / "data/ds") == {"deep/b": b"2", "run": b"#!/bin/sh\n"}


def test_what_is_missing_or_beside_it_is_no_hindrance(place: Workplace, tmp_path: Path) -> None:
    write_tree(tmp_path / "ds", {"a": b"1", "b": b"2"})
    place.ok("import", "../ds", "ds")
    (place.root / "ds" / "a").unlink()
    place.write(ds__mine="mine", ds__c="own")
    write_tree(tmp_path / "ds", {"c": b"3"})
    before = place.read("xver.lock")
    assert place.fails(9, "update")[:2] == ["error: 1 changed file would be lost", "  ds/c"]
    assert (place.read("xver.lock"), place.read("ds/c")) == (before, b"own")
    (place.root / "ds" / "c").unlink()
    assert place.ok("update").splitlines()[1:] == ["  A ds/c  1 B"]
    assert read_tree(place.root / "ds") == {"a": b"1", "b": b"2", "c": b"3", "mine": b"mine"}


@posix
def test_links_and_executables_of_a_folder_stay_what_they_are(place: Workplace, tmp_path: Path) -> None:
    write_tree(tmp_path / "ds", {"a": b"1"})
    (tmp_path / "ds" / "a").chmod(0o755)
    (tmp_path / "ds" / "link").symlink_to("a")
    place.ok("import", str(tmp_path / "ds"), "ds")
    assert os.readlink(place.root / "ds" / "link") == "a"
    assert os.access(place.root / "ds" / "a", os.X_OK)
    assert place.ok("update") == "Unchanged ds\n"
    (tmp_path / "ds" / "a").write_bytes(b"2")
    assert place.ok("update", "-n").startswith("Newer at its source: ds  file:///")
    assert place.ok("update").splitlines()[1:] == ["  M ds/a  1 B -> 1 B"]


def test_add_as_of_one_folder_at_a_time_and_by_this_machine(place: Workplace) -> None:
    hint = "hint: xver add /other/disk/raw --as data/raw, or s3://bucket/raw --as data/raw"
    assert place.fails(2, "add", "a", "b", "--as", "c") == ["error: one folder or bucket becomes one dataset", hint]
    assert place.fails(2, "add", "a", "--as", "c", "--to", "origin")[0] == (
        "error: what is added from elsewhere on this machine comes into its own store first"
    )
    assert place.fails(3, "add", "none", "--as", "c")[0].startswith("error: there is no ")


# Get


def test_get_needs_no_repository(place: Workplace, other: Workplace, tmp_path: Path) -> None:
    place.environment["XVER_CACHE"] = str(tmp_path / "cache")
    out = tmp_path / "out"
    out.mkdir()
    assert place.ok("get", "../remote@v1:raw", where="../out") == "Got raw  2 files  300 kB  in <time>\n"
    assert read_tree(out / "raw") == {"a": b"1", "deep/b": b"2" * 300_000}
    place.ok("get", f"{(tmp_path / 'remote').as_uri()}:models/m", "x", where="../out")
    place.ok("get", "../other:raw/c", ".", where="../out")
    place.ok("get", "../other:raw/deep", "new/deep", where="../out")
    assert set(read_tree(out)) == {"raw/a", "raw/deep/b", "x", "c", "new/deep/b"}


def test_get_goes_on_and_overwrites_nothing_else(place: Workplace, other: Workplace, tmp_path: Path) -> None:
    write_tree(tmp_path / "out", {"a": b"one", "mine": b"mine"})
    place.ok("get", "../other:raw", "../out")
    assert read_tree(tmp_path / "out") == {"a": b"one", "c": b"3", "deep/b": b"2" * 300_000, "mine": b"mine"}
    assert place.ok("get", "../other:raw", "../out") == "Got ../out  0 files  0 B  (3 were there already)  in <time>\n"
    assert place.fails(6, "get", "../other@v1:raw", "../out") == [
        "error: ../out/a is there, and is not what would be written", "hint: --force, or another place",
    ]  # fmt: skip
    place.ok("get", "--force", "../other@v1:raw", "../out")
    assert read_tree(tmp_path / "out")["a"] == b"1"


def test_get_from_the_repository_around(place: Workplace) -> None:
    place.save("one", d__a="1")
    place.save("two", d__a="2")
    place.ok("get", "@HEAD~1:d/a", "old")
    assert place.read("old") == b"1"
    assert place.fails(2, "get", "d/a")[0] == "error: d/a names no path of a version"
    assert place.fails(3, "get", ":none")[0] == "error: none is not tracked there"
    assert place.fails(2, "get", ":")[0] == "error: a whole version has no name of its own"
    place.ok("get", ":", "../whole")
    assert read_tree(place.root.parent / "whole") == {"d/a": b"2"}

"""`xver.toml`: what is read is what stands there, and an edit by a command leaves the rest as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.trees import posix
from xver.errors import AlreadyExists, InvalidInput, NotFound
from xver.settings import Remote, Settings, add_remote, create_settings, read_settings, remove_remote

HAND_MADE = b"""# ours
[run]   # runs
keep = [ "models/**",
         "*.pkl" ]

[remotes.origin]   # the team's
url = 's3://bucket/a'

[step.train]
cmd = "python train.py"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xver.toml"


def test_no_file_and_a_new_file_have_the_defaults(path: Path) -> None:
    assert read_settings(path) == Settings()
    assert create_settings(path)
    assert read_settings(path) == Settings()
    path.write_bytes(HAND_MADE)
    assert not create_settings(path)
    assert path.read_bytes() == HAND_MADE


def test_what_stands_there(path: Path) -> None:
    path.write_bytes(HAND_MADE + b'[remotes."b.2"]\nurl = "/mnt/x"\nendpoint_url = "http://h:1"\n')
    found = read_settings(path)
    assert found.remotes == {
        "origin": Remote("origin", "s3://bucket/a"),
        "b.2": Remote("b.2", "/mnt/x", "http://h:1"),
    }
    assert found.keep == ("models/**", "*.pkl")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"[", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"remotes = 1", "remotes is a table"),
        (b"[remotes]\norigin = 1", "remotes.origin needs a url"),
        (b"[remotes.origin]\nurl = 1", "remotes.origin needs a url"),
        (b'[remotes.origin]\nurl = ""', "remotes.origin needs a url"),
        (b'[remotes.origin]\nurl = "x"\nendpoint_url = 1', "remotes.origin.endpoint_url"),
        (b'[remotes."a b"]\nurl = "x"', "no name for a remote"),
        (b'[remotes."../x"]\nurl = "x"', "no name for a remote"),
        (b'[remotes."-x"]\nurl = "x"', "no name for a remote"),
        (b"run = 1", "run is a table"),
        (b'[run]\nkeep = "x"', "run.keep"),
        (b"[run]\nkeep = [1]", "run.keep"),
        (b"[run]\nstore_untracked = -1", "run.store_untracked"),
        (b"[run]\nstore_untracked = true", "run.store_untracked"),
    ],
)
def test_a_value_that_cannot_be_right_is_named(path: Path, text: bytes, named: str) -> None:
    path.write_bytes(text)
    with pytest.raises(InvalidInput) as caught:
        read_settings(path)
    assert named in caught.value.message
    assert "xver.toml" in caught.value.message


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_comments_order_and_line_ends_survive(path: Path, eol: bytes) -> None:
    before = HAND_MADE.replace(b"\n", eol)
    path.write_bytes(before)
    add_remote(path, Remote("backup", "gs://b", "http://h"))
    assert read_settings(path).remotes["backup"] == Remote("backup", "gs://b", "http://h")
    assert all(line in path.read_bytes() for line in before.split(eol))
    remove_remote(path, "backup")
    assert path.read_bytes().strip() == before.strip()
    assert os.listdir(path.parent) == ["xver.toml"]


def test_the_first_remote_and_the_last(path: Path) -> None:
    add_remote(path, Remote("origin", "x"))
    assert path.read_text(encoding="utf-8") == '[remotes.origin]\nurl = "x"\n'
    remove_remote(path, "origin")
    assert read_settings(path) == Settings()


def test_names_that_are_taken_missing_or_no_names(path: Path) -> None:
    path.write_bytes(HAND_MADE)
    with pytest.raises(AlreadyExists, match="s3://bucket/a"):
        add_remote(path, Remote("origin", "x"))
    with pytest.raises(NotFound):
        remove_remote(path, "none")
    with pytest.raises(InvalidInput, match="no name for a remote"):
        add_remote(path, Remote("a/b", "x"))
    assert path.read_bytes() == HAND_MADE


@posix
def test_a_link_to_shared_settings_stays_one(path: Path) -> None:
    shared = path.with_name("shared.toml")
    shared.write_bytes(HAND_MADE)
    path.symlink_to(shared)
    add_remote(path, Remote("backup", "x"))
    assert path.is_symlink()
    assert "backup" in read_settings(shared).remotes

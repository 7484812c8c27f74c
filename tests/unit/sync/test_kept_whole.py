"""Large files that arrive where files can be cloned: written once, and what was written is what the store keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clones import let_files_be_cloned
from tests.support.histories import deltas
from tests.support.repos import save
from tests.unit.sync.arriving import (
    AROUND,
    NOISE,
    OTHER,
    TEXT,
    assert_right,
    packed,
    packs,
    pushed,
    wholes,
)
from tests.unit.sync.sides import ORIGIN, cloned
from xver.format.packs import WHOLE_FEATURE
from xver.store.spool import Spool
from xver.store.wholes import WHOLE_MIN
from xver.sync import transfer
from xver.sync.fetch import fetch
from xver.sync.pull import pull
from xver.sync.push import push
from xver.versioning.restoring import checkout


def test_what_arrives_is_what_is_kept(tmp_path: Path, clones: list[str]) -> None:
    files = {"ds/big": NOISE, "ds/same": NOISE, "ds/small": b"small", "ds/text": TEXT}
    repo = pushed(tmp_path, files)
    del clones[:]
    copy = cloned(repo)
    (name,) = wholes(copy)
    assert packs(copy)[name] > len(NOISE)
    assert WHOLE_FEATURE in copy.store.log.require
    assert packed(copy) < len(TEXT) + AROUND
    # A trial, and both files of the work tree: what the store keeps is none, but what was written.
    assert sorted(Path(path).suffix for path in clones) == [".clone", ".tmp", ".tmp"]
    assert_right(copy, files)


@pytest.mark.usefixtures("clones")
@pytest.mark.parametrize(
    ("data", "is_kept_whole"),
    [
        (NOISE[: WHOLE_MIN - 1], False),
        (TEXT, False),
        (NOISE[: WHOLE_MIN // 2] * 2, False),
        (NOISE + NOISE[: WHOLE_MIN // 32], True),
    ],
    ids=["small", "text", "twice", "a little twice"],
)
def test_what_is_kept_whole(tmp_path: Path, data: bytes, is_kept_whole: bool) -> None:
    copy = cloned(pushed(tmp_path, {"big": data}))
    assert bool(wholes(copy)) is is_kept_whole
    assert_right(copy, {"big": data})


@pytest.mark.usefixtures("clones")
def test_what_nobody_checks_out_is_kept_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"a": b"a"})
    copy = cloned(repo)
    save(repo, {"big": NOISE, "text": TEXT})
    push(repo, ORIGIN)
    monkeypatch.setattr(Spool, "hand_over", lambda *_: pytest.fail("nothing is checked out"))
    fetch(copy, ORIGIN)
    copy.write_lock(repo.lock)
    pull(copy, ORIGIN, ["big", "text"], checks_out=False)
    assert not (copy.root / "big").exists()
    assert len(wholes(copy)) == 1
    checkout(copy)
    assert_right(copy, {"a": b"a", "big": NOISE, "text": TEXT})


@pytest.mark.usefixtures("clones")
def test_what_a_merge_brings_is_kept_so(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"a": b"a"})
    copy = cloned(repo)
    save(repo, {"big": NOISE})
    push(repo, ORIGIN)
    assert pull(copy, ORIGIN).merged == "forward"
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"a": b"a", "big": NOISE})


@pytest.mark.usefixtures("clones")
def test_of_a_file_that_is_here_in_part_the_rest_is_packed(tmp_path: Path) -> None:
    repo = pushed(tmp_path, {"big": NOISE})
    copy = cloned(repo)
    edited = NOISE[:9_000_000] + b"edited" + NOISE[9_000_000:]
    save(repo, {"big": edited})
    push(repo, ORIGIN)
    pull(copy, ORIGIN)
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"big": edited})


@pytest.mark.usefixtures("clones")
def test_of_files_that_share_chunks_the_first_is_kept_whole(tmp_path: Path) -> None:
    files = {"ds/a": NOISE, "ds/b": OTHER[:3_000_000] + NOISE[2_000_000:]}
    copy = cloned(pushed(tmp_path, files))
    assert len(wholes(copy)) == 1
    assert 3_000_000 < packed(copy) < 3_000_000 + AROUND
    assert_right(copy, files)


def test_a_difference_from_what_is_kept_whole_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = bytearray(NOISE)
    edited[5_000_000] ^= 1
    repo = pushed(tmp_path, {"ds/z": NOISE}, {"ds/a": NOISE, "ds/z": bytes(edited)})
    let_files_be_cloned(monkeypatch)
    copy = cloned(repo)
    (name,) = wholes(copy)
    (delta,) = [place for place in deltas(copy.store) if place.container.name.endswith(".data")]
    indexes = map(copy.store.index.open, copy.store.log.indexes.values())
    (bases,) = [index.bases(delta.id) for index in indexes if index.find(delta.id) is not None]
    assert {copy.store.locate(id).container.name for id in bases} == {name}
    assert packed(copy) < AROUND
    assert_right(copy, {"ds/a": NOISE, "ds/z": bytes(edited)})


def test_what_is_a_difference_at_the_remote_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = bytearray(NOISE)
    edited[5_000_000] ^= 1
    repo = pushed(tmp_path, {"big": NOISE}, {"big": bytes(edited)})
    let_files_be_cloned(monkeypatch)
    copy = cloned(repo)
    assert len(wholes(copy)) == 1
    assert packed(copy) < AROUND
    assert_right(copy, {"big": bytes(edited)})


@pytest.mark.usefixtures("clones")
def test_a_file_that_comes_in_several_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = pushed(tmp_path, {"ds/one": NOISE, "ds/text": TEXT, "ds/two": OTHER})
    monkeypatch.setattr(transfer, "_PART_SIZE", 5_000_000)
    copy = cloned(repo)
    assert len(wholes(copy)) == 2
    assert_right(copy, {"ds/one": NOISE, "ds/text": TEXT, "ds/two": OTHER})

"""`xver.lock`: text and entries are twins, whatever the names; what is hostile, newer or half merged is refused."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given

from tests.support.values import trees
from xver.errors import CorruptData, InvalidInput, UnsupportedFormat
from xver.format.lockfile import Lock, decode_lock, encode_lock
from xver.model.entries import Dataset, Entry, External, File, Link
from xver.model.ids import EMPTY_ID, ListingId, fingerprint
from xver.model.paths import TrackedPath

ID = "ab" * 32
HEAD = 'format = 1\nrepository = "r"\n'
DATASET = f'kind = "dataset"\nid = "b3:{ID}"\nsize = 5\nfiles = 1\n'
LINK = f'kind = "link"\nid = "b3:{ID}"\nsize = 5\n'
PRINT = f'fingerprint = "{"0" * 32}"\n'
FILE = f'kind = "file"\nid = "b3:{ID}"\nsize = 5\n{PRINT}'


def lock(*tables: tuple[str, str]) -> bytes:
    return (HEAD + "".join(f'\n["{name}"]\n{facts}' for name, facts in tables)).encode()


@given(trees)
def test_a_lock_survives_being_written(tree: dict[TrackedPath, Entry]) -> None:
    lock = Lock("0af3", tree)
    data = encode_lock(lock)
    assert decode_lock(data) == lock
    assert encode_lock(decode_lock(data)) == data
    assert encode_lock(Lock("0af3", dict(reversed(tree.items())))) == data


@given(trees)
def test_a_lock_is_toml_that_every_reader_understands_alike(tree: dict[TrackedPath, Entry]) -> None:
    record = tomllib.loads(encode_lock(Lock("r", tree)).decode())
    assert (record.pop("format"), record.pop("repository")) == (1, "r")
    assert {path: facts["size"] for path, facts in record.items()} == {path: one.size for path, one in tree.items()}


def test_a_lock_looks_as_it_always_did() -> None:
    entries: dict[TrackedPath, Entry] = {
        TrackedPath("data/raw"): Dataset(ListingId(bytes(32)), 812, 3),
        TrackedPath('strange "name"\n'): File(EMPTY_ID, 0, fingerprint(b""), executable=True),
        TrackedPath("url"): External("https://example.com/a", '"v1"', 7),
        TrackedPath("to"): Link(EMPTY_ID, 4),
    }
    assert encode_lock(Lock("5d0c", entries)).decode().splitlines() == [
        "# Which data belongs here. Written by xver; after a merge conflict: xver merge",
        "format = 1",
        'repository = "5d0c"',
        "",
        "# data/raw",
        '["data/raw"]',
        'kind = "dataset"',
        f'id = "b3:{"0" * 64}"',
        "size = 812",
        "files = 3",
        "",
        "# strange ?name??",
        r'["strange \"name\"\n"]',
        'kind = "executable"',
        f'id = "b3:{EMPTY_ID.hex()}"',
        "size = 0",
        f'fingerprint = "{fingerprint(b"").hex()}"',
        "",
        "# to",
        '["to"]',
        'kind = "link"',
        f'id = "b3:{EMPTY_ID.hex()}"',
        "size = 4",
        "",
        "# url",
        '["url"]',
        'kind = "external"',
        'uri = "https://example.com/a"',
        r'etag = "\"v1\""',
        "size = 7",
        "",
        "# end",
    ]


def test_spaces_comments_and_line_ends_of_windows_do_not_matter() -> None:
    plain = lock(("a", FILE), ("b", DATASET))
    assert decode_lock(plain.replace(b"\n", b"\r\n")) == decode_lock(plain)
    assert decode_lock(plain.replace(b"\n", b" \t# said by a person\n")) == decode_lock(plain)
    assert decode_lock(plain.replace(b" = ", b"=")) == decode_lock(plain)


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> other"])
def test_merge_markers_are_refused_with_what_to_do(marker: str) -> None:
    with pytest.raises(InvalidInput, match="merge conflicts") as caught:
        decode_lock(lock(("a", DATASET)).replace(b"size = 5", f"{marker}\nsize = 5".encode()))
    assert caught.value.hint == "xver merge"


@pytest.mark.parametrize("name", ["../a", "/a", "", "a//b", ".git/config", ".GIT", "a\\\\.git", "a\\u0000", "."])
def test_a_path_that_is_not_safe_is_refused(name: str) -> None:
    with pytest.raises(CorruptData):
        decode_lock(lock((name, DATASET)))


@pytest.mark.parametrize("names", [("a", "a/b"), ("a", "a-b", "a/b/c"), ("a", "a")])
def test_paths_that_overlap_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(CorruptData):
        decode_lock(lock(*((name, DATASET) for name in names)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xef\xbb\xbf" + HEAD.encode(),
        HEAD.encode() + b'["a"\n',
        HEAD.encode() + b'["a"] kind = "link"\n',
        HEAD.encode() + b"a\n",
        HEAD.encode() + b"format = 1\n",
        b'repository = "r"\n',
        b"format = 1\n",
        b'format = "1"\nrepository = "r"\n',
        b'format = 0\nrepository = "r"\n',
        b'format = 1\nrepository = ""\n',
        b"format = 1\nrepository = 1\n",
        lock(("a", "")),
        lock(("a", FILE + FILE)),
        lock(("a", FILE.replace("b3:", "b3:b3:"))),
        lock(("a", FILE.replace(ID, ID.upper()))),
        lock(("a", FILE.replace(ID, "ab " * 21 + "a"))),
        lock(("a", FILE.replace(ID, ID[:-1]))),
        lock(("a", FILE.replace(f'"b3:{ID}"', "5"))),
        lock(("a", FILE.replace("5", "-5"))),
        lock(("a", FILE.replace("5", "05"))),
        lock(("a", FILE.replace("5", "5.0"))),
        lock(("a", FILE.replace("5", str(1 << 63)))),
        lock(("a", FILE.replace("5", "9" * 5000))),
        lock(("a", FILE.replace("5", '"5"'))),
        lock(("a", FILE.replace("5", "0"))),
        lock(("a", FILE.replace("5", "262145"))),
        lock(("a", FILE.replace(PRINT, ""))),
        lock(("a", FILE.replace(PRINT, 'fingerprint = "00"\n'))),
        lock(("a", FILE + f'sha256 = "{ID}"\n')),
        lock(("a", LINK.replace("5", "0"))),
        lock(("a", LINK.replace("5", "262145"))),
        lock(("a", DATASET.replace("files = 1\n", ""))),
        lock(("a", 'kind = "external"\nuri = 5\netag = ""\nsize = 1\n')),
        lock(("a", f'kind = "external"\nuri = "{"x" * 4097}"\netag = ""\nsize = 1\n')),
        lock(("a", FILE.replace('"file"', '"\\ud800"'))),
        lock(("a", FILE.replace('"file"', '"\\U00110000"'))),
        lock(("a", FILE.replace('"file"', '"\\x66ile"'))),
    ],
)
def test_what_is_no_lock_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData, match=r"xver\.lock is damaged"):
        decode_lock(data)


@pytest.mark.parametrize(
    "data",
    [
        b'format = 2\nrepository = "r"\nrest = 1\n',
        HEAD.encode() + b"rest = 1\n",
        lock(("a", FILE.replace('"file"', '"fifo"'))),
        lock(("a", FILE + "mode = 420\n")),
        lock(("a", LINK + PRINT)),
    ],
)
def test_what_rewriting_would_lose_needs_a_newer_xver(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        decode_lock(data)
    assert caught.value.hint is not None


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line",
    [
        b" " * (1 << 22) + b"x",
        b'["' + b"\\" * (1 << 22),
        b"a." * (1 << 21),
        b"a = " + b"[" * (1 << 22),
        b'a = "' + b'\\"' * (1 << 21),
    ],
    ids=["spaces", "escapes", "dots", "brackets", "quotes"],
)
def test_hostile_text_takes_linear_time(line: bytes) -> None:
    with pytest.raises(CorruptData):
        decode_lock(HEAD.encode() + line + b"\n")

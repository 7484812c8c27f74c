"""Addresses: what they name, and which are refused before anything is contacted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xver.errors import InvalidInput
from xver.storage.local import LocalStorage
from xver.storage.locate import locate, path_of


@pytest.mark.parametrize("url", ["remote", "./remote", "FILE"])
def test_a_path_is_a_folder_taken_from_the_base(tmp_path: Path, url: str) -> None:
    storage = locate((tmp_path / "remote").as_uri() if url == "FILE" else url, base=tmp_path)
    assert isinstance(storage, LocalStorage)
    assert Path(storage.url) == tmp_path / "remote"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket.with.dots/a b/[c]*", "s3://bucket.with.dots/a b/[c]*"),
    ],
)
def test_a_bucket_is_shown_as_it_is_typed(tmp_path: Path, url: str, shown: str) -> None:
    assert locate(url, base=tmp_path, endpoint_url="https://minio.lab:9000").url == shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "an address is needed"),
        (" ", "an address is needed"),
        ("gs://bucket/a", "gs:// addresses"),
        ("sftp://host/a", "sftp:// addresses"),
        ("memory://a", "memory:// addresses"),
        ("http://host/a", "http:// addresses"),
        ("s3://", "no name of a bucket"),
        ("s3:///a", "no name of a bucket"),
        ("s3://b", "no name of a bucket"),
        ("s3://key:secret@bucket/a", "credentials"),
        ("s3://key@bucket/a", "credentials"),
        ("s3://bucket/a//b", "no prefix"),
        ("s3://bucket/../a", "no prefix"),
        ("s3://bucket/./a", "no prefix"),
        ("s3://bucket/a?versionId=1", "no prefix"),
        ("s3://bucket/a#b", "no prefix"),
        ("s3://bucket/a\\b", "no prefix"),
        ("s3://bucket/a\nb", "an address is needed"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_with_a_hint(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        locate(url, base=tmp_path)
    assert caught.value.hint
    assert "secret@" not in caught.value.message


@pytest.mark.parametrize(
    "endpoint", ["minio.lab:9000", "ftp://host", "https://", "http://host:port", "http://key:secret@host"]
)
def test_a_server_that_cannot_be_one_is_refused(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="server"):
        locate("s3://bucket/a", base=tmp_path, endpoint_url=endpoint)


def test_naming_a_bucket_loads_no_client_of_it() -> None:
    code = "import sys; from pathlib import Path; from xver.storage.locate import locate\n"
    code += "locate('s3://bucket/a', base=Path())\nprint({'fsspec', 's3fs', 'botocore', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "set()\n"


def test_without_the_client_the_hint_installs_it(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from xver.storage.locate import locate\n"
    code += "sys.modules['s3fs'] = None\n"
    code += "try: locate('s3://bucket/a', base=Path())\nexcept Exception as e: print(type(e).__name__, e.hint)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "InvalidInput pip install 'xver[s3]'\n"


@pytest.mark.parametrize(
    ("quoted", "windows", "path"),
    [
        ("/a%20b/c", False, "/a b/c"),
        ("/C:/x", False, "/C:/x"),
        ("/C:/x%20y", True, "C:/x y"),
        ("/c%3A/x", True, "c:/x"),
        ("/share/x", True, "/share/x"),
    ],
)
def test_the_path_of_a_file_address(quoted: str, windows: bool, path: str) -> None:
    assert path_of(quoted, windows=windows) == path

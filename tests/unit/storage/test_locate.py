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
        ("gs://bucket/a/b/", "gs://bucket/a/b"),
        ("az://container/a/b/", "az://container/a/b"),
    ],
)
def test_a_bucket_is_shown_as_it_is_typed(tmp_path: Path, url: str, shown: str) -> None:
    assert locate(url, base=tmp_path, endpoint_url="https://minio.lab:9000").url == shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "an address is needed"),
        (" ", "an address is needed"),
        ("S3://bucket/a", "S3:// addresses"),
        ("abfs://container/a", "abfs:// addresses"),
        ("gs://", "no name of a bucket"),
        ("gs://key@bucket/a", "credentials"),
        ("gs://bucket/a//b", "no prefix"),
        ("az://key:secret@container/a", "credentials"),
        ("az://container/a?sig=secret", "no prefix"),
        ("az:///a", "no name of a container"),
        ("sftp://host", "names no folder"),
        ("sftp://host/", "names no folder"),
        ("sftp://host/~", "names no folder"),
        ("sftp:///a", "no address of a host"),
        ("sftp://-oProxyCommand=x/a", "no address of a host"),
        ("sftp://host:port/a", "no address of a host"),
        ("sftp://ada:secret@host/a", "credentials"),
        ("sftp://host/a/../b", "no prefix"),
        ("sftp://host/a?b", "no address of a host"),
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


@pytest.mark.parametrize(
    "url", ["sftp://host/a/b", "sftp://ada@host:2222/a", "sftp://host/~/a", "sftp://[::1]:22/a", "sftp://host/a/"]
)
def test_a_folder_on_a_host_is_shown_as_it_is_typed(tmp_path: Path, url: str) -> None:
    assert locate(url, base=tmp_path).url == url.rstrip("/")


def test_a_host_has_no_other_server(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="names its server itself"):
        locate("sftp://host/a", base=tmp_path, endpoint_url="https://host")


def test_an_account_is_spoken_to_by_https_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="https only"):
        locate("az://container/a", base=tmp_path, endpoint_url="http://account.blob.core.windows.net")


_SHAPES = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, sftp://host/path, or a folder's path"


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("s3:", _SHAPES),
        ("gs:/", _SHAPES),
        ("az:container/a", "did you mean az://container/a?"),
        ("S3:/bucket/a/", "did you mean s3://bucket/a?"),
        ("file:a/b", "did you mean file:///a/b?"),
        ("ada@host:/srv/x", "did you mean sftp://ada@host/srv/x?"),
        ("ada@host:x", "did you mean sftp://ada@host/~/x?"),
        ("https:", _SHAPES),
        ("host:path", _SHAPES),
    ],
)
def test_a_mistyped_address_makes_no_folder(tmp_path: Path, url: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match="is no address") as caught:
        locate(url, base=tmp_path)
    assert caught.value.hint == f"{meant}; a folder of that name: ./{url}"
    assert Path(locate(f"./{url}", base=tmp_path).url) == tmp_path / url
    assert Path(locate(f"a/{url}", base=tmp_path).url) == tmp_path / "a" / url


@pytest.mark.parametrize("url", ["s3://", "gs://", "az://", "sftp://", "file://"])
def test_a_scheme_with_nothing_behind_it_names_nothing(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        locate(url, base=tmp_path)
    assert caught.value.hint is not None


@pytest.mark.parametrize("url", ["C:\\data", "c:/data", "D:"])
def test_a_drive_is_a_folder_on_windows_alone(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    locate(url, base=tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(InvalidInput, match="a drive of Windows"):
        locate(url, base=tmp_path)


def test_a_folder_needs_nothing_that_a_bucket_needs() -> None:
    code = "import sys; from pathlib import Path; from xver.storage.locate import locate\n"
    code += "locate('folder', base=Path())\n"
    code += "print({'asyncio', 'xver.storage.s3', 'xver.storage.cloud', 'xver.storage.sftp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("url", ["s3://bucket/a", "gs://bucket/a", "az://container/a", "sftp://host/a"])
def test_naming_a_bucket_loads_no_client_of_it(url: str) -> None:
    code = "import sys; from pathlib import Path; from xver.storage.locate import locate\n"
    code += f"locate({url!r}, base=Path())\n"
    code += "print({'fsspec', 's3fs', 'botocore', 'aiohttp', 'gcsfs', 'adlfs', 'asyncssh'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("s3://bucket/a", "s3fs", "s3"),
        ("gs://bucket/a", "gcsfs", "gcs"),
        ("az://container/a", "adlfs", "azure"),
        ("sftp://host/a", "asyncssh", "sftp"),
    ],
)
def test_without_the_client_the_hint_installs_it(url: str, package: str, extra: str) -> None:
    code = "import sys; from pathlib import Path; from xver.storage.locate import locate\n"
    code += f"sys.modules[{package!r}] = None\n"
    code += f"try: locate({url!r}, base=Path())\nexcept Exception as e: print(type(e).__name__, e.hint)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == f"InvalidInput pip install 'xver[{extra}]'\n"


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

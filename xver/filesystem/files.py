"""fsspec's filesystem over versions: what pandas, polars, pyarrow, duckdb, dask and torch open addresses with.

One class for `xver://` and one for each kind of remote; fsspec finds them by the entry points of the package.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

from fsspec.spec import AbstractFileSystem, make_instance
from fsspec.utils import stringify_path, tokenize

from xver.errors import NotFound
from xver.filesystem.addresses import PREFIX, Address, parse_address
from xver.filesystem.originals import Original
from xver.filesystem.sources import LocalSource, RemoteSource, Source
from xver.filesystem.trees import Folder, Found, Tree
from xver.model.entries import External, File, Link
from xver.repo import open_repo
from xver.store.ranges import Range, open_content, read_ranges

_WRITES: Final = (
    *("_put_file", "_rm", "copy", "cp", "cp_file", "delete", "makedir", "makedirs", "mkdir", "mkdirs", "move", "mv"),
    *("pipe", "pipe_file", "put", "put_file", "rename", "rm", "rm_file", "rmdir", "start_transaction", "touch"),
    *("upload", "write_bytes", "write_text"),
)


_YEARS: Final = 50 * 365 * 86_400 * 1_000_000


class VersionedFiles(AbstractFileSystem):  # type: ignore[misc]
    """Files of versions, read-only. Use it from any thread and any process; it pickles.

    Args:
        rev: the version that paths without one of their own mean.
        endpoint_url: the server of an S3-compatible bucket.
        repo: a folder of the repository that `xver://` means; by default the one around the current folder.

    Errors are those fsspec's users expect: FileNotFoundError for what is not there (a version, too), PermissionError
    for every attempt to write. Damaged content raises `CorruptData`, a storage that fails `StorageError`.
    """

    protocol: ClassVar[str | tuple[str, ...]] = PREFIX
    root_marker = ""
    is_remote: ClassVar[bool] = False

    def __init__(
        self, rev: str | None = None, endpoint_url: str | None = None, repo: str | None = None, **options: Any
    ) -> None:
        super().__init__(rev=rev, endpoint_url=endpoint_url, repo=repo, **options)
        self._rev = rev
        self._endpoint_url = endpoint_url
        self._repo = repo
        self._sources: dict[str, Source] = {}
        self._roots: dict[str, Path] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text = stringify_path(path)
        for protocol in (cls.protocol,) if isinstance(cls.protocol, str) else cls.protocol:
            text = text.removeprefix(f"{protocol}://")
        return str(parse_address(text, is_remote=cls.is_remote))

    @classmethod
    def _parent(cls, path: str) -> str:
        address = parse_address(cls._strip_protocol(path), is_remote=cls.is_remote)
        return str(address.at(address.path.rpartition("/")[0]))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder, or the one file that is there."""
        tree, address = self._at(path)
        found = self._found(tree, address)
        if isinstance(found, Folder):
            prefix = f"{address.path}/" if address.path else ""
            infos = [_info(address.at(prefix + name), one) for name, one in tree.children(address.path)]
        else:
            infos = [_info(address, found)]
        infos.sort(key=lambda info: info["name"])
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size, type, and for a file its id (also as ETag), fingerprint, SHA-256 and whether it may run.

        A link that leads out of its dataset has the type "link". A file known by its address alone has that as "uri".
        """
        tree, address = self._at(path)
        return _info(address, self._found(tree, address))

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        """Return all files below a folder."""
        if maxdepth is not None or withdirs:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        tree, address = self._at(path)
        infos = {(one := _info(address.at(name), found))["name"]: one for name, found in tree.files(address.path)}
        return dict(sorted(infos.items())) if detail else sorted(infos)

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether there is something; a storage that cannot be reached is no answer, and raises."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isfile(self, path: str) -> bool:
        """Tell whether there is a file."""
        return self.exists(path) and self.info(path)["type"] == "file"

    def isdir(self, path: str) -> bool:
        """Tell whether there is a folder."""
        return self.exists(path) and self.info(path)["type"] == "directory"

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return a file's bytes, or those from `start` to `end`; negative ones count from its end."""
        return self._read([path], [start], [end])[0]

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Return ranges of several files, fetched together: a thousand small files cost a few requests."""
        del max_gap  # neighbours are read together anyway
        first = list(starts) if isinstance(starts, Sequence) else [starts] * len(paths)
        last = list(ends) if isinstance(ends, Sequence) else [ends] * len(paths)
        if not len(paths) == len(first) == len(last):
            raise ValueError("as many paths as starts and ends are needed")
        missing: dict[int, Exception] = {}
        found = self._read(paths, first, last, None if on_error == "raise" else missing)
        return [missing.get(at, data) for at, data in enumerate(found)]

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any) -> Any:
        """Return a file's bytes, or those of several by path."""
        if isinstance(path, str) and not recursive and not any(sign in path for sign in "*?["):
            return self.cat_file(path, **options)
        paths = [one for one in self.expand_path(path, recursive=recursive) if not (recursive and self.isdir(one))]
        found = dict(zip(paths, self.cat_ranges(paths, None, None, on_error=on_error), strict=True))
        return {one: data for one, data in found.items() if on_error != "omit" or not isinstance(data, Exception)}

    def checksum(self, path: str) -> int:
        """Return a number that is the same as long as the content is."""
        return int(tokenize(self.info(path).get("id", path)), 16)

    def ukey(self, path: str) -> str:
        """Return the id of the content."""
        return str(self.info(path).get("id", path))

    def modified(self, path: str) -> datetime:
        """Return a time that differs if and only if the content does: of files, versions keep no times.

        duckdb asks for one, to know whether what it has cached is still right.
        """
        number = int.from_bytes(hashlib.blake2b(self.ukey(path).encode(), digest_size=8).digest(), "big") % _YEARS
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look versions of remotes up anew: a branch may have moved."""
        del path
        self._sources, self._roots = {}, {}

    def __reduce__(self) -> Any:
        """Pickle with the folder of this repository: another process may run in another one."""
        return make_instance, (type(self), self.storage_args, {**self.storage_options, "repo": self._home})

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedReader:
        if mode != "rb":
            _refuse(path)
        tree, address = self._at(path)
        found = tree.find(address.path)
        if isinstance(found, External):
            return Original(found).open()
        file = _as_file(address, found)
        return open_content(tree.store, file.id, file.size)

    def _read(
        self,
        paths: Sequence[str],
        starts: Sequence[int | None],
        ends: Sequence[int | None],
        missing: dict[int, Exception] | None = None,
    ) -> list[bytes]:
        """Return what was asked for; what is not there is raised, or put into `missing` and read as nothing."""
        addresses = [self._address(path) for path in paths]
        results: dict[int, bytes] = {}
        groups: dict[tuple[str, str | None], list[int]] = {}
        for at, one in enumerate(addresses):
            groups.setdefault((one.store, one.rev), []).append(at)
        for members in groups.values():
            with _noted(missing, members):
                tree = self._tree(addresses[members[0]])
                found = tree.find_many(addresses[at].path for at in members)
                ranges, stored = [], []
                for at in members:
                    here = found[addresses[at].path]
                    if isinstance(here, External):
                        low, high, _ = slice(starts[at], ends[at]).indices(here.size)
                        results[at] = Original(here).read(low, high)
                        continue
                    with _noted(missing, [at]):
                        file = _as_file(addresses[at], here)
                        low, high, _ = slice(starts[at], ends[at]).indices(file.size)
                        ranges.append(Range(file.id, file.size, low, high))
                        stored.append(at)
                results.update(zip(stored, read_ranges(tree.store, ranges), strict=True))
        return [results.get(at, b"") for at in range(len(paths))]

    def _found(self, tree: Tree, address: Address) -> Found:
        found = tree.find(address.path)
        if found is None:
            raise _missing(address)
        return found

    def _at(self, path: str) -> tuple[Tree, Address]:
        address = self._address(path)
        return self._tree(address), address

    def _address(self, path: str) -> Address:
        return parse_address(self._strip_protocol(path), is_remote=self.is_remote)

    def _tree(self, address: Address) -> Tree:
        try:
            return self._source(address.store).tree(self._rev if address.rev is None else address.rev)
        except NotFound as error:
            hint = f" ({error.hint})" if error.hint else ""
            raise FileNotFoundError(errno.ENOENT, error.message + hint, str(address)) from error

    def _source(self, store: str) -> Source:
        key = store or str(self._repository())
        source = self._sources.get(key)
        if source is None:
            source = self._sources.setdefault(key, self._new_source(key))
        return source

    def _new_source(self, store: str) -> Source:
        return LocalSource(open_repo(store).root)

    def _repository(self) -> Path:
        start = os.getcwd() if self._repo is None else self._repo
        root = self._roots.get(start)
        if root is None:
            root = self._roots[start] = open_repo(start).root
        return root

    @property
    def _home(self) -> str | None:
        try:
            return str(self._repository())
        except NotFound:
            return None


class RemoteFiles(VersionedFiles):
    """Files of versions in a store anywhere: `xver+s3://bucket/prefix//path@version`."""

    scheme: ClassVar[str]
    is_remote = True

    def _new_source(self, store: str) -> Source:
        return RemoteSource(f"{self.scheme}://{store}", endpoint_url=self._endpoint_url)

    def _repository(self) -> Path:
        raise FileNotFoundError(errno.ENOENT, "an address of a store is needed, as in bucket/prefix//path@version")

    @property
    def _home(self) -> str | None:
        return None


class S3Files(RemoteFiles):
    """Files of versions in an S3 bucket."""

    protocol = "xver+s3"
    scheme = "s3"


class GoogleFiles(RemoteFiles):
    """Files of versions in a bucket of Google Cloud Storage."""

    protocol = "xver+gs"
    scheme = "gs"


class AzureFiles(RemoteFiles):
    """Files of versions in a container of Azure Blob Storage."""

    protocol = "xver+az"
    scheme = "az"


class SftpFiles(RemoteFiles):
    """Files of versions in a folder of an SFTP server."""

    protocol = "xver+sftp"
    scheme = "sftp"


class FolderFiles(RemoteFiles):
    """Files of versions in a store that is a folder: `xver+file:///mnt/team/survey//path@version`."""

    protocol = "xver+file"
    scheme = "file"


KINDS: Final = (VersionedFiles, S3Files, GoogleFiles, AzureFiles, SftpFiles, FolderFiles)


def register() -> None:
    """Make fsspec know the protocols where the package is not installed, so its entry points are not found."""
    from fsspec import register_implementation

    for kind in KINDS:
        register_implementation(kind.protocol, kind, clobber=True)


@contextmanager
def _noted(missing: dict[int, Exception] | None, asked: Sequence[int]) -> Iterator[None]:
    """Put what is not there into `missing`, if there is such, for each that was asked."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        if missing is None:
            raise
        missing |= dict.fromkeys(asked, error)


def _as_file(address: Address, found: Found | None) -> File:
    match found:
        case File():
            return found
        case None:
            raise _missing(address)
        case Folder():
            raise IsADirectoryError(errno.EISDIR, "this is a folder", str(address))
        case Link():
            raise FileNotFoundError(errno.ENOENT, "a link that leads out of its dataset, or to a folder", str(address))
        case External():
            raise FileNotFoundError(errno.ENOENT, f"not stored here; it is at {found.uri}", str(address))


def _missing(address: Address) -> FileNotFoundError:
    version = "the default version" if address.rev is None else address.rev
    return FileNotFoundError(errno.ENOENT, f"not tracked at {version}", str(address))


def _info(address: Address, found: Found) -> dict[str, Any]:
    info: dict[str, Any] = {"name": str(address), "size": 0, "type": "directory"}
    match found:
        case Folder():
            if found.dataset is not None:
                info |= {"id": f"b3:{found.dataset.id.hex()}", "files": found.dataset.files}
        case File():
            id = f"b3:{found.id.hex()}"
            info |= {"size": found.size, "type": "file", "id": id, "ETag": id, "executable": found.executable}
            info |= {"fingerprint": found.fingerprint.hex(), "sha256": found.sha256 and found.sha256.hex()}
        case Link():
            info |= {"size": found.size, "type": "link", "islink": True}
        case External():
            info |= {"size": found.size, "type": "file", "uri": found.uri, "ETag": found.etag}
    return info


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise PermissionError(errno.EROFS, "versions are never written to: change the files, then xver add and xver commit")


for _name in _WRITES:
    setattr(VersionedFiles, _name, _refuse)

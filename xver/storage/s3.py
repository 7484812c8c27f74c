"""Buckets of S3 and of servers that speak like it (SeaweedFS, MinIO, R2), through s3fs.

Credentials, region and proxies are those that every AWS tool uses. One request an object, never an upload in parts:
it would let several creators win and, killed, stay billed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from xver.errors import StorageError
from xver.storage.addresses import check_endpoint, need, split_bucket
from xver.storage.base import IS, KEPT, Stat
from xver.storage.buffers import new_buffer
from xver.storage.cloud import Body, Client, CloudStorage, http_time
from xver.storage.cloud_errors import Address, Advice, answer

_BLOCK: Final = 256 * 1024
SHAPE: Final = "s3://bucket/prefix"
_ONE_REQUEST: Final = 5 * 1024**3  # the largest object that one PUT may bring
_UNKEPT: Final = "null"
"""The version of an object that the next one overwrites."""
_HOME: Final = ("HOME", "USERPROFILE")
_FILES: Final = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
_NO_VERSIONS: Final = frozenset({403, 405, 501})


def locate_s3(url: str, endpoint_url: str | None = None) -> CloudStorage:
    """Return the storage at `s3://bucket/prefix`; `endpoint_url` names the server where it is not Amazon's.

    Raises:
        InvalidInput: an address that cannot be one, that holds credentials, or whose client is not installed.
    """
    bucket, prefix = split_bucket(
        url, shape=SHAPE, bucket="bucket", credentials="in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or in ~/.aws"
    )
    server = check_endpoint(endpoint_url)
    need("s3fs", scheme="s3", extra="s3")
    where = f"s3://{bucket}/{prefix}".rstrip("/")
    address = Address(where, bucket, server, prefix=prefix, advice=_advice(bucket, server))
    return CloudStorage(address, lambda: S3Client(bucket, server))


def _advice(bucket: str, endpoint_url: str | None) -> Advice:
    server = f" --endpoint-url {endpoint_url}" if endpoint_url else ""
    profile = f" --profile {os.environ['AWS_PROFILE']}" if os.environ.get("AWS_PROFILE") else ""
    return Advice(
        make_bucket=f"aws s3 mb s3://{bucket}{server}",
        credentials="aws configure, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        refused="check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws configure list",
        renew=f"aws sso login{profile}, or renew them",
        region="export AWS_DEFAULT_REGION=…, the bucket's region",
        certificate="export AWS_CA_BUNDLE=…, the file of its authority",
    )


def _configuration() -> tuple[object, ...]:
    """Return what changes whenever clients should be set up otherwise: the process, its variables, and both files."""
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(("AWS_", "BOTO")) or name in _HOME
    }
    files = [os.environ.get(name) or path for name, path in _FILES.items()]
    return (os.getpid(), *sorted(variables.items()), *(_stamp(os.path.expanduser(path)) for path in files))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=4)
def _session(configuration: tuple[object, ...]) -> Any:
    """Return what clients have in common: with one of its own each takes 10 MB for long, and three times as long."""
    del configuration
    from aiobotocore.session import AioSession

    return AioSession()


class S3Client(Client):
    """One bucket, through s3fs."""

    def __init__(self, bucket: str, endpoint_url: str | None) -> None:
        import s3fs

        self._bucket = bucket
        self._is_amazon = endpoint_url is None
        self._files: Any = s3fs.S3FileSystem(
            endpoint_url=endpoint_url,
            session=_session(_configuration()),
            skip_instance_cache=True,
            use_listings_cache=False,
            # One GET an object: with more, every whole read asks for the size first. Ranges are our own to spread.
            max_concurrency=1,
            config_kwargs={
                "connect_timeout": 5,
                "read_timeout": 60,
                "max_pool_connections": 64,
                "retries": {"max_attempts": 3, "mode": "standard"},
                # Other servers than Amazon's do not know the newer checksums; frames have their own.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        )
        # The client below repeats already; times five, a server that hangs would be waited for for an hour.
        self._files.retries = 1

    def read(self, path: str, start: int | None, end: int | None) -> bytes | memoryview:
        if start is not None and end is not None:
            return self._read_range(path, start, end, {})
        return bytes(self._files.cat_file(f"{self._bucket}/{path}", start=start, end=end))

    def write(self, path: str, body: Body, *, is_new: bool) -> None:
        mode = "create" if is_new else "overwrite"
        self._files.pipe_file(f"{self._bucket}/{path}", body, mode=mode, chunksize=_ONE_REQUEST)

    def look(self, path: str) -> Stat | None:
        found = self._files.info(f"{self._bucket}/{path}")
        return Stat(path, int(found["size"]), str(found.get("ETag", ""))) if found["type"] == "file" else None

    def find(self, prefix: str) -> Iterator[Stat]:
        # Asked below the bucket with a prefix, an empty answer costs no second request.
        found = self._files.find(self._bucket, prefix=prefix, detail=True)
        for path, facts in found.items():
            name = path[len(self._bucket) + 1 :]
            if facts["type"] == "file" and name.startswith(prefix):
                yield Stat(name, int(facts["size"]), str(facts.get("ETag", "")))

    def remove(self, path: str) -> None:
        self._files.rm_file(f"{self._bucket}/{path}")

    def find_kept(self, prefix: str) -> Iterator[Stat]:
        # Two lists, as only the plain one has what a condition names: SeaweedFS computes other ETags for versions.
        kept = self._kept(prefix)
        return (kept.get(one.key, one) for one in self.find(prefix))

    def _kept(self, prefix: str) -> dict[str, Stat]:
        """Return the objects whose newest version stays when it is overwritten or deleted, by their paths."""
        try:
            return {
                one["Key"]: Stat(one["Key"], int(one["Size"]), str(one.get("ETag", "")), str(one["VersionId"]))
                for one in self._versions(prefix)
                if one.get("IsLatest", True) and one.get("VersionId", _UNKEPT) != _UNKEPT
            }
        except Exception as error:
            # Who may not list versions, or a server that has none: then none is known to be kept.
            if answer(error).status not in _NO_VERSIONS:
                raise
            return {}

    def read_pinned(self, path: str, start: int, end: int, pin: str) -> bytes | memoryview:
        name = pin.removeprefix(KEPT if pin.startswith(KEPT) else IS)
        asked = {"VersionId": name} if pin.startswith(KEPT) else {"IfMatch": name}
        return self._read_range(path, start, end, asked)

    def _read_range(self, path: str, start: int, end: int, asked: Mapping[str, str]) -> memoryview:
        from fsspec.asyn import sync

        data = new_buffer(end - start)
        return data[: sync(self._files.loop, self._read_into, data, path, start, asked)]

    async def _read_into(self, data: memoryview, path: str, start: int, asked: Mapping[str, str]) -> int:
        # What s3fs has for it takes no conditions, and copies everything once more at the end.
        found = await self._files._call_s3(  # noqa: SLF001
            "get_object", Bucket=self._bucket, Key=path, Range=f"bytes={start}-{start + len(data) - 1}", **asked
        )
        body = found["Body"]
        done = 0
        try:
            while block := await body.read(_BLOCK):
                if done + len(block) > len(data):
                    raise StorageError(f"{path} has other bytes than were asked for: the server knows no ranges")
                data[done : done + len(block)] = block
                done += len(block)
        finally:
            body.close()
        return done

    def old_versions(self, prefix: str) -> Iterator[str]:
        # Without versioning the one version of an object is the object; what was there before it was turned on
        # stays as the version "null" when it is deleted.
        return (
            one["Key"]
            for one in self._versions(prefix)
            if one.get("VersionId", _UNKEPT) != _UNKEPT or not one.get("IsLatest", True)
        )

    def _versions(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        """Yield what the server says of each version that there is of each object below a prefix."""
        more: dict[str, Any] = {}
        while True:
            found = self._files.call_s3("list_object_versions", Bucket=self._bucket, Prefix=prefix, **more)
            yield from found.get("Versions", ())
            if not found.get("IsTruncated"):
                return
            more = {"KeyMarker": found["NextKeyMarker"], "VersionIdMarker": found["NextVersionIdMarker"]}

    def identity(self) -> str:
        from fsspec.asyn import sync

        self._files.connect()
        return str(sync(self._files.loop, self._who))

    def clock(self) -> float | None:
        found = self._files.call_s3("list_objects_v2", Bucket=self._bucket, MaxKeys=1)
        return http_time(found["ResponseMetadata"]["HTTPHeaders"].get("date"))

    async def _who(self) -> str:
        session = self._files.session
        if self._is_amazon:
            async with session.create_client("sts") as sts:
                return str((await sts.get_caller_identity())["Arn"])
        credentials = await session.get_credentials()
        if credentials is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        key = (await credentials.get_frozen_credentials()).access_key
        return f"access key …{key[-4:]}"

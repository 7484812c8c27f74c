"""Buckets of Google Cloud Storage, through gcsfs.

Credentials are Google's application default ones, and nothing else: what `gcloud auth application-default login` or
GOOGLE_APPLICATION_CREDENTIALS gives. A create is one upload with `ifGenerationMatch=0`, never a resumable one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import logging
import os
from collections.abc import Iterator
from typing import Any, Final

from xver.storage.addresses import check_endpoint, need, split_bucket
from xver.storage.base import Stat
from xver.storage.cloud import Body, Client, CloudStorage, http_time
from xver.storage.cloud_errors import Address, Advice

SHAPE: Final = "gs://bucket/prefix"
_ONE_REQUEST: Final = 5 * 1024**4  # the largest object there is
_ATTEMPTS: Final = 3
_LOGIN: Final = "gcloud auth application-default login"


def locate_gcs(url: str, endpoint_url: str | None = None) -> CloudStorage:
    """Return the storage at `gs://bucket/prefix`; `endpoint_url` names the server where it is not Google's.

    Raises:
        InvalidInput: an address that cannot be one, that holds credentials, or whose client is not installed.
    """
    bucket, prefix = split_bucket(
        url, shape=SHAPE, bucket="bucket", credentials=f"from {_LOGIN} or in GOOGLE_APPLICATION_CREDENTIALS"
    )
    server = check_endpoint(endpoint_url)
    need("gcsfs", scheme="gs", extra="gcs")
    advice = Advice(
        make_bucket=f"gcloud storage buckets create gs://{bucket}",
        credentials=f"{_LOGIN}, or set GOOGLE_APPLICATION_CREDENTIALS",
        refused=f"{_LOGIN}, or check GOOGLE_APPLICATION_CREDENTIALS",
        renew=_LOGIN,
    )
    address = Address(f"gs://{bucket}/{prefix}".rstrip("/"), bucket, server, prefix=prefix, advice=advice)
    return CloudStorage(address, lambda: GcsClient(bucket, server))


class GcsClient(Client):
    """One bucket, through gcsfs."""

    def __init__(self, bucket: str, endpoint_url: str | None) -> None:
        import aiohttp

        # Not gcsfs.GCSFileSystem: that asks for the kind of the bucket, with one more client, before it begins.
        from gcsfs.core import GCSFileSystem

        # It logs what it raises, too, and what nobody handles goes to stderr.
        logging.getLogger("gcsfs").addHandler(logging.NullHandler())
        emulator = os.environ.get("STORAGE_EMULATOR_HOST")
        self._bucket = bucket
        self._is_there = False
        self._files: Any = GCSFileSystem(
            # An emulator, by Google's own convention, takes no credentials.
            token="anon" if emulator else "google_default",
            endpoint_url=endpoint_url,
            skip_instance_cache=True,
            use_listings_cache=False,
            requests_timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60),
        )
        self._files._request = functools.partial(_patient, self._files)  # noqa: SLF001 - its attempts are fixed

    def read(self, path: str, start: int | None, end: int | None) -> bytes:
        with self._worded():
            return bytes(self._files.cat_file(f"{self._bucket}/{path}", start=start, end=end))

    def write(self, path: str, body: Body, *, is_new: bool) -> None:
        mode = "create" if is_new else "overwrite"
        with self._worded(found_all=True):
            self._files.pipe_file(f"{self._bucket}/{path}", body.getvalue(), mode=mode, chunksize=_ONE_REQUEST)

    def look(self, path: str) -> Stat | None:
        with self._worded():
            found = self._files.call("GET", "b/{}/o/{}", self._bucket, path, json_out=True, fields="size,generation")
        return Stat(path, int(found["size"]), str(found.get("generation", "")))

    def find(self, prefix: str) -> Iterator[Stat]:
        page = self._page(prefix)
        while True:
            for found in page.get("items", ()):
                yield Stat(found["name"], int(found["size"]), str(found.get("generation", "")))
            if not (token := page.get("nextPageToken")):
                return
            page = self._page(prefix, token)

    def remove(self, path: str) -> None:
        with self._worded():
            self._files.call("DELETE", "b/{}/o/{}", self._bucket, path)

    def identity(self) -> str:
        credentials = self._files.credentials.credentials
        if credentials is None:
            return "nobody (an emulator)"
        self._files.credentials.maybe_refresh()
        name = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
        return str(name or f"a user of gcloud ({type(credentials).__module__.rpartition('.')[2]})")

    def clock(self) -> float | None:
        with self._worded(found_all=True):
            headers, _ = self._files.call("GET", "b/{}/o", self._bucket, maxResults=1, fields="kind")
        return http_time(headers.get("Date"))

    def _page(self, prefix: str, token: str | None = None, size: int = 1000) -> dict[str, Any]:
        fields = "items(name,size,generation),nextPageToken"
        asked = {"prefix": prefix, "maxResults": size, "pageToken": token, "fields": fields}
        with self._worded(found_all=True):
            page = self._files.call("GET", "b/{}/o", self._bucket, json_out=True, **asked)
        self._is_there = True
        return dict(page)

    @contextlib.contextmanager
    def _worded(self, *, found_all: bool = False) -> Iterator[None]:
        """Give errors the answer that gcsfs drops; with `found_all` it is the bucket that a 404 is about."""
        try:
            yield
        except FileNotFoundError as error:
            if found_all:
                raise _Refused(404, "NoSuchBucket") from error
            if not self._is_there:
                # The words that tell an object from a bucket are gone, so the bucket is asked for, once.
                self._page("", size=1)
            raise
        except OSError as error:
            # What it makes of 403: the bare class, which nothing else raises without a number.
            if type(error) is OSError and error.errno is None:
                raise _Refused(403) from error
            raise


class _Refused(Exception):
    """What the server answered."""

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(code or str(status))
        self.status_code = status
        self.error_code = code


async def _patient(files: Any, *args: Any, data: Any = None, **options: Any) -> Any:
    """Send a request as gcsfs does, but for its six attempts over half a minute."""
    from aiohttp import ClientError
    from gcsfs.retry import HttpError, is_retriable
    from requests.exceptions import RequestException

    once = type(files)._request.__wrapped__  # noqa: SLF001 - below its decorator
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            # From a file the connection takes it bit by bit; plain bytes would be copied whole into its buffer.
            body = io.BytesIO(data) if isinstance(data, bytes) else data
            return await once(files, *args, data=body, **options)
        except (HttpError, ClientError, RequestException) as error:
            if attempt == _ATTEMPTS or not is_retriable(error):
                raise
        await asyncio.sleep(0.2 * 4**attempt / 4)
    raise AssertionError("unreachable")

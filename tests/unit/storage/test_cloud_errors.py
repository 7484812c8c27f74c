"""Whatever a cloud's client throws becomes one of ours, with a line that says what to do."""

from __future__ import annotations

import errno
from typing import Any

import aiohttp
import pytest
from botocore import exceptions as boto

from xver.errors import NotFound, StorageError, TransientStorageError, XverError
from xver.storage.cloud_errors import Address, answer, broke_off, translate
from xver.storage.s3 import _advice

ADDRESS = Address("s3://bucket/a", "bucket", "http://127.0.0.1:9", advice=_advice("bucket", "http://127.0.0.1:9"))


def refused(code: str, status: int, wrapped: type[OSError] = OSError) -> OSError:
    """Return what s3fs raises when a server refuses."""
    response: Any = {"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = wrapped(errno.EINVAL, "words")
    error.__cause__ = boto.ClientError(response, "PutObject")
    return error


def translated(error: BaseException) -> XverError:
    found = translate(error, "log/0", ADDRESS)
    assert "\n" not in found.message
    return found


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("NoSuchBucket", 404, "there is no bucket bucket behind s3://bucket/a"),
        ("InvalidAccessKeyId", 403, "does not accept these credentials (InvalidAccessKeyId)"),
        ("SignatureDoesNotMatch", 403, "does not accept these credentials (SignatureDoesNotMatch)"),
        ("ExpiredToken", 400, "have expired"),
        ("RequestTimeTooSkewed", 403, "clock is wrong"),
        ("AccessDenied", 403, "denies access"),
        ("403", 403, "denies access"),
        ("PermanentRedirect", 301, "lies in another region"),
        ("AuthorizationHeaderMalformed", 400, "lies in another region"),
        ("QuotaExceeded", 403, "is full"),
        ("InsufficientStorage", 507, "is full"),
        ("EntityTooLarge", 400, "EntityTooLarge"),
    ],
)
def test_a_refusal_that_will_not_pass(code: str, status: int, words: str) -> None:
    found = translated(refused(code, status))
    assert type(found) is StorageError
    assert words in found.message
    assert found.hint or code == "EntityTooLarge"


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("SlowDown", 503, "asks to slow down"),
        ("ServiceUnavailable", 503, "asks to slow down"),
        ("TooManyRequests", 429, "asks to slow down"),
        ("InternalError", 500, "failed (InternalError)"),
        ("502", 502, "failed (502)"),
        ("RequestTimeout", 400, "failed (RequestTimeout)"),
    ],
)
def test_a_refusal_that_may_pass(code: str, status: int, words: str) -> None:
    found = translated(refused(code, status))
    assert type(found) is TransientStorageError
    assert words in found.message
    assert found.hint


@pytest.mark.parametrize(
    "error",
    [refused("NoSuchKey", 404, FileNotFoundError), refused("404", 404), FileNotFoundError("bucket/a/log/0")],
)
def test_only_a_missing_object_is_not_found(error: BaseException) -> None:
    found = translated(error)
    assert type(found) is NotFound
    assert found.message == "s3://bucket/a has no log/0"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (boto.NoCredentialsError(), StorageError, "there are no credentials"),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), StorageError, "there are no credentials"),
        (boto.ProfileNotFound(profile="x"), StorageError, "there are no credentials"),
        (boto.UnauthorizedSSOTokenError(), StorageError, "the sign-in for s3://bucket/a has expired"),
        (boto.EndpointConnectionError(endpoint_url="u"), TransientStorageError, "at http://127.0.0.1:9"),
        (boto.ConnectTimeoutError(endpoint_url="u"), TransientStorageError, "cannot be reached"),
        (boto.ProxyConnectionError(proxy_url="u"), TransientStorageError, "cannot be reached"),
        (ConnectionRefusedError(), TransientStorageError, "cannot be reached"),
        (boto.SSLError(endpoint_url="u", error="e"), StorageError, "certificate"),
        (boto.ReadTimeoutError(endpoint_url="u"), TransientStorageError, "did not answer in time"),
        (TimeoutError(), TransientStorageError, "did not answer in time"),
        (boto.ConnectionClosedError(endpoint_url="u"), TransientStorageError, "broke off"),
        (boto.HTTPClientError(error="e"), TransientStorageError, "broke off"),
        (boto.ResponseStreamingError(error="e"), TransientStorageError, "broke off"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientStorageError, "broke off"),
        (aiohttp.ClientPayloadError(), TransientStorageError, "broke off"),
        (aiohttp.ServerDisconnectedError(), TransientStorageError, "broke off"),
        (ConnectionResetError(), TransientStorageError, "broke off"),
        (PermissionError("Forbidden"), StorageError, "denies access"),
        (boto.ParamValidationError(report="Invalid bucket\nmore"), StorageError, "ParamValidationError: "),
        (RuntimeError(""), StorageError, "failed: RuntimeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_is_thrown_without_an_answer(error: BaseException, kind: type[XverError], words: str) -> None:
    found = translated(error)
    assert type(found) is kind
    assert words in found.message


def test_a_hint_is_a_command_that_works_there() -> None:
    hint = translated(refused("NoSuchBucket", 404)).hint
    assert hint is not None
    assert "aws s3 mb s3://bucket --endpoint-url http://127.0.0.1:9" in hint


def test_the_answer_is_found_below_the_causes() -> None:
    inner = refused("SlowDown", 503)
    outer = RuntimeError()
    outer.__cause__ = inner
    assert (answer(outer).code, answer(outer).status) == ("SlowDown", 503)
    assert (answer(RuntimeError()).code, answer(RuntimeError()).status) == ("", 0)


def test_only_a_broken_connection_is_worth_asking_again() -> None:
    assert broke_off(aiohttp.ClientPayloadError())
    assert broke_off(boto.ResponseStreamingError(error="e"))
    assert not broke_off(boto.EndpointConnectionError(endpoint_url="u"))
    assert not broke_off(boto.ReadTimeoutError(endpoint_url="u"))
    assert not broke_off(refused("SlowDown", 503))

"""What a cloud's client threw, said once in our own words.

The clients raise whatever their layers have: OSError with and without errno, botocore's two unrelated trees, aiohttp's,
and errors of the standard library. What tells them apart is the server's own answer (its code, its HTTP status) where
there is one, and the name of the class where there is none. No text is ever matched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xver.errors import NotFound, StorageError, TransientStorageError, XverError


@dataclass(frozen=True, slots=True)
class Answer:
    """How a server refused: its code (`NoSuchKey`) and the HTTP status; empty and 0 where it never answered."""

    code: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Address:
    """What a message names: the storage, its bucket, and the server where it is not the provider's own."""

    url: str
    bucket: str
    endpoint_url: str | None = None


_REFUSED: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp"})
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "Redirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
    | {"IllegalLocationConstraintException"}
)
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_FULL: Final = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "InsufficientCapacity"})
_BUSY_STATUS: Final = frozenset({429, 503})

_NO_CREDENTIALS: Final = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
    | {"SSOError", "TokenRetrievalError", "LoginError", "MetadataRetrievalError", "ClientAuthenticationError"}
    | {"GoogleAuthError"}
)
_UNREACHABLE: Final = frozenset(
    {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "ClientConnectorError"}
    | {"ConnectionRefusedError", "gaierror", "ServiceRequestError"}
)
_UNTRUSTED: Final = frozenset({"SSLError", "ClientSSLError", "ClientConnectorCertificateError"})
_SILENT: Final = frozenset({"ReadTimeoutError", "TimeoutError", "FSTimeoutError", "ServerTimeoutError"})
_BROKEN: Final = frozenset(
    {"ConnectionClosedError", "ConnectionError", "HTTPClientError", "ResponseStreamingError", "IncompleteReadError"}
    | {"IncompleteRead", "ClientPayloadError", "ClientConnectionError", "ServerDisconnectedError", "EOFError"}
    | {"ResponseParserError", "ServiceResponseError"}
)
_HOPELESS: Final = _NO_CREDENTIALS | _UNREACHABLE | _UNTRUSTED | _SILENT


def answer(error: BaseException) -> Answer:
    """Return the server's answer behind an error."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            code = str(response.get("Error", {}).get("Code", ""))
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            # HEAD has no body: there botocore takes the status for the code.
            return Answer(code, int(status) or (int(code) if code.isdecimal() else 0))
    return Answer()


def broke_off(error: BaseException) -> bool:
    """Tell whether the connection was lost in the middle, so that asking again is worth a try."""
    return not answer(error).status and not _names(error).isdisjoint(_BROKEN) and _names(error).isdisjoint(_HOPELESS)


def translate(error: BaseException, key: str, address: Address) -> XverError:
    """Return the error to raise instead: `NotFound` for a missing key, else a `StorageError`."""
    said = answer(error)
    names = _names(error)
    if said.code == "NoSuchBucket":
        server = f" --endpoint-url {address.endpoint_url}" if address.endpoint_url else ""
        return StorageError(
            f"there is no bucket {address.bucket} behind {address.url}",
            hint=f"create it (aws s3 mb s3://{address.bucket}{server}), or correct the address: xver remote list",
        )
    if said.code in _MISSING or said.status == 404 or (not said.status and "FileNotFoundError" in names):
        return NotFound(f"{address.url} has no {key}")
    return _refusal(said, address.url) or _failure(names, said, address) or _unknown(error, said, address.url)


def _refusal(said: Answer, url: str) -> StorageError | None:
    """Translate what the server said."""
    if said.code in _REFUSED:
        return StorageError(
            f"{url} does not accept these credentials ({said.code})",
            hint="check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws configure list",
        )
    if said.code in _EXPIRED:
        return StorageError(f"the credentials for {url} have expired", hint="aws sso login, or renew them")
    if said.code in _SKEWED:
        return StorageError(f"{url} refuses requests because this machine's clock is wrong", hint="date -u")
    if said.code in _ELSEWHERE or said.status in (301, 307):
        return StorageError(f"{url} lies in another region", hint="export AWS_DEFAULT_REGION=…, the bucket's region")
    if said.code in _FULL or said.status == 507:
        return StorageError(f"{url} is full", hint="free some space there and try again")
    if said.status in _BUSY_STATUS or said.code == "SlowDown":
        return TransientStorageError(f"{url} is busy and asks to slow down", hint="try again in a minute")
    if said.code == "RequestTimeout" or said.status >= 500:
        return TransientStorageError(
            f"{url} failed ({said.code or said.status})", hint="try again; what was done is kept"
        )
    if said.status in (401, 403):
        return _denied(url)
    return None


def _failure(names: frozenset[str], said: Answer, address: Address) -> StorageError | None:
    """Translate what happened when the server said nothing."""
    if said.status:
        return None
    url = address.url
    if names & _NO_CREDENTIALS:
        return StorageError(
            f"there are no credentials for {url}",
            hint="aws configure, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if names & _UNTRUSTED:
        return StorageError(
            f"the certificate of {url} cannot be trusted", hint="export AWS_CA_BUNDLE=…, the file of its authority"
        )
    if names & _UNREACHABLE:
        return TransientStorageError(
            f"{url} cannot be reached{f' at {address.endpoint_url}' if address.endpoint_url else ''}",
            hint="check the network and the address (xver remote list), then try again",
        )
    if names & _SILENT:
        return TransientStorageError(f"{url} did not answer in time", hint="try again; what was done is kept")
    if names & _BROKEN:
        return TransientStorageError(f"the connection to {url} broke off", hint="try again; what was done is kept")
    return _denied(url) if "PermissionError" in names else None


def _denied(url: str) -> StorageError:
    return StorageError(
        f"{url} denies access", hint="ask its owner for the rights to list, read and write below that address"
    )


def _unknown(error: BaseException, said: Answer, url: str) -> StorageError:
    lines = str(error).strip().splitlines()
    return StorageError(f"{url} failed: {said.code or type(error).__name__}{': ' + lines[0] if lines else ''}")


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(kind.__name__ for one in _chain(error) for kind in type(one).__mro__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__

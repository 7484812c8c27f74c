"""What a server's client threw, said once in our own words.

The clients raise whatever their layers have: OSError with and without errno, botocore's two unrelated trees, aiohttp's,
Google's, Azure's, asyncssh's, and errors of the standard library. What tells them apart is the server's own answer (its
code, its HTTP status) where there is one, and the name of the class where there is none. No text is ever matched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from xver.errors import NotFound, StorageError, TransientStorageError, XverError


@dataclass(frozen=True, slots=True)
class Answer:
    """How a server refused: its code (`NoSuchKey`) and the HTTP status; empty and 0 where it never answered."""

    code: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Advice:
    """What to type when a target refuses: its own tools by their names, and its word for a bucket."""

    make_bucket: str
    credentials: str
    refused: str
    renew: str
    region: str = "correct the address: xver remote list"
    certificate: str = "export SSL_CERT_FILE=…, the file of its authority"
    rights: str = "ask its owner for the rights to list, read and write below that address"
    bucket: str = "bucket"


@dataclass(frozen=True, slots=True)
class Address:
    """What a message names: the storage, its bucket, the server where it is not the provider's own; and advice."""

    url: str
    bucket: str
    endpoint_url: str | None = None
    prefix: str = ""
    advice: Advice = field(kw_only=True)


_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_REFUSED: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "NotSignedUp", "AuthenticationFailed"}
    | {"InvalidAuthenticationInfo", "NoAuthenticationInformation"}
)
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_ELSEWHERE: Final = frozenset(
    {"PermanentRedirect", "Redirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
    | {"IllegalLocationConstraintException"}
)
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "BlobNotFound"})
_MISSING_NAMES: Final = frozenset({"FileNotFoundError", "SFTPNoSuchFile", "SFTPNoSuchPath", "SFTPNotADirectory"})
_FULL: Final = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "InsufficientCapacity"})
_FULL_NAMES: Final = frozenset({"SFTPNoSpaceOnFilesystem", "SFTPQuotaExceeded"})
_BUSY_STATUS: Final = frozenset({429, 503})

_SIGNED_OUT: Final = frozenset({"SSOError", "TokenRetrievalError", "LoginError", "RefreshError"})
_NO_CREDENTIALS: Final = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
    | {"MetadataRetrievalError", "ClientAuthenticationError", "GoogleAuthError"}
)
_UNKNOWN_HOST: Final = frozenset({"HostKeyNotVerifiable"})
_NO_ENTRY: Final = frozenset({"PermissionDenied", "IllegalUserName"})
_UNREACHABLE: Final = frozenset(
    {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "ClientConnectorError"}
    | {"ConnectionRefusedError", "gaierror", "ConnectionTimeoutError"}
)
_UNTRUSTED: Final = frozenset({"SSLError", "ClientSSLError", "ClientConnectorCertificateError"})
_SILENT: Final = frozenset({"ReadTimeoutError", "TimeoutError", "FSTimeoutError", "ServerTimeoutError"})
_BROKEN: Final = frozenset(
    {"ConnectionClosedError", "ConnectionError", "HTTPClientError", "ResponseStreamingError", "IncompleteReadError"}
    | {"IncompleteRead", "ClientPayloadError", "ClientConnectionError", "ServerDisconnectedError", "EOFError"}
    | {"ResponseParserError", "ServiceRequestError", "ServiceResponseError", "ProxyError"}
    | {"DisconnectError", "SFTPConnectionLost", "SFTPNoConnection", "ChannelOpenError", "SFTPBadMessage"}
)
_DENIED: Final = frozenset({"PermissionError", "SFTPPermissionDenied", "SFTPWriteProtect", "Forbidden"})
_HOPELESS: Final = (
    _NO_CREDENTIALS | _SIGNED_OUT | _UNREACHABLE | _UNTRUSTED | _SILENT | _UNKNOWN_HOST | _NO_ENTRY | _FULL_NAMES
)


def answer(error: BaseException) -> Answer:
    """Return the server's answer behind an error."""
    for one in _chain(error):
        found = _answer_of(one)
        if found is not None:
            return found
    return Answer()


def broke_off(error: BaseException) -> bool:
    """Tell whether the connection was lost in the middle, so that asking again is worth a try."""
    return not answer(error).status and not _names(error).isdisjoint(_BROKEN) and _names(error).isdisjoint(_HOPELESS)


def translate(error: BaseException, key: str, address: Address) -> XverError:
    """Return the error to raise instead: `NotFound` for a missing key, else a `StorageError`."""
    said = answer(error)
    names = _names(error)
    if said.code in _NO_BUCKET:
        return StorageError(
            f"there is no {address.advice.bucket} {address.bucket} behind {address.url}",
            hint=f"create it ({address.advice.make_bucket}), or correct the address: xver remote list",
        )
    if said.code in _MISSING or said.status == 404 or (not said.status and names & _MISSING_NAMES):
        return NotFound(f"{address.url} has no {key}")
    return _refusal(said, address) or _failure(names, said, address) or _unknown(error, said, address.url)


def _answer_of(error: BaseException) -> Answer | None:
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        code = str(response.get("Error", {}).get("Code", ""))
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        # HEAD has no body: there botocore takes the status for the code.
        return Answer(code, int(status) or (int(code) if code.isdecimal() else 0))
    facts: Any = error
    name = type(error).__name__
    if isinstance(getattr(error, "status_code", None), int):  # Azure, and Google's newer clients
        code = getattr(facts, "error_code", None) or ""
        return Answer(str(getattr(code, "value", code)), facts.status_code)
    if name == "HttpError" and str(getattr(error, "code", None)).isdecimal():  # gcsfs
        return Answer("", int(facts.code))
    if name == "ClientResponseError" and isinstance(getattr(error, "status", None), int):  # aiohttp
        return Answer("", facts.status)
    return None


def _refusal(said: Answer, address: Address) -> StorageError | None:
    """Translate what the server said."""
    url, advice = address.url, address.advice
    if said.code in _EXPIRED:
        return StorageError(f"the credentials for {url} have expired", hint=advice.renew)
    if said.code in _REFUSED or said.status == 401:
        why = said.code or said.status
        return StorageError(f"{url} does not accept these credentials ({why})", hint=advice.refused)
    if said.code in _SKEWED:
        return StorageError(f"{url} refuses requests because this machine's clock is wrong", hint="date -u")
    if said.code in _ELSEWHERE or said.status in (301, 307):
        return StorageError(f"{url} lies in another region", hint=advice.region)
    if said.code in _FULL or said.status == 507:
        return StorageError(f"{url} is full", hint="free some space there and try again")
    if said.status in _BUSY_STATUS or said.code == "SlowDown":
        return TransientStorageError(f"{url} is busy and asks to slow down", hint="try again in a minute")
    if said.code == "RequestTimeout" or said.status >= 500:
        return TransientStorageError(
            f"{url} failed ({said.code or said.status})", hint="try again; what was done is kept"
        )
    if said.status == 403:
        return _denied(address)
    return None


def _failure(names: frozenset[str], said: Answer, address: Address) -> StorageError | None:
    """Translate what happened when the server said nothing."""
    if said.status:
        return None
    return _not_let_in(names, address) or _not_through(names, address)


def _not_let_in(names: frozenset[str], address: Address) -> StorageError | None:
    url, advice = address.url, address.advice
    if names & _SIGNED_OUT:
        return StorageError(f"the sign-in for {url} has expired", hint=advice.renew)
    if names & _NO_CREDENTIALS:
        return StorageError(f"there are no credentials for {url}", hint=advice.credentials)
    if names & _UNKNOWN_HOST:
        return StorageError(
            f"the host key of {address.bucket} is not known here, or is not the one that was",
            hint=f"{advice.certificate}, compare its fingerprint with what the owner says, and accept it",
        )
    if names & _NO_ENTRY:
        return StorageError(f"{url} accepts none of your keys", hint=advice.refused)
    if names & _DENIED:
        return _denied(address)
    if names & _FULL_NAMES:
        return StorageError(f"{url} is full", hint="free some space there and try again")
    return None


def _not_through(names: frozenset[str], address: Address) -> StorageError | None:
    url = address.url
    if names & _UNTRUSTED:
        return StorageError(f"the certificate of {url} cannot be trusted", hint=address.advice.certificate)
    if names & _UNREACHABLE:
        return TransientStorageError(
            f"{url} cannot be reached{f' at {address.endpoint_url}' if address.endpoint_url else ''}",
            hint="check the network and the address (xver remote list), then try again",
        )
    if names & _SILENT:
        return TransientStorageError(f"{url} did not answer in time", hint="try again; what was done is kept")
    if names & _BROKEN:
        return TransientStorageError(f"the connection to {url} broke off", hint="try again; what was done is kept")
    return None


def _denied(address: Address) -> StorageError:
    return StorageError(f"{address.url} denies access", hint=address.advice.rights)


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

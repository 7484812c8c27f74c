"""What the frame of a foreign chunk holds: where the chunk's bytes lie, in a file that others made and xver only reads.

u8 kind, u64 size of the whole, u64 offset of the chunk in it, u16 and u16: bytes of what follows; pin, address

A file of this machine is named by its path, with `/`: absolute, or relative to the store's folder. Its pin is the time
at which it was changed last, in nanoseconds. An object of a bucket is named by its address, its key percent-encoded,
and behind a blank the server, where that is not the provider's own; its pin is that of storage (`Stat.pin`). The bytes
themselves are proven by the chunk's id.
"""

from __future__ import annotations

import enum
import struct
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from xver.errors import UPGRADE, CorruptData, InvalidInput, UnsupportedFormat

FEATURE: Final = "foreign"
"""What the log of a store with foreign chunks requires of its readers."""
FOREIGN_MAX: Final = 8192
"""The most bytes of such a frame."""
BUCKETS: Final = ("s3", "gs", "az")
"""The schemes that an object may have."""
_VERSION: Final = "?versionId="
_HEAD: Final = struct.Struct("<BQQHH")


class Where(enum.IntEnum):
    """What an address is; the number is part of the format."""

    FILE = 1
    OBJECT = 2


class Foreign(NamedTuple):
    """A whole file elsewhere: its address, size in bytes, and what tells whether it was exchanged."""

    where: Where
    address: str
    size: int
    pin: str


class ForeignPart(NamedTuple):
    """Bytes of a file elsewhere, from `offset` on."""

    whole: Foreign
    offset: int


class ObjectName(NamedTuple):
    """An object: its bucket (`s3://bucket`), its key there, and the server where that is not the provider's own.

    `version` is the name under which the bucket keeps it, for who has no other place to say that.
    """

    bucket: str
    key: str
    endpoint_url: str | None
    version: str = ""


def encode_object_name(name: ObjectName) -> str:
    """Return the address of an object as frames hold it."""
    version = f"{_VERSION}{quote(name.version, safe='')}" if name.version else ""
    return f"{name.bucket}/{quote(name.key)}{version}" + (f" {name.endpoint_url}" if name.endpoint_url else "")


def decode_object_name(address: str) -> ObjectName:
    """Return the object at an address; raises `CorruptData` for what is none, `UnsupportedFormat` for a newer one."""
    url, _, endpoint_url = address.partition(" ")
    scheme, _, rest = url.partition("://")
    bucket, _, named = rest.partition("/")
    key, _, version = named.partition(_VERSION)
    if not (scheme and bucket and key):
        raise CorruptData("foreign frame whose address is no object's")
    if scheme not in BUCKETS:
        raise UnsupportedFormat(f"foreign chunk at a {scheme}:// address", hint=UPGRADE)
    return ObjectName(f"{scheme}://{bucket}", unquote(key), endpoint_url or None, unquote(version))


def encode_foreign(part: ForeignPart) -> bytes:
    """Return the frame of a chunk; raises `InvalidInput` for an address that is too long or is no text."""
    try:
        pin, address = part.whole.pin.encode(), part.whole.address.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{part.whole.address!r} is no UTF-8, and cannot be adopted", hint="rename it") from None
    if _HEAD.size + len(pin) + len(address) > FOREIGN_MAX:
        raise InvalidInput(f"{part.whole.address[:80]}… is too long to be adopted")
    return _HEAD.pack(part.whole.where, part.whole.size, part.offset, len(pin), len(address)) + pin + address


def decode_foreign(stored: bytes | memoryview, raw: int) -> ForeignPart:
    """Return where a chunk of `raw` bytes lies.

    Raises `CorruptData` for what is no such frame, `UnsupportedFormat` for an address of a kind of the future.
    """
    data = bytes(stored)
    if len(data) < _HEAD.size:
        raise CorruptData("foreign frame ends early")
    kind, size, offset, pin, address = _HEAD.unpack_from(data)
    if kind not in Where.__members__.values():
        raise UnsupportedFormat(f"foreign chunk of kind {kind}", hint=UPGRADE)
    if len(data) != _HEAD.size + pin + address or not address or offset + raw > size:
        raise CorruptData("foreign frame whose sizes do not add up")
    try:
        texts = data[_HEAD.size :][:pin].decode(), data[_HEAD.size + pin :].decode()
    except UnicodeDecodeError:
        raise CorruptData("foreign frame whose address is no text") from None
    if "\0" in texts[1]:
        raise CorruptData("foreign frame whose address is none")
    if kind == Where.OBJECT:
        decode_object_name(texts[1])
    return ForeignPart(Foreign(Where(kind), texts[1], size, texts[0]), offset)

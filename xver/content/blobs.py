"""Any two files: what they are by their first bytes, and how much stands in chunks that both have."""

from __future__ import annotations

from typing import Final

from xver.content.changes import BytesChanges
from xver.content.sources import Source

_HEAD: Final = 64 * 1024
_SIGNS: Final = (
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"BM", "BMP image"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\x93NUMPY", "NumPy array"),
    (b"fLaC", "FLAC audio"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3 audio"),
)
_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""The markers of JPEG behind which height and width stand (ITU-T T.81, table B.1)."""


def compare_bytes(before: Source | None, after: Source | None, reason: str | None = None) -> BytesChanges:
    """Return what is known of two files whose content is not looked into; `reason` says why, if that is odd."""
    known = set() if before is None else {id for id, _ in before.chunks()}
    shared = 0 if after is None else sum(size for id, size in after.chunks() if id in known)
    return BytesChanges(
        None if before is None else kind_of_file(before),
        None if after is None else kind_of_file(after),
        0 if before is None else before.size,
        0 if after is None else after.size,
        shared,
        reason,
    )


def kind_of_file(source: Source) -> str:
    """Return in words what a file is, by its first bytes; images with width and height where they are easily told."""
    with source.open() as file:
        head = file.read(_HEAD)
    if not head:
        return "empty"
    if head[:4] == b"RIFF":
        return {b"WEBP": "WebP image", b"WAVE": "WAV audio", b"AVI ": "AVI video"}.get(head[8:12], "RIFF")
    if head[4:8] == b"ftyp":
        return "HEIF image" if head[8:12] in (b"heic", b"mif1", b"avif") else "MP4"
    kind = next((kind for sign, kind in _SIGNS if head.startswith(sign)), None)
    if kind is None:
        return "text" if _is_text(head) else "data"
    shape = _shape(kind, head)
    return kind if shape is None else f"{kind} {shape[0]} × {shape[1]}"


def _shape(kind: str, head: bytes) -> tuple[int, int] | None:
    match kind:
        case "PNG image" if len(head) >= 24:
            return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        case "GIF image" if len(head) >= 10:
            return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
        case "JPEG image":
            return _shape_of_jpeg(head)
    return None


def _shape_of_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _FRAMES:
            return int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7])
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut in two.
        return len(head) == _HEAD and error.start >= len(head) - 3
    return True

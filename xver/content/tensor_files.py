"""Files of tensors: safetensors, npy and npz, their headers read at once and their values a block at a time.

Nothing in them is ever unpickled: an array of Python objects is no tensor.
"""

from __future__ import annotations

import json
import lzma
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

import numpy as np

from xver.content.changes import TensorForm
from xver.content.sources import Source
from xver.content.tables import NotReadable

_HEADER: Final = 100_000_000
"""Bytes of the header of safetensors at most, as its own reader allows."""
_DTYPES: Final = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
    "BF16": "bf16",
}  # fmt: skip
_BYTES: Final = {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}
"""Types whose values are only told apart, not subtracted."""
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
_CLOSED: Final = 0b1100001
"""Flags of members of an archive that are patches, or encrypted in either way."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a file: its form, the order of its elements, and how to read them."""

    form: TensorForm
    layout: str
    size: int
    width: int
    numbers: Callable[[bytes], Any] | None
    opened: Callable[[], AbstractContextManager[BinaryIO]]

    def blocks(self, elements: int) -> Iterator[bytes]:
        """Yield the bytes of so many elements at a time; raises `NotReadable` where the file ends before they do."""
        left = self.size
        with self.opened() as file:
            while left:
                wanted = min(left, elements * self.width)
                data = _exactly(file, wanted)
                left -= wanted
                yield data


@dataclass(frozen=True, slots=True)
class TensorFile:
    """The tensors of a file by name, and what else its header says."""

    format: str
    tensors: Mapping[str, Tensor]
    metadata: object = None


def read_safetensors(source: Source, _: ExitStack) -> TensorFile:
    """Read the header of safetensors (huggingface.co/docs/safetensors); raises `NotReadable`."""
    with source.open() as file:
        length = int.from_bytes(_exactly(file, 8), "little")
        if not 2 <= length <= min(_HEADER, source.size - 8):
            raise NotReadable("its header has no possible length")
        data = _exactly(file, length)
    try:
        header = json.loads(data)
        metadata = header.pop("__metadata__", None)
        tensors = {name: _safetensor(source, 8 + length, facts) for name, facts in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotReadable("its header is no header of safetensors") from error
    return TensorFile("safetensors", tensors, metadata)


def read_npy(source: Source, _: ExitStack) -> TensorFile:
    """Read the header of a file of one array, which has no name."""
    with source.open() as file:
        tensor = _npy(file, lambda: _at(source, 0))
    return TensorFile("npy", {"array": tensor})


def read_npz(source: Source, stack: ExitStack) -> TensorFile:
    """Read the headers of an archive of arrays, which stays open as long as `stack`: it may have very many."""
    tensors = {}
    archive = stack.enter_context(_archive(source))
    for info in archive.infolist():
        if info.filename.endswith(".npy"):
            with _unpacked(archive, info) as member:
                tensors[info.filename[:-4]] = _npy(member, partial(_unpacked, archive, info))
    return TensorFile("npz", tensors)


def _safetensor(source: Source, start: int, facts: Mapping[str, Any]) -> Tensor:
    dtype, shape = facts["dtype"], tuple(facts["shape"])
    begin, end = facts["data_offsets"]
    kind = _DTYPES.get(dtype)
    width = 2 if kind == "bf16" else np.dtype(kind).itemsize if kind else _BYTES[dtype]
    if (
        not all(type(one) is int and one >= 0 for one in (*shape, begin, end))
        or end - begin != math.prod(shape) * width
    ):
        raise ValueError("sizes do not add up")
    numbers = None if kind is None else _brain_floats if kind == "bf16" else _numbers(np.dtype(kind))
    return Tensor(TensorForm(dtype, shape), "C", end - begin, width, numbers, lambda: _at(source, start + begin))


def _npy(file: Any, opened: Callable[[], AbstractContextManager[BinaryIO]]) -> Tensor:
    shape, is_fortran, dtype = _npy_header(file)
    if dtype.hasobject:
        raise NotReadable("it holds Python objects, which are never loaded")
    if min(shape, default=0) < 0:
        raise NotReadable("its header is no header of NumPy")
    start = file.tell()

    @contextmanager
    def values() -> Iterator[BinaryIO]:
        with opened() as again:
            _exactly(again, start)
            yield again

    size = math.prod(shape) * dtype.itemsize
    numbers = _numbers(dtype) if dtype.kind in "biufc" else None
    layout = "Fortran" if is_fortran and len(shape) > 1 else "C"
    return Tensor(TensorForm(str(dtype), shape), layout, size, max(1, dtype.itemsize), numbers, values)


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, Any]:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    except (ValueError, TypeError, SyntaxError) as error:
        raise NotReadable("its header is no header of NumPy") from error
    raise NotReadable(f"it is of version {version[0]}.{version[1]} of NumPy's format")


def _numbers(dtype: Any) -> Callable[[bytes], Any]:
    wide = np.complex128 if dtype.kind == "c" else np.float64
    return lambda data: np.frombuffer(data, dtype).astype(wide)


def _brain_floats(data: bytes) -> Any:
    """Return bfloat16 as floats: they are the upper halves of those of 32 bits."""
    return (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)


@contextmanager
def _at(source: Source, offset: int) -> Iterator[BinaryIO]:
    with source.open() as file:
        file.seek(offset)
        yield file


@contextmanager
def _archive(source: Source) -> Iterator[zipfile.ZipFile]:
    with source.open() as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError) as error:  # NotImplementedError: of a later version of zip
            raise NotReadable(f"it is no archive that can be read: {error}") from error
        with archive:
            yield archive


@contextmanager
def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Any]:
    if info.flag_bits & _CLOSED or info.compress_type not in _METHODS:
        raise NotReadable(f"{info.filename} in it is encrypted, or packed in a way that is not known here")
    try:
        with archive.open(info) as member:
            yield member
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise NotReadable(f"{info.filename} in it is damaged: {error}") from error
    except OSError as error:
        if error.errno is not None:  # bz2 says of bytes that it cannot unpack nothing else
            raise
        raise NotReadable(f"{info.filename} in it is damaged: {error}") from error


def _exactly(file: Any, size: int) -> bytes:
    parts = []
    while size:
        data = file.read(size)
        if not data:
            raise NotReadable("it ends too early")
        parts.append(data)
        size -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)

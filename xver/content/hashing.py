"""Hashes of the values of a column, 64 bits each, computed on whole arrays.

Values that are equal have equal hashes whatever array they stand in: integers of any width, a text and a code of a
dictionary that means it, NaN and NaN, 0.0 and -0.0. Nulls have `NULL`. Fixed-width values go through the finalizer of
SplitMix64 (Steele, Lea, Flood 2014), a bijection: two integers never collide. Bytes are folded eight at a time.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xver.model.ids import fingerprint

Hashes: TypeAlias = npt.NDArray[np.uint64]

NULL: Final = np.uint64(0x9E3779B97F4A7C15)
_ONE: Final = np.uint64(0xBF58476D1CE4E5B9)
_TWO: Final = np.uint64(0x94D049BB133111EB)
_FOLD: Final = np.uint64(0xD6E8FEB86659FD93)
_LONG: Final = 256
"""Bytes from which on a value is hashed by itself: few have that many, and each word of the longest costs a round."""
_PAD: Final = b"\0" * 8
_TAILS: Final = np.array([(1 << 8 * count) - 1 for count in range(8)] + [2**64 - 1], np.uint64)


def hash_array(array: Any, seed: int = 0) -> Hashes:
    """Return the hash of each value of a pyarrow array; another seed gives hashes that know nothing of the first."""
    if isinstance(array, pa.ChunkedArray):
        parts = [hash_array(chunk, seed) for chunk in array.chunks]
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)
    hashes = _hash_values(array, seed)
    if array.null_count:
        hashes[_nulls(array)] = NULL
    return hashes


def mix(values: Hashes) -> Hashes:
    """Return values scattered over all 64 bits, one to one; `values` is overwritten."""
    shifted = values >> np.uint64(30)
    values ^= shifted
    values *= _ONE
    np.right_shift(values, np.uint64(27), out=shifted)
    values ^= shifted
    values *= _TWO
    np.right_shift(values, np.uint64(31), out=shifted)
    values ^= shifted
    return values


def salt(text: str, seed: int = 0) -> np.uint64:
    """Return a number that stands for a text: what tells one column's values from another's."""
    return np.uint64(int.from_bytes(fingerprint(text.encode(errors="surrogatepass"))[:8], "little") ^ _salted(seed))


def _salted(seed: int) -> int:
    return seed * 0xA0761D6478BD642F & 0xFFFFFFFFFFFFFFFF


def _hash_values(array: Any, seed: int) -> Hashes:
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return hash_array(array.storage, seed)
    if pa.types.is_dictionary(kind):
        codes = np.asarray(array.indices.fill_null(0), np.int64)
        values = hash_array(array.dictionary, seed)
        return values[codes] if len(values) else np.full(len(array), NULL)
    if pa.types.is_null(kind):
        return np.full(len(array), NULL)
    if pa.types.is_struct(kind):
        return _hash_struct(array, seed)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _hash_lists(array, seed)
    if pa.types.is_fixed_size_list(kind):
        return _hash_lists(array.cast(pa.list_(kind.value_type)), seed)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _hash_bytes(array, np.int32, seed)
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return _hash_bytes(array, np.int64, seed)
    if pa.types.is_fixed_size_binary(kind):
        return _hash_bytes(array.cast(pa.binary()), np.int32, seed)
    words = _words(array)
    if words is None:
        return _hash_bytes(pa.array([repr(one.as_py()).encode() for one in array], pa.binary()), np.int32, seed)
    hashes = np.full(len(array), np.uint64(_salted(seed)))
    for word in words:
        hashes ^= word
        mix(hashes)
    return hashes


def _words(array: Any) -> list[Hashes] | None:
    """Return values of a fixed width as numbers of 64 bits, several where they are wider; None for other types."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return [np.asarray(array.fill_null(False)).astype(np.uint64)]
    if pa.types.is_floating(kind):
        values = _fixed(array, np.dtype(f"<f{kind.bit_width // 8}")).astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        return [values.view(np.uint64)]
    if pa.types.is_unsigned_integer(kind):
        return [_fixed(array, np.dtype(f"<u{kind.bit_width // 8}")).astype(np.uint64)]
    if pa.types.is_integer(kind) or (pa.types.is_temporal(kind) and kind.bit_width <= 64):
        return [_fixed(array, np.dtype(f"<i{kind.bit_width // 8}")).astype(np.int64).view(np.uint64)]
    if pa.types.is_decimal128(kind) or pa.types.is_decimal256(kind):
        wide = _fixed(array, np.dtype(("<u8", (kind.bit_width // 64,))))
        return [np.ascontiguousarray(wide[:, at]) for at in range(wide.shape[1])]
    return None


def _fixed(array: Any, kind: Any) -> Any:
    data = array.buffers()[1]
    if data is None:
        return np.zeros(len(array), kind)
    return np.frombuffer(data, kind, len(array), array.offset * kind.itemsize)


def _nulls(array: Any) -> Any:
    return np.asarray(array.is_null())


def _hash_bytes(array: Any, width: Any, seed: int) -> Hashes:
    count = len(array)
    if not count:
        return np.empty(0, np.uint64)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, width, count + 1, array.offset * np.dtype(width).itemsize).astype(np.int64)
    lengths = ends[1:] - ends[:-1]
    low, high = int(ends[0]), int(ends[-1])
    # A word is loaded from wherever a value is: the last ones must not reach beyond the end.
    plain = (b"" if data is None else memoryview(data)[low:high].tobytes()) + _PAD
    anywhere = np.ndarray(len(plain) - 7, np.dtype("<u8"), plain, strides=(1,))
    at = ends[:-1] - low
    hashes = lengths.astype(np.uint64) * NULL
    hashes ^= np.uint64(_salted(seed))
    is_long = lengths > _LONG
    rows = np.flatnonzero((lengths > 0) & ~is_long)
    done = 0
    while len(rows):
        word = anywhere[at[rows] + done]
        word &= _TAILS[np.minimum(lengths[rows] - done, 8)]
        word ^= hashes[rows]
        word *= _FOLD
        word ^= word >> np.uint64(32)
        hashes[rows] = word
        done += 8
        rows = rows[lengths[rows] > done]
    for row in np.flatnonzero(is_long):
        whole = fingerprint(plain[at[row] : at[row] + lengths[row]])
        hashes[row] ^= np.uint64(int.from_bytes(whole[:8] if not seed else whole[8:], "little"))
    return mix(hashes)


def _hash_struct(array: Any, seed: int) -> Hashes:
    hashes = np.full(len(array), np.uint64(_salted(seed) ^ 1))
    for at in range(array.type.num_fields):
        # `field` knows the slice but not the nulls above it, which are put in afterwards.
        name = salt(array.type.field(at).name, seed)
        hashes += mix(hash_array(array.field(at), seed) ^ name)
    return mix(hashes)


def _hash_lists(array: Any, seed: int) -> Hashes:
    count = len(array)
    if not count:
        return np.empty(0, np.uint64)
    width = np.int64 if pa.types.is_large_list(array.type) else np.int32
    ends = np.frombuffer(array.buffers()[1], width, count + 1, array.offset * np.dtype(width).itemsize).astype(np.int64)
    low, high = int(ends[0]), int(ends[-1])
    lengths = ends[1:] - ends[:-1]
    hashes = lengths.astype(np.uint64) * _FOLD
    if high > low:
        items = hash_array(_items(array).slice(low, high - low), seed)
        begins = ends[:-1] - low
        place = np.arange(high - low, dtype=np.int64) - np.repeat(begins, lengths)
        items ^= mix(place.astype(np.uint64) + np.uint64(1))
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix(items), dtype=np.uint64)])
        hashes += sums[ends[1:] - low] - sums[begins]
    hashes ^= np.uint64(_salted(seed))
    return mix(hashes)


def _items(array: Any) -> Any:
    if not pa.types.is_map(array.type):
        return array.values
    return pa.StructArray.from_arrays([array.keys, array.items], ["key", "value"])

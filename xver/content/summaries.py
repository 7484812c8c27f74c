"""Columns in a few numbers, counted batch by batch: nulls, least and greatest, mean, how many different values.

Different values are estimated from the smallest of their hashes (k minimum values: Bar-Yossef et al., "Counting
Distinct Elements in a Data Stream", RANDOM 2002): exact below 2,048, with a standard error of 2 % above.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xver.content.changes import EMPTY, Summary, Value
from xver.content.hashing import Hashes

_SMALLEST: Final = 2048
_KINDS: Final = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
_NEXT: Final = {"": tuple(_KINDS), "integer": ("integer", "number"), "number": ("number",), "boolean": ("boolean",)}
"""What a column of texts may look like, by what it looked like so far."""


class Distinct:
    """An estimate of how many different hashes there were."""

    def __init__(self) -> None:
        self._values: Hashes = np.empty(0, np.uint64)

    def add(self, hashes: Hashes) -> None:
        """Count more."""
        if len(self._values) == _SMALLEST:
            hashes = hashes[hashes < self._values[-1]]
        if not len(hashes):
            return
        found = np.asarray(pc.unique(pa.array(hashes)))
        self._values = np.union1d(self._values, found)[:_SMALLEST]

    @property
    def is_exact(self) -> bool:
        """Whether every one was seen by itself."""
        return len(self._values) < _SMALLEST

    @property
    def count(self) -> int:
        """How many there were."""
        if self.is_exact:
            return len(self._values)
        return round((_SMALLEST - 1) * 2.0**64 / float(self._values[-1]))


class Summarizer:
    """What is known so far of one column; `is_text` says that its values are text, whatever they mean."""

    def __init__(self, *, is_text: bool, blank: bytes | None = None) -> None:
        self._is_text = is_text
        self._blank = blank
        self._looks = ""
        self._rows = 0
        self._nulls = 0
        self._numbers = _Range()
        self._texts = _Range()
        self._distinct = Distinct()

    def add(self, array: Any, hashes: Hashes) -> None:
        """Count the values of an array, whose hashes are at hand."""
        self._rows += len(array)
        if self._blank is not None:
            array = pc.if_else(pc.equal(array, self._blank), pa.scalar(None, array.type), array)
        if array.null_count:
            self._nulls += array.null_count
            hashes = hashes[np.asarray(array.is_valid())]
        self._distinct.add(hashes)
        if not (len(hashes) and (self._is_text or _has_order(array.type))):
            return
        array = array.drop_null()
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if self._is_text:
            self._add_text(array)
        else:
            self._numbers.add(array)

    def result(self, kind: str | None, rows: int) -> Summary:
        """Return the summary over `rows` rows (those not added were null); `kind` is its type, if known."""
        looks = self._looks or EMPTY
        found = self._texts if self._is_text and looks not in _KINDS else self._numbers
        return Summary(
            kind or looks,
            rows,
            rows - self._rows + self._nulls,
            found.minimum,
            found.maximum,
            found.mean,
            self._distinct.count,
            self._distinct.is_exact,
        )

    def _add_text(self, array: Any) -> None:
        self._texts.add(array)
        for looks in _NEXT.get(self._looks, ()):
            try:
                values = array.cast(pa.string()).cast(_KINDS[looks])
            except pa.ArrowException:
                continue
            self._looks = looks
            self._numbers.add(values)
            return
        self._looks = "text"


class _Range:
    """Least, greatest and mean of what was added."""

    def __init__(self) -> None:
        self._least: Any = None
        self._greatest: Any = None
        self._sum = 0.0
        self._count = 0
        self._kind: Any = None

    def add(self, array: Any) -> None:
        if pa.types.is_temporal(array.type):
            # As numbers: not every moment that a column can hold is one for Python.
            self._kind = array.type
            array = array.view(pa.int64() if array.type.bit_width == 64 else pa.int32())
        elif pa.types.is_floating(array.type):
            array = array.cast(pa.float64())
            array = array.filter(pc.invert(pc.is_nan(array)))
        if not len(array):
            return
        ends = pc.min_max(array)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        self._least = low if self._least is None else min(self._least, low)
        self._greatest = high if self._greatest is None else max(self._greatest, high)
        if self._kind is None and _is_number(array.type):
            self._sum += float(pc.sum(array.cast(pa.float64(), safe=False)).as_py())
            self._count += len(array)

    @property
    def minimum(self) -> Value:
        return self._value(self._least)

    @property
    def maximum(self) -> Value:
        return self._value(self._greatest)

    @property
    def mean(self) -> float | None:
        return self._sum / self._count if self._count else None

    def _value(self, value: Any) -> Value:
        if self._kind is None or value is None:
            return plain(value)
        width = pa.int64() if self._kind.bit_width == 64 else pa.int32()
        return shown(pa.array([value], width).view(self._kind)[0])


def shown(scalar: Any) -> Value:
    """Return a pyarrow scalar as JSON can hold it; moments as ISO 8601 has them, to the last digit."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(kind):
        return shown(scalar.value)
    if pa.types.is_duration(kind):
        return f"{scalar.value} {kind.unit}"
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return f"{scalar.cast(pa.timestamp(kind.unit, 'UTC')).cast(pa.timestamp(kind.unit)).cast(pa.string()).as_py()}Z"
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return str(scalar.cast(pa.string()).as_py())
    try:
        return plain(scalar.as_py())
    except ValueError:
        return str(scalar)


def plain(value: Any) -> Value:
    """Return a value of Python as JSON can hold it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.decode(errors="backslashreplace")
        case dict():
            return "{" + ", ".join(f"{key}: {plain(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(str(plain(one)) for one in value) + "]"
    return str(value)


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _has_order(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_order(kind.value_type)
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    times = (pa.types.is_timestamp, pa.types.is_date, pa.types.is_time, pa.types.is_duration)
    return _is_number(kind) or any(tell(kind) for tell in (*texts, *times))

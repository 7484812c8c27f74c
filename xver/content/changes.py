"""What a comparison found: frozen values, without pyarrow and numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

EMPTY: Final = "empty"
"""The type of a column of text in which nothing stands: no other type than any."""

Value: TypeAlias = "bool | int | float | str | None"
"""A value of a cell as JSON can hold it; what JSON has no form for is text."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The values of a column in one version.

    Minimum, maximum and mean leave nulls and NaN out, and are None where the type has none. `distinct` is exact where
    `is_exact` says so, otherwise an estimate with a standard error of 2 %.
    """

    type: str
    rows: int
    nulls: int
    minimum: Value
    maximum: Value
    mean: float | None
    distinct: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column in both versions (None: it is not there), and in how many of the changed rows it differs.

    `cells` is None where rows were not paired: no key, or a column that one version alone has.
    """

    name: str
    before: Summary | None
    after: Summary | None
    cells: int | None

    @property
    def schema_change(self) -> tuple[str | None, str | None] | None:
        """Its types before and after, where the schema has changed in it."""
        before, after = (None if one is None else one.type for one in (self.before, self.after))
        is_same = before == after or (before is not None and after is not None and EMPTY in (before, after))
        return None if is_same else (before, after)


@dataclass(frozen=True, slots=True)
class Row:
    """A row for show: its number, from 1, and its values."""

    number: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A changed row for show, before and after, in the columns that were compared."""

    before: Row
    after: Row


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows there are, how many differ, and the first of them.

    `changed` is 0 without a key. `repeated` counts, in each version, the rows whose key a row before them has.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int
    repeated: tuple[int, int]
    some_added: tuple[Row, ...]
    some_removed: tuple[Row, ...]
    some_changed: tuple[ChangedRow, ...]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Lines that are no rows, with more or fewer cells than the first: how many, and how many differ."""

    before: int
    after: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What differs between two tables; `key` is empty where rows were compared by all they hold."""

    format: str
    key: tuple[str, ...]
    is_key_detected: bool
    columns: tuple[Column, ...]
    rows: Rows
    ragged: Ragged | None

    @property
    def is_same(self) -> bool:
        """Whether the tables hold the same, however they are written."""
        rows, ragged = self.rows, self.ragged
        return not (rows.added or rows.removed or rows.changed or self.has_other_schema) and not (
            ragged is not None and (ragged.added or ragged.removed)
        )

    @property
    def has_other_schema(self) -> bool:
        """Whether columns were added or removed, or have another type."""
        return any(one.schema_change is not None for one in self.columns)


@dataclass(frozen=True, slots=True)
class TensorForm:
    """What a tensor is: its type, as the format calls it, and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorChange:
    """A tensor that differs; `before` is None where it was added, `after` where it was removed.

    `norm` is the Euclidean norm of the change, `relative` that by the norm of what was before (None: of zeros),
    `largest` the largest change of one element, `elements` how many differ. All are None where shapes differ, or the
    type has no numbers that can be subtracted.
    """

    name: str
    before: TensorForm | None
    after: TensorForm | None
    norm: float | None = None
    relative: float | None = None
    largest: float | None = None
    elements: int | None = None


@dataclass(frozen=True, slots=True)
class TensorChanges:
    """What differs between two files of tensors, by name; `metadata`: what else their header says differs."""

    format: str
    tensors: tuple[TensorChange, ...]
    unchanged: int
    metadata: bool


@dataclass(frozen=True, slots=True)
class BytesChanges:
    """What is known of any two files: what they are, and how many bytes stand in chunks that both have.

    `reason` says why a file was not read as what its name promises.
    """

    before: str | None
    after: str | None
    size_before: int
    size_after: int
    shared: int
    reason: str | None


Changes: TypeAlias = TableChanges | TensorChanges | BytesChanges

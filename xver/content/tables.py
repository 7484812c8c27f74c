"""What every table is to a comparison: columns by name, and rows in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pyarrow as pa


class NotReadable(Exception):
    """A file is not what its name says; `reason` goes on where "it" begins."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Table(ABC):
    """A file read as rows. Raises `NotReadable` when made or read, should it be no such file."""

    format: str
    is_text: ClassVar[bool] = False
    """Whether values are text as it stands in the file: types are then what the values look like."""

    columns: dict[str, Any] | None
    """The pyarrow types by name, in order; None where only the rows tell which columns there are."""

    @abstractmethod
    def batches(self) -> Iterator[Any]:
        """Yield all rows from the beginning, as pyarrow's record batches of some mebibytes."""

    def type_of(self, name: str) -> str | None:
        """Return the word for a column's type, once all was read; None where the values tell."""
        return str(self.columns[name]) if self.columns and name in self.columns else None

    def ragged(self) -> Sequence[bytes]:
        """Return the fingerprints of the lines that are no rows, as the last reading met them."""
        return ()


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names with a number behind each that stood before: "a", "a#2"."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


@contextmanager
def translated() -> Iterator[None]:
    """Turn what pyarrow says of a damaged file into `NotReadable`; errors of the store and the system pass."""
    try:
        yield
    except pa.ArrowException as error:
        raise NotReadable(_first_line(error)) from error
    except OSError as error:
        # Of what the system said there is a number; pyarrow says of a bad page or stream that it could not be read.
        if error.errno is not None:
            raise
        raise NotReadable(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0]
    return line[:200]

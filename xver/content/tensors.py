"""Two files of tensors compared by name, both read in step, a few mebibytes at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from xver.content.changes import TensorChange, TensorChanges
from xver.content.tensor_files import Tensor, TensorFile

_ELEMENTS: Final = 512 * 1024
"""Elements of a block: as numbers they take 4 MiB, or 8."""


def compare_tensors(before: TensorFile | None, after: TensorFile | None) -> TensorChanges:
    """Return the tensors that differ, in the order of the newer version, those that are gone behind.

    Raises:
        NotReadable: a file ends before its tensors do.
    """
    old, new = ({} if one is None else one.tensors for one in (before, after))
    found = []
    unchanged = 0
    for name in [*new, *(name for name in old if name not in new)]:
        change = _compare(name, old.get(name), new.get(name))
        if change is None:
            unchanged += 1
        else:
            found.append(change)
    known = after or before
    assert known is not None
    other = before is not None and after is not None and before.metadata != after.metadata
    return TensorChanges(known.format, tuple(found), unchanged, other)


def _compare(name: str, before: Tensor | None, after: Tensor | None) -> TensorChange | None:
    """Return what differs, None if nothing does."""
    if before is None or after is None:
        return TensorChange(name, before.form if before else None, after.form if after else None)
    change = TensorChange(name, before.form, after.form)
    if before.form.shape != after.form.shape or before.layout != after.layout:
        return change
    if before.numbers is None or after.numbers is None:
        is_same = before.form == after.form and all(
            one == two for one, two in zip(before.blocks(_ELEMENTS), after.blocks(_ELEMENTS), strict=True)
        )
        return None if is_same else change
    counted = _Difference()
    for one, two in zip(before.blocks(_ELEMENTS), after.blocks(_ELEMENTS), strict=True):
        if before.form != after.form or one != two:
            counted.add(before.numbers(one), after.numbers(two))
        else:
            counted.add_same(before.numbers(one))
    if before.form == after.form and not counted.elements:
        return None
    return TensorChange(
        name, before.form, after.form, counted.norm, counted.relative, counted.largest, counted.elements
    )


class _Difference:
    """Sums over the elements of two tensors; an element that is NaN in both is the same."""

    def __init__(self) -> None:
        self.elements = 0
        self.largest = 0.0
        self._squares = 0.0
        self._before = 0.0

    def add_same(self, before: Any) -> None:
        self._before += _squares(before)

    def add(self, before: Any, after: Any) -> None:
        self._before += _squares(before)
        differs = (before != after) & ~(np.isnan(before) & np.isnan(after))
        count = int(np.count_nonzero(differs))
        if not count:
            return
        self.elements += count
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.abs(after[differs] - before[differs])
            self._squares += float(np.sum(change * change))
            self.largest = float(np.maximum(self.largest, change.max()))

    @property
    def norm(self) -> float:
        return float(np.sqrt(self._squares))

    @property
    def relative(self) -> float | None:
        return float(np.sqrt(self._squares / self._before)) if self._before > 0 else None


def _squares(values: Any) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.sum(np.abs(values) ** 2))

"""One answer of `xver doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: what was asked, whether it is in order, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    hint: str = ""

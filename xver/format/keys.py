"""Keys that stand in records and indexes: names that a storage will be asked for, whoever wrote them."""

from __future__ import annotations

import re
from typing import Any, Final

from xver.errors import CorruptData

_KEY: Final = re.compile(r"(?:packs|index|files)/[0-9]{1,10}\.[0-9A-Za-z._-]{1,100}")


def check_key(name: Any) -> str:
    """Return the key of a pack, an index or a file taken in whole if `name` is one.

    Raises `CorruptData` for anything else, above all for what would lead out of the store's folder.
    """
    if not isinstance(name, str) or not _KEY.fullmatch(name):
        raise CorruptData(f"no key of a pack or an index: {str(name)[:80]!r}")
    return name

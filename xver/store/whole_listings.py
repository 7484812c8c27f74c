"""Listings that this store was seen to hold with all their content: an unchanged `add` need not ask for every file.

    whole.json      {"collected": digest, "indexes": [names], "listings": [ids]}

What it says is true as long as nothing was collected since and the indexes it names are live: they are never changed,
and their names never used again. Only a local store has it. Who loses it asks for every file once more.
"""

from __future__ import annotations

from typing import Final

from xver.errors import CorruptData, NotFound
from xver.format.canonical import decode_json, encode_json
from xver.model.ids import digest_hex
from xver.store.store import Store

_KEY: Final = "whole.json"
_MOST: Final = 100


class WholeListings:
    """What is known of them in one store."""

    def __init__(self, store: Store) -> None:
        self._storage = store.storage
        self._log = store.log
        self._index = store.index

    def __contains__(self, id: object) -> bool:
        """Tell whether the store still holds all content that a listing names; False where it is not known."""
        return isinstance(id, bytes) and id.hex() in self._still_true()

    def note(self, id: bytes) -> None:
        """Note it of a listing, all of whose content was just found in live indexes, or made live."""
        known = [one for one in self._still_true() if one != id.hex()]
        self._storage.put(
            _KEY,
            encode_json(
                {
                    "collected": self._collected(),
                    "indexes": [*sorted(self._log.indexes)],
                    "listings": [*known[1 - _MOST :], id.hex()],
                }
            ),
        )

    def _still_true(self) -> list[str]:
        if not self._index.is_whole:
            return []
        try:
            found = decode_json(self._storage.get(_KEY), _KEY)
            if found["collected"] != self._collected() or not self._log.indexes.keys() >= set(found["indexes"]):
                return []
            return [str(one) for one in found["listings"]]
        except (NotFound, CorruptData, KeyError, TypeError):
            # To know nothing costs a question for each file, and is always safe.
            return []

    def _collected(self) -> str:
        fence, removed = self._log.collected
        return digest_hex(encode_json([fence, *sorted(removed)]))

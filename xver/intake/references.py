"""References: the objects below an address of a bucket, known by its listing alone; nothing of them is read or stored.

A row for each object says where it is, its size and what its server calls this version (`model.entries.External`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from xver.errors import NotFound
from xver.format.foreign import ObjectName, encode_object_name
from xver.format.listings import Row
from xver.intake.held import BucketPlace
from xver.intake.objects import digest_of
from xver.intake.origin import Known, Taken, Wanted
from xver.model.entries import External
from xver.model.runs import Source
from xver.repo import Repo
from xver.storage.base import Stat
from xver.store.listings import put_listing
from xver.sync.sources import paths_of


class ReferenceOrigin:
    """All objects below an address of a bucket, to be referred to.

    Raises:
        InvalidInput: it is no address of a bucket, or what reads it is not installed.
    """

    def __init__(self, uri: str, endpoint_url: str | None) -> None:
        self.uri = uri
        self.name = uri.rstrip("/").rpartition("/")[2]
        self._place = BucketPlace(uri, endpoint_url)

    def is_same(self, repo: Repo, known: Known) -> bool | None:  # noqa: ARG002 - the server knows
        """Compare the listing with what it was."""
        version = digest_of(self._list())
        return version == known.source.version if version and known.source.version else None

    def take(self, repo: Repo, wanted: Wanted) -> Taken | None:
        """List what is there; None where that is as it was."""
        found = self._list()
        version = digest_of(found) or ""
        if wanted.known is not None and version and version == wanted.known.source.version:
            return None
        names = paths_of(self._place.url, found)
        with repo.store.packer() as packer:
            entry = put_listing(
                packer, (Row(path, self._refer(found[key])) for path, key in names.items()), before=wanted.before
            )
            index = packer.finish()
        wanted.uploaded.extend([] if index is None else [index])
        source = Source(wanted.top, self.uri, version, endpoint_url=self._place.endpoint_url)
        return Taken(entry, source, is_stored=False)

    def _list(self) -> Mapping[str, Stat]:
        """Return the objects by their names below the address."""
        above = len(self._place.key("")) + 1 if self._place.prefix else 0
        found = {one.key[above:]: replace(one, key=one.key[above:]) for one in self._place.list()}
        if not found:
            raise NotFound(f"there is nothing below {self.uri}", hint="check the address, and who may list it")
        return found

    def _refer(self, one: Stat) -> External:
        place = self._place
        name = ObjectName(place.bucket, place.key(one.key), place.endpoint_url, one.kept)
        return External(encode_object_name(name), one.version, one.size)

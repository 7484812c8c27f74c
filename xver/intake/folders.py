"""A file or folder of this machine as an origin: another disk, a mounted share."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from xver.errors import InvalidInput, NotFound
from xver.intake.origin import Known, Taken, Wanted
from xver.model.entries import entry_id
from xver.model.runs import Source
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.storage.locate import path_of
from xver.store.packing import Packer
from xver.worktree.ignore import Ignore
from xver.worktree.ingest import Ingested, ingest


class FolderOrigin:
    """What lies at a path of this machine, taken in as `add` takes it: kinds, links and `.xverignore` count.

    Raises:
        NotFound: nothing is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.uri = self.path.as_uri()
        self.name = self.path.name
        self._require()

    def is_same(self, repo: Repo, known: Known) -> bool:  # noqa: ARG002 - nothing is stored
        """Read it, and compare ids."""
        return entry_id(self._ingest(None, SILENT).entry) == known.id

    def take(self, repo: Repo, wanted: Wanted) -> Taken:
        """Read all of it: nobody but its bytes can tell."""
        wanted.meter.start("Importing", None, "files")
        try:
            with repo.store.index.also(wanted.uploaded), repo.store.packer() as packer:
                found = self._ingest(packer, wanted.meter)
                index = packer.finish()
        finally:
            wanted.meter.finish()
        wanted.uploaded.extend([] if index is None else [index])
        special = tuple(str(self.path.parent / one) for one in found.special)
        return Taken(found.entry, Source(wanted.top, self.uri), special)

    def _ingest(self, packer: Packer | None, meter: Meter) -> Ingested:
        self._require()
        above = self.path.parent
        return ingest(above, self.path.name, packer, record=None, ignore=Ignore(above), meter=meter)

    def _require(self) -> None:
        if not self.path.name:
            raise InvalidInput("a whole disk is no dataset", hint="give a file or folder of it")
        if not self.path.exists():
            raise NotFound(f"there is no {self.path}", hint="check the path, and that its disk is mounted")


def path_of_uri(uri: str) -> Path:
    """Return the path of a `file:` address; raises `InvalidInput` for one of another machine."""
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
        raise InvalidInput(f"{uri} names nothing of this machine", hint="file:///path/of/a/folder")
    return Path(path_of(parts.path, windows=sys.platform == "win32"))

"""A file of a web server as an origin."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from xver.errors import StorageError
from xver.intake.origin import Known, Taken, Wanted, counted, file_of, stood
from xver.model.runs import Source
from xver.repo import Repo
from xver.storage.web import WebFacts, check_web, look_web, open_web
from xver.store.content import put_stream


class WebOrigin:
    """One file of a web server. Raises `InvalidInput` for an address that cannot be one."""

    def __init__(self, uri: str) -> None:
        check_web(uri)
        self.uri = uri
        self.name = unquote(urlsplit(uri).path).rpartition("/")[2]

    def is_same(self, repo: Repo, known: Known) -> bool | None:  # noqa: ARG002 - it is the server that knows
        """Ask with HEAD, by which nothing travels; where that is refused, for the file, and read none of it."""
        facts = _facts(known)
        if not (facts.etag or facts.modified):
            return None
        try:
            found = look_web(self.uri, known=facts)
        except StorageError:
            with open_web(self.uri, known=facts) as file:
                found = None if file is None else file.facts
        if found is None:
            return True
        told = [(facts.etag, found.etag), (facts.modified, found.modified)]
        before, now = next((pair for pair in told if all(pair)), ("", ""))
        return before == now if before else None

    def take(self, repo: Repo, wanted: Wanted) -> Taken | None:
        """Ask for the file unless it is the one that is known."""
        known = None if wanted.known is None else _facts(wanted.known)
        with open_web(self.uri, known=known) as found:
            if found is None or (known is not None and known.etag and known.etag == found.facts.etag):
                return None  # some servers send what they were told is known
            wanted.meter.start("Importing", found.facts.size, "B")
            try:
                with repo.store.index.also(wanted.uploaded), repo.store.packer() as packer:
                    blocks = counted(found.blocks, wanted.meter)
                    content = put_stream(packer, blocks, before=stood(repo, wanted.before))
                    index = packer.finish()
            finally:
                wanted.meter.finish()
            wanted.uploaded.extend([] if index is None else [index])
            source = Source(wanted.top, self.uri, found.facts.etag, found.facts.modified)
            return Taken(file_of(content), source)


def _facts(known: Known) -> WebFacts:
    return WebFacts(known.source.version, known.source.modified)

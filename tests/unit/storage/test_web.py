"""Files of web servers: what travels, what does not, and what a connection that breaks off leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web import WebFile, WebServer
from xver.errors import Conflict, InvalidInput, NotFound, StorageError, TransientStorageError
from xver.storage.web import WebFacts, check_web, look_web, open_web

DATA = bytes(range(256)) * 40_000


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def read(url: str, known: WebFacts | None = None) -> tuple[WebFacts, bytes] | None:
    with open_web(url, known=known) as found:
        return None if found is None else (found.facts, b"".join(found.blocks))


def test_a_file_comes_with_what_its_server_says_of_it(server: WebServer) -> None:
    server.files["/a"] = WebFile(DATA, '"1"', "Fri, 28 Nov 2025 10:00:00 GMT")
    assert read(f"{server.url}/a") == (WebFacts('"1"', "Fri, 28 Nov 2025 10:00:00 GMT", len(DATA)), DATA)


def test_a_file_without_a_length_comes_whole(server: WebServer) -> None:
    server.files["/a"] = WebFile(DATA, has_length=False)
    assert read(f"{server.url}/a") == (WebFacts(), DATA)


@pytest.mark.parametrize("name", ["etag", "modified"])
def test_nothing_travels_of_what_is_unchanged(server: WebServer, name: str) -> None:
    server.files["/a"] = file = WebFile(DATA)
    setattr(file, name, '"1"')
    known = WebFacts('"1"') if name == "etag" else WebFacts(modified='"1"')
    assert read(f"{server.url}/a", known) is None
    assert look_web(f"{server.url}/a", known=known) is None
    assert server.sent == 0
    setattr(file, name, '"2"')
    assert look_web(f"{server.url}/a", known=known) is not None
    assert server.sent == 0
    assert read(f"{server.url}/a", known) is not None


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(server: WebServer) -> None:
    server.files["/a"] = WebFile(DATA, '"1"', cuts=[5_000_000, 1_000])
    found = read(f"{server.url}/a")
    assert found is not None
    assert found[1] == DATA
    assert [status for *_, status in server.seen] == [200, 206, 206]
    assert server.sent == len(DATA)


def test_a_file_that_changes_meanwhile_is_refused(server: WebServer) -> None:
    server.files["/a"] = WebFile(DATA, '"1"', cuts=[5_000_000])
    with open_web(f"{server.url}/a") as found:
        assert found is not None
        next(found.blocks)
        server.files["/a"] = WebFile(DATA[1:], '"2"')
        with pytest.raises(Conflict, match="changes while it is read"):
            list(found.blocks)


@pytest.mark.parametrize(
    "file",
    [
        WebFile(DATA, cuts=[1_000]),
        WebFile(DATA, 'W/"1"', cuts=[1_000]),
        WebFile(DATA, '"1"', cuts=[1_000], has_ranges=False),
        WebFile(DATA, '"1"', cuts=[1_000, 0, 0, 0]),
    ],
    ids=["no name for its version", "a weak name", "no ranges", "again and again"],
)
def test_what_ends_early_is_never_taken_for_whole(server: WebServer, file: WebFile) -> None:
    server.files["/a"] = file
    with pytest.raises(TransientStorageError, match="broke off after 1,000 bytes"):
        read(f"{server.url}/a")


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (404, NotFound, "there is nothing at"),
        (403, StorageError, "denies access"),
        (429, TransientStorageError, "failed"),
        (500, TransientStorageError, "failed"),
        (418, StorageError, "cannot be read"),
    ],
)
def test_what_a_server_refuses(server: WebServer, status: int, kind: type[Exception], said: str) -> None:
    server.files["/a"] = WebFile(b"", status=status)
    with pytest.raises(kind, match=f"{said}.*{status}"):
        read(f"{server.url}/a")


def test_a_server_that_is_not_there() -> None:
    with WebServer() as server:
        url = server.url
    with pytest.raises(TransientStorageError, match="cannot be reached"):
        read(f"{url}/a")


@pytest.mark.parametrize(
    "url", ["http://", "https:///a", "ftp://host/a", "http://ada:secret@host/a", "http://host:port/a", "http://[/a"]
)
def test_addresses_that_cannot_be_one(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_web(url)


def test_spaces_and_other_scripts_in_an_address_are_sent_as_they_must_be(server: WebServer) -> None:
    server.files["/a%20%C5%82?x=1"] = WebFile(b"data", '"1"')
    found = read(f"{server.url}/a ł?x=1#part")
    assert found is not None
    assert found[1] == b"data"

"""Files of web servers, as they are typed: import, update, and what lineage tells of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.recorded import linux
from tests.support.web import WebFile, WebServer

from .workplace import Workplace

TIME = "Fri, 28 Nov 2025 10:00:00 GMT"
LABELS = b"name,label\nada,1\n"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        server.files["/labels.csv"] = WebFile(LABELS, '"1"', TIME)
        yield server


def last_run(place: Workplace) -> dict[str, Any]:
    runs = json.loads(place("runs", "list", "--json").stdout)
    return dict(runs[0])


def test_a_file_of_a_web_server_is_tracked_and_on_the_disk_and_its_lineage_ends_there(
    place: Workplace, server: WebServer
) -> None:
    url = f"{server.url}/labels.csv"
    assert place.ok("import", url, "data/labels.csv").startswith("Imported data/labels.csv  17 B  (")
    assert place.read("data/labels.csv") == LABELS
    assert place.json("status")["changed"] == []
    place.ok("commit", "-m", "labels")
    first, second, third = place.ok("lineage", "data/labels.csv").splitlines()
    assert first.startswith("data/labels.csv  b3:")
    assert second.startswith("└─ run ")
    assert second.endswith(f"xver import {url} data/labels.csv")
    assert third == f'   └─ {url}  version "1"  {TIME}'
    answer = place.json("lineage", "data/labels.csv")
    [source] = answer["runs"][0]["sources"]
    assert source == {
        "path": "data/labels.csv", "uri": url, "endpoint_url": None, "version": '"1"', "modified": TIME,
    }  # fmt: skip
    assert answer["runs"][0]["outputs"][0]["evidence"] == "imported"
    shown = place.ok("runs", "show", answer["runs"][0]["name"]).splitlines()
    assert f'from        {url}  version "1"  {TIME}' in shown


def test_update_takes_what_is_new_and_nothing_else_travels(place: Workplace, server: WebServer) -> None:
    place.ok("import", f"{server.url}/labels.csv", "labels.csv")
    sent = server.sent
    assert place.ok("update") == "Unchanged labels.csv\n"
    assert place.ok("update", "-n") == "Unchanged labels.csv\n"
    assert server.sent == sent
    server.files["/labels.csv"] = WebFile(LABELS + b"eva,2\n", '"2"')
    assert place.ok("update", "-n") == f"Newer at its source: labels.csv  {server.url}/labels.csv\n"
    assert (server.sent, place.read("labels.csv")) == (sent, LABELS)
    assert place.ok("update", "labels.csv").splitlines() == [
        "Updated labels.csv  17 B -> 23 B", "  M labels.csv  17 B -> 23 B",
    ]  # fmt: skip
    assert place.read("labels.csv") == LABELS + b"eva,2\n"
    assert place.ok("update") == "Unchanged labels.csv\n"
    place.ok("undo")
    assert place.read("labels.csv") == LABELS
    # What was taken first is what is known of it again.
    assert place.json("update")[0]["state"] == "updated"


@pytest.mark.parametrize("lacks", ["has_head", "has_conditions"])
def test_servers_that_do_less_than_they_should(place: Workplace, server: WebServer, lacks: str) -> None:
    setattr(server, lacks, False)
    place.ok("import", f"{server.url}/labels.csv", "labels.csv")
    assert place.ok("update", "-n") == place.ok("update") == "Unchanged labels.csv\n"
    server.files["/labels.csv"] = WebFile(b"", '"2"')
    assert place.ok("update", "-n").startswith("Newer at its source: labels.csv")
    assert place.ok("update").startswith("Updated labels.csv  17 B -> 0 B\n")
    assert place.read("labels.csv") == b""


def test_a_server_that_cannot_be_reached(place: Workplace) -> None:
    with WebServer() as server:
        server.files["/a"] = WebFile(b"1", '"1"')
        place.ok("import", f"{server.url}/a", "a")
    for words in (["update"], ["update", "-n"]):
        assert place.fails(13, *words) == [
            f"error: {server.url}/a cannot be reached", "hint: check the network and the address, then try again",
        ]  # fmt: skip


@linux
def test_what_a_run_made_of_it_leads_there(place: Workplace, server: WebServer) -> None:
    place.ok("import", f"{server.url}/labels.csv", "data/labels.csv")
    place.ok("commit", "-m", "labels")
    place.ok("run", "--", "python", "-c", "open('model', 'w').write(open('data/labels.csv').read() * 2)")
    lines = place.ok("lineage", "model").splitlines()
    assert lines[-1].strip().startswith(f"└─ {server.url}/labels.csv")


def test_a_server_that_names_no_versions_is_read_again(place: Workplace, server: WebServer) -> None:
    server.files["/labels.csv"] = WebFile(LABELS)
    place.ok("import", f"{server.url}/labels.csv", "labels.csv")
    assert place.ok("update", "-n").startswith("Cannot be told without reading it: labels.csv  http")
    assert place.ok("update") == "Unchanged labels.csv\n"
    assert server.sent == 2 * len(LABELS)


def test_what_was_changed_here_is_left_alone(place: Workplace, server: WebServer) -> None:
    place.ok("import", f"{server.url}/labels.csv", "labels.csv")
    server.files["/labels.csv"] = WebFile(b"new", '"2"')
    place.write(labels_csv="", **{"labels.csv": "mine"})
    assert place.fails(9, "update")[:2] == ["error: labels.csv has changes that are not added", "  labels.csv"]
    place.ok("add", "labels.csv")
    left = "Left alone labels.csv: it was changed here since it was imported  (xver update --force labels.csv)\n"
    assert place.ok("update") == left
    assert place.read("labels.csv") == b"mine"
    assert place.ok("update", "--force").startswith("Updated labels.csv  4 B -> 3 B\n")
    assert place.read("labels.csv") == b"new"


def test_a_file_goes_below_a_folder_and_is_found_by_its_content_when_it_was_renamed(
    place: Workplace, server: WebServer
) -> None:
    (place.root / "data").mkdir()
    assert place.ok("import", f"{server.url}/labels.csv", "data").startswith("Imported data/labels.csv ")
    place.ok("mv", "data/labels.csv", "data/names.csv")
    server.files["/labels.csv"] = WebFile(b"new", '"2"')
    assert place.ok("update", "data/names.csv").startswith("Updated data/names.csv ")
    assert place.read("data/names.csv") == b"new"


def test_an_import_that_fails_leaves_nothing(place: Workplace, server: WebServer) -> None:
    before = place.read("xver.lock")
    server.files["/cut"] = WebFile(bytes(1_000_000), cuts=[1_000])
    assert (
        place.fails(3, "import", f"{server.url}/none", "a")[0] == f"error: there is nothing at {server.url}/none (404)"
    )
    assert place.fails(13, "import", f"{server.url}/cut", "a")[0].endswith("broke off after 1,000 bytes")
    assert (place.read("xver.lock"), (place.root / "a").exists()) == (before, False)
    assert json.loads(place.ok("runs", "list", "--json")) == []


@pytest.mark.parametrize(
    ("address", "path", "code", "error"),
    [
        ("/labels.csv", "d/a", 2, "d/a overlaps d, which is tracked by itself"),
        ("/labels.csv", "d", 6, "d is tracked already"),
        ("/labels.csv", "free", 6, "there is something at free already"),
        ("/labels.csv", "e", 6, "e is tracked already"),
        ("/labels.csv", "xver.lock", 2, "xver.lock belongs to git and xver, and is no data"),
        ("/", "./", 2, "the address has no name of its own"),
    ],
)
def test_where_nothing_can_be_imported(
    place: Workplace, server: WebServer, address: str, path: str, code: int, error: str
) -> None:
    place.save("one", d__labels_csv="", e="1")
    place.write(free="1", **{"d/labels.csv": "1"})
    said = place.fails(code, "import", server.url + address, path)
    assert said[0] == f"error: {error}"
    assert said[1].startswith("hint: ")


def test_a_secret_in_an_address_is_not_kept_and_another_address_can_be_named(
    place: Workplace, server: WebServer
) -> None:
    server.files["/x?sig=abc123&v=1"] = WebFile(b"1", '"1"')
    place.ok("import", f"{server.url}/x?sig=abc123&v=1", "x")
    run = last_run(place)
    assert "abc123" not in json.dumps(run)
    assert place.fails(2, "update") == [
        "error: the address of x held a secret, which is not kept", "hint: xver update x --from ADDRESS",
    ]  # fmt: skip
    server.files["/y"] = WebFile(b"2", '"1"')
    assert place.ok("update", "x", "--from", f"{server.url}/y").startswith("Updated x  1 B -> 1 B")
    assert place.ok("update") == "Unchanged x\n"


def test_what_was_imported_is_updated_in_a_clone(place: Workplace, server: WebServer) -> None:
    place.ok("remote", "add", "origin", "../remote")
    place.ok("import", f"{server.url}/labels.csv", "labels.csv")
    place.ok("commit", "-m", "labels")
    place.ok("push")
    place.ok("clone", "../remote", "../clone")
    server.files["/labels.csv"] = WebFile(b"new", '"2"')
    assert place.ok("update", where="../clone").startswith("Updated labels.csv")
    assert (place.root.parent / "clone" / "labels.csv").read_bytes() == b"new"
    assert f"{server.url}/labels.csv" in place.ok("lineage", "labels.csv", where="../clone")
    assert "all whole" in place.ok("fsck", "--data", where="../clone")


def test_update_where_nothing_was_imported(place: Workplace) -> None:
    place.save("one", d__a="1")
    assert place.ok("update") == "Nothing here was imported: xver import ADDRESS PATH\n"
    apart = place("update", "--json")
    assert (apart.returncode, apart.stdout) == (0, "[]\n")
    assert place.fails(3, "update", "d")[0] == "error: d was not imported, as far as is known here"
    assert place.fails(2, "update", "--from", "http://host/a")[0] == "error: --from is the address of one path"


def test_one_of_several_that_fails_does_not_stop_the_others(place: Workplace, server: WebServer) -> None:
    server.files["/b"] = WebFile(b"1", '"1"')
    place.ok("import", f"{server.url}/b", "b")
    place.ok("import", f"{server.url}/labels.csv", "labels.csv")
    del server.files["/b"]
    server.files["/labels.csv"] = WebFile(b"new", '"2"')
    done = place("update")
    assert done.returncode == 16
    assert done.stdout.startswith("Updated labels.csv")
    assert done.stderr.splitlines()[1] == f"  b: there is nothing at {server.url}/b (404)"


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("nothing://host/a", "nothing here reads nothing:// addresses"),
        ("", "an address is needed"),
        ("http://ada:secret@host/a", "credentials do not belong into an address, where everybody reads them"),
        ("missing/file", "there is no {root}/missing/file"),
    ],
)
def test_addresses_that_mean_nothing(place: Workplace, address: str, error: str) -> None:
    code = 3 if address == "missing/file" else 2
    assert place.fails(code, "import", address, "a")[0] == "error: " + error.format(root=place.root)

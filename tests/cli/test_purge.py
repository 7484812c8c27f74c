"""`xver purge` as it is typed: nothing without --yes, a certificate, and what everybody sees afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.unit.upkeep.test_purge import is_anywhere
from xver.model.refs import RUNS, Target, TargetKind
from xver.repo import open_repo
from xver.store.log import Change

from .workplace import Workplace

SECRET = bytes(range(256)) * 20


def filled(place: Workplace) -> None:
    place.ok("remote", "add", "origin", "../remote")
    if (place.root / ".git").exists():
        place.git("add", "xver.toml")
    place.write(**{"train.py": "open('model', 'wb').write(open('data/secret', 'rb').read()[::-1])"})
    place.save("first", data__secret=SECRET, data__other="other")
    assert place("run", "--", sys.executable, "train.py").returncode == 0
    place.save("second", data__secret=SECRET + b"2")
    place.ok("push")


def test_nothing_happens_without_yes(place: Workplace) -> None:
    filled(place)
    assert place.fails(2, "purge", "data/secret") == [
        "error: purge destroys data, and nothing brings it back",
        "hint: -n shows the plan, --yes does it",
    ]
    before = open_repo(place.root).store.log.n
    plan = place.ok("purge", "data/secret", "-n")
    assert plan.startswith("Would purge data/secret: 2 contents, 10,241 bytes\n")
    assert "Remote origin (../remote), which was not purged: xver purge --remote origin." in plan
    assert "Certificate" not in plan
    assert open_repo(place.root).store.log.n == before
    assert place.fails(2, "purge", "--yes")[0] == "error: purge what?"
    assert place.fails(3, "purge", "data/nothing", "--yes")[0] == "error: no version has content of data/nothing"


def test_a_purge_and_its_certificate(place: Workplace) -> None:
    filled(place)
    record = place.json("purge", "data/secret", "--remote", "origin", "--yes")
    assert [one["names"] for one in record["contents"]] == [["data/secret"]] * 2
    assert [one["name"] for one in record["stores"]] == ["here", "origin"]
    assert all(one["entries"] and one["packs"] and one["deleted"] for one in record["stores"])
    assert [one["path"] for one in record["models"]] == ["model"]
    assert any("data" in one["did"] for one in record["runs"])
    assert any("xver on " in line for line in record["remains"])
    assert any("xver view --drop 0" in line for line in record["remains"])
    text = Path(record["certificate"]).read_text(encoding="utf-8")
    assert text.startswith("Purged data/secret: 2 contents, 10,241 bytes\n")
    assert json.loads(Path(record["certificate"]).with_suffix(".json").read_text(encoding="utf-8"))["stores"]
    for folder in (open_repo(place.root).places.shared / "store", place.root.parent / "remote"):
        for file in folder.rglob("*"):
            assert file.is_dir() or SECRET[:512] not in file.read_bytes()
    assert not is_anywhere(open_repo(place.root).storage, SECRET)
    assert place("fsck", "--data").returncode == 0
    assert place("fsck", "--data", "--remote", "origin").returncode == 0


def test_a_second_purge_says_that_it_was_purged_already(place: Workplace) -> None:
    filled(place)
    place.ok("purge", "data/secret", "--remote", "origin", "--yes")
    place.write(data__secret=SECRET + b"3")
    place.ok("add", "data")
    text = place.ok("purge", "data/secret", "-n")
    assert text.startswith("Would purge data/secret: 1 content, 5,121 bytes\n")
    assert text.count("already purged here in entry") == 2
    place.ok("purge", "data/secret", "--yes")
    record = place.json("purge", "data/secret", "--remote", "origin", "--yes")
    assert [store["objects"] for store in record["stores"]] == [[], []]
    assert {len(one["before"]) for one in record["contents"]} == {1, 2}
    text = place.ok("purge", "data/secret", "--remote", "origin", "--yes")
    assert text.startswith("data/secret: purged already, nothing else to erase\n")


def test_a_certificate_names_the_runs_by_what_they_read_of_it(place: Workplace) -> None:
    place.write(
        **{
            "train.py": "open('models/one', 'wb').write(open('data/secret', 'rb').read()[::-1])",
            "use.py": "open('report', 'wb').write(open('models/one', 'rb').read()[:9])",
            "else.py": "open('models/two', 'wb').write(open('data/other', 'rb').read())",
        }
    )
    place.save("first", data__secret=SECRET, data__other="other", models__zero="0")
    for name in ("train.py", "use.py", "else.py"):
        assert place("run", "--", sys.executable, name).returncode == 0
    record = place.json("purge", "data/secret", "-n")
    assert [(one["command"].split("/")[-1].split(" ")[1], one["did"]) for one in record["runs"]] == [
        ("train.py", "read data/secret"),
        ("use.py", "read models/one, made from it"),
    ]
    assert [one["path"] for one in record["models"]] == ["models/one", "report"]
    assert all(one["started"] and one["ulid"] for one in record["runs"])
    assert [one["title"] for one in record["versions"]] == ["first"]
    assert record["work_trees"] >= 1
    text = place.ok("purge", "data/secret", "-n")
    assert "What was made from it: xver purge takes that too" in text
    assert f"in repository {record['repository']}\n" in text


def test_a_certificate_names_the_runs_that_it_could_not_read(place: Workplace) -> None:
    filled(place)
    log = open_repo(place.root).store.log
    name = next(name for name in log.refs if name.startswith(RUNS))
    # As a repair leaves it that found the record nowhere.
    log.append(Change("lost", refs={name: (log.refs[name], Target(TargetKind.RUN, bytes(32)))}))
    record = place.json("purge", "data/secret", "-n")
    assert (record["runs"], record["runs_unread"]) == ([], [name.removeprefix(RUNS)])
    lines = place.ok("purge", "data/secret", "-n").splitlines()
    at = lines.index("Runs whose records could not be read, and were not looked at: 1")
    assert lines[at + 1] == f"  {name.removeprefix(RUNS)}"
    # Another store has the record: it is looked at there.
    record = place.json("purge", "data/secret", "--remote", "origin", "-n")
    assert (len(record["runs"]), record["runs_unread"]) == (1, [])


def test_afterwards_it_is_left_out_everywhere_and_refused(place: Workplace) -> None:
    filled(place)
    place.ok("purge", "data/secret", "--remote", "origin", "--yes")
    place.write(data__again=SECRET)
    assert place.fails(18, "add", "data")[0].startswith("error: ")
    (place.root / "data" / "again").unlink()
    (place.root / "data" / "secret").unlink()
    done = place("checkout")
    assert (done.returncode, done.stderr) == (0, "data/secret was purged, and is left out\n")
    done = place("cat", "data/secret")
    assert done.returncode == 18
    assert "was purged (entry" in done.stderr
    done = place("clone", "../remote", "../copy")
    assert (done.returncode, done.stderr) == (0, "data/secret was purged, and is left out\n")
    assert (place.root.parent / "copy" / "data" / "other").read_bytes() == b"other"
    assert not (place.root.parent / "copy" / "data" / "secret").exists()
    assert place("push").returncode == 0


def test_another_clone_is_told_and_can_follow(alone: Workplace) -> None:
    filled(alone)
    alone.ok("clone", "../remote", "../copy")
    alone.ok("purge", "data/secret", "--remote", "origin", "--yes")
    copy = Workplace.__new__(Workplace)
    copy.root, copy.environment = alone.root.parent / "copy", alone.environment
    done = copy("fetch")
    assert done.returncode == 0
    assert done.stderr == "warning: 1 object was purged at origin: xver purge --follow origin\n"
    assert copy("push").returncode == 0
    copy.ok("purge", "--follow", "origin", "--yes")
    assert copy("fetch").stderr == ""
    assert not is_anywhere(open_repo(copy.root).storage, SECRET)

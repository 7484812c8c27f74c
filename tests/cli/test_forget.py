"""`xver forget` as it is typed: what it takes, what it spares, and that it deletes nothing."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.repos import collect_here
from xver.model.ids import chunk_id
from xver.repo import open_repo
from xver.sync.remotes import open_remote
from xver.upkeep.gc import NONE, collect, marks_of

from .workplace import Workplace

NOTHING_DELETED = "Nothing is deleted by this: xver gc takes the data that nothing else needs\n"


def content(n: int) -> str:
    """Return what a version alone has: the first more than all others, so that a pack with it is packed again."""
    return random.Random(n).randbytes(20_000 if n == 1 else 2000).hex()


def filled(place: Workplace, *, remote: bool = False) -> list[str]:
    """Make four versions, of the years 2021 to 2024 where git keeps the time; return their ids."""
    ids = []
    if remote:
        place.ok("remote", "add", "origin", "../remote")
        if (place.root / ".git").exists():
            place.git("add", "xver.toml")
    for n in range(1, 5):
        place.environment["GIT_AUTHOR_DATE"] = f"202{n}-05-06 12:00:00 +0000"
        ids.append(place.save(f"version {n}", d__a=content(n), d__same="same"))
    if remote:
        place.ok("push")
    return ids


def holds(place: Workplace, n: int) -> bool:
    return chunk_id(content(n).encode()) in open_repo(place.root).store


def remote_holds(place: Workplace, n: int) -> bool:
    repo = open_repo(place.root)
    return chunk_id(content(n).encode()) in open_remote(repo, repo.settings.remotes["origin"])


def table(place: Workplace, text: str) -> None:
    path = place.root / "xver.toml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_retention_table(place: Workplace) -> None:
    ids = filled(place)
    table(place, "\n[retention]\nkeep_last = 2\n")
    answer = "<id>  <date>  version 2\n<id>  <date>  version 1\n{} 2 versions, 2 versions kept\n" + NOTHING_DELETED
    assert place.ok("forget", "-n") == answer.format("Would forget")
    assert place.json("forget", "-n")["done"] is False
    assert place.ok("forget") == answer.format("Forgot")
    assert place.ok("forget") == "No version to forget: 2 versions kept\n"
    assert [holds(place, n) for n in range(1, 5)] == [True] * 4
    collect_here(open_repo(place.root), NONE)
    assert [holds(place, n) for n in range(1, 5)] == [False, False, True, True]
    assert [one["id"] for one in place.json("log")] == ids[::-1]
    assert place("fsck").returncode == 0
    # Beside git what a commit changed stands in its xver.lock; outside it stood in the data.
    assert place.ok("log").count("not kept here") == (0 if (place.root / ".git").exists() else 3)
    assert place("checkout").returncode == 0


def test_by_name_and_by_the_beginning_of_an_id(place: Workplace) -> None:
    ids = filled(place)
    done = place.json("forget", "HEAD~2", ids[0][:8])
    assert [one["id"] for one in done["forgotten"]] == [ids[1], ids[0]]
    assert done["left"] == 2
    assert place.fails(3, "forget", "HEAD~2") == [
        "error: the data of HEAD~2 is not kept there, or was forgotten",
        "hint: xver log",
    ]
    assert place("forget", "nowhere").returncode == 3


def test_by_age_what_is_named_is_spared(in_git: Workplace) -> None:
    filled(in_git)
    in_git.git("tag", "v2", "HEAD~2")
    in_git.git("branch", "old", "HEAD~3")
    assert in_git.ok("forget", "--older-than", "90d") == (
        "<id>  <date>  version 3\n"
        "spared <id> xver.lock needs it\nspared <id> v2 needs it\nspared <id> old needs it\n"
        "Forgot 1 version, 3 versions kept\n" + NOTHING_DELETED
    )
    collect_here(open_repo(in_git.root), NONE)
    assert [holds(in_git, n) for n in range(1, 5)] == [True, True, False, True]
    assert in_git.fails(5, "diff", "HEAD~2", "HEAD~1")[0].startswith("error: ")


def test_what_gits_own_names_keep_is_told(in_git: Workplace) -> None:
    ids = filled(in_git)
    in_git.git("tag", "v2", ids[1])
    done = in_git("forget", "v2")
    assert done.stderr.endswith(f"warning: {ids[1][:7]} keeps its data as long as v2 names it: git tag -d v2\n"), (
        done.stderr
    )
    in_git.ok("gc", "--now")
    assert holds(in_git, 2)
    in_git.git("tag", "-d", "v2")
    in_git.ok("gc", "--now")
    assert not holds(in_git, 2)
    assert in_git.json("forget", "-n", "HEAD")["forgotten"][0]["kept_by"] == ["xver.lock"]


def test_what_git_let_go_of(in_git: Workplace) -> None:
    ids = filled(in_git, remote=True)
    assert in_git.ok("forget", "--not-in-git") == "No version to forget: 4 versions kept\n"
    in_git.git("reset", "-q", "--hard", "HEAD~1")
    in_git.ok("checkout")
    # The reflog still has it, and so the user can still come back to it.
    assert in_git.ok("forget", "--not-in-git", "-n") == "No version to forget: 4 versions kept\n"
    in_git.git("reflog", "expire", "--expire=now", "--all")
    assert in_git.json("forget", "--not-in-git", "-n")["forgotten"][0]["title"] == "version 4"
    # A ref that only another work tree sees counts as well, also where that work tree is away.
    linked = str(in_git.root.parent / "linked")
    in_git.git("worktree", "add", "-q", "--detach", linked, ids[3])
    in_git.git("-C", linked, "update-ref", "refs/worktree/mine", "HEAD")
    in_git.git("-C", linked, "checkout", "-q", "--detach", "HEAD~1")
    in_git.git("reflog", "expire", "--expire=now", "--all")
    shutil.rmtree(linked)
    assert in_git.ok("forget", "--not-in-git", "-n") == "No version to forget: 4 versions kept\n"
    # At the remote its own branch leads there, which others may be on.
    assert "No version" in in_git.ok("forget", "--not-in-git", "--remote", "origin", "-n")


@pytest.mark.parametrize("by_name", [True, False])
def test_at_a_remote_and_nobody_brings_it_back(place: Workplace, by_name: bool) -> None:
    ids = filled(place, remote=True)
    table(place, "\n[retention]\nkeep_last = 3\n")
    words = (ids[0],) if by_name else ()
    assert place.ok("forget", "--remote", "origin", *words) == (
        "<id>  <date>  version 1\nForgot 1 version at origin, 3 versions kept\n"
        "Nothing is deleted by this: xver gc --remote origin takes the data that nothing else needs\n"
    )
    repo = open_repo(place.root)
    there = open_remote(repo, repo.settings.remotes["origin"])
    collect(there, marks_of(there), NONE)
    place.save("version 5", d__a=content(5))
    place.ok("push")
    assert [remote_holds(place, n) for n in range(1, 6)] == [False, True, True, True, True]
    assert [holds(place, n) for n in range(1, 6)] == [True] * 5
    copy = Workplace.__new__(Workplace)
    copy.root, copy.environment = place.root.parent / "copy", place.environment
    place.ok("clone", "../remote", str(copy.root))
    assert [one["message"] for one in copy.json("log")] == [f"version {n}" for n in (5, 4, 3, 2, 1)]
    assert copy("fsck").returncode == 0
    place.ok("fetch")
    assert place("fsck").returncode == 0


def test_runs(place: Workplace, tmp_path: Path) -> None:
    place.save("first", d__a="content")
    for n in range(3):
        place.write(**{f"out{n}.py": f"open('made{n}', 'w').write('kept {n}')"})
    table(place, '\n[run]\nkeep = ["made*"]\n')
    for n in range(3):
        assert place("run", "--", sys.executable, f"out{n}.py").returncode == 0
    place.ok("add", "made2")
    names = [one["name"] for one in json.loads(place.ok("runs", "list", "--json"))]
    assert [chunk_id(f"kept {n}".encode()) in open_repo(place.root).store for n in range(3)] == [True] * 3
    done = place.json("forget", "--runs", names[-1])
    assert [one["title"].partition("  ")[0] for one in done["forgotten"]] == [names[-1]]
    collect_here(open_repo(place.root), NONE)
    assert [chunk_id(f"kept {n}".encode()) in open_repo(place.root).store for n in range(3)] == [False, True, True]
    assert [one["name"] for one in json.loads(place.ok("runs", "list", "--json"))] == names
    assert place("fsck").returncode == 0
    assert place.ok("runs", "show", names[-1])
    assert place.ok("lineage", "made2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "error: forget what? There is no table [retention] in xver.toml"),
        (("--runs",), "error: forget which runs?"),
        (("HEAD", "--older-than", "1d"), "error: names and a rule at once"),
        (("--older-than", "soon"), "error: invalid value for '--older-than': 'soon' is no age"),
    ],
)
def test_what_cannot_be_meant(alone: Workplace, words: tuple[str, ...], said: str) -> None:
    assert alone.fails(2, "forget", *words)[0].startswith(said)


def test_a_table_that_keeps_nothing_or_has_a_slip_is_refused(alone: Workplace) -> None:
    alone.save("first", d__a="1")
    before = (alone.root / "xver.toml").read_text(encoding="utf-8")
    for text, said in (
        ("keep_tags = true", "keeps nothing"),
        ("keep_lats = 3", "did you mean keep_last?"),
        ("keep_last = -1", "is a number"),
        ('keep_tags = "no"', "true or false"),
    ):
        (alone.root / "xver.toml").write_text(f"{before}\n[retention]\n{text}\n", encoding="utf-8")
        assert said in " ".join(alone.fails(2, "forget"))


def test_what_a_clone_evicted_is_spared_at_the_remote(place: Workplace) -> None:
    ids = filled(place, remote=True)
    place.ok("evict", "--all")
    table(place, "\n[retention]\nkeep_last = 3\n")
    assert place.ok("forget", "--remote", "origin") == (
        "spared <id> this clone, which evicted it, needs it\nNo version to forget at origin: 4 versions kept\n"
    )
    assert place.fails(7, "forget", "--remote", "origin", ids[0]) == [
        f"error: this clone evicted {ids[0][:7]}: there may be no other copy, so nothing was forgotten",
        "hint: with --evicted it is forgotten all the same",
    ]
    assert "Forgot 1 version at origin" in place.ok("forget", "--remote", "origin", "--evicted", ids[0])

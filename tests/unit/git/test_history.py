from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xver.errors import CommandFailed
from xver.git.command import CatFile, GitCommand
from xver.git.history import commits_of, lock_at, lock_commits, refs, shallow_commits
from xver.model.snapshots import Author, Version

from .repository import Repository


def shape(commits: list[Version]) -> dict[str, tuple[str, ...]]:
    """Titles, in order, each with the titles of its parents."""
    titles = {commit.id: commit.title for commit in commits}
    return {commit.title: tuple(titles[parent] for parent in commit.parents) for commit in commits}


def check_list(repo: Repository, commits: list[Version], rev: str = "HEAD") -> None:
    """What holds of every list: closed, children first, one sink, and the first has the lock of `rev`."""
    place = {commit.id: number for number, commit in enumerate(commits)}
    assert len(place) == len(commits)
    for commit in commits:
        assert all(place[parent] > place[commit.id] for parent in commit.parents)
    children = {parent for commit in commits for parent in commit.parents}
    assert [commit.id for commit in commits if commit.id not in children] == [commit.id for commit in commits[:1]]
    here = lock_at(repo.command, rev)
    assert (lock_at(repo.command, commits[0].id) if commits else None) == here


def test_commits_that_left_the_lock_alone_are_not_in_the_list(repo: Repository) -> None:
    repo.save("no lock yet")
    one = repo.save("one", lock="1")
    repo.save("code", code="x")
    two = repo.save("two", lock="2")
    repo.save("more code", code="y")
    commits = lock_commits(repo.command, "HEAD")
    assert [(commit.id, commit.parents) for commit in commits] == [(two, (one,)), (one, ())]
    check_list(repo, commits)
    assert lock_commits(repo.command, one) == commits[1:]


def test_no_lock_ever(repo: Repository) -> None:
    repo.save("first", code="x")
    assert lock_commits(repo.command) == []
    assert lock_at(repo.command) is None


def test_a_merge_with_a_side_that_left_the_lock_alone(repo: Repository) -> None:
    repo.save("one", lock="1")
    repo.run("switch", "--quiet", "-c", "side")
    repo.save("code", code="x")
    repo.run("switch", "--quiet", "main")
    repo.save("two", lock="2")
    repo.merge("side")
    repo.save("after", code="y")
    commits = lock_commits(repo.command)
    assert shape(commits) == {"two": ("one",), "one": ()}
    check_list(repo, commits)


def test_a_merge_of_different_datasets(repo: Repository) -> None:
    repo.save("base", lock="[a]\n1\n\n\n\n\n[b]\n1\n")
    repo.run("switch", "--quiet", "-c", "side")
    repo.save("code", code="x")
    repo.save("b", lock="[a]\n1\n\n\n\n\n[b]\n2\n")
    repo.run("switch", "--quiet", "main")
    repo.save("a", lock="[a]\n2\n\n\n\n\n[b]\n1\n")
    repo.merge("side", "-m", "both")
    repo.save("after", code="y")
    commits = lock_commits(repo.command)
    assert shape(commits) == {"both": ("a", "b"), "b": ("base",), "a": ("base",), "base": ()}
    check_list(repo, commits)
    check_list(repo, lock_commits(repo.command, "side"), "side")


def test_a_merge_of_the_same_change_and_one_that_takes_a_side(repo: Repository) -> None:
    repo.save("base", lock="1")
    for kind in ("same", "ours"):
        repo.run("switch", "--quiet", "-c", kind)
        repo.save(f"{kind} there", lock=f"{kind}" if kind == "same" else "theirs")
        repo.run("switch", "--quiet", "main")
        repo.save(f"{kind} here", lock=kind)
        repo.merge(kind, "-m", kind, *(["-s", "ours"] if kind == "ours" else []))
    commits = lock_commits(repo.command)
    check_list(repo, commits)
    assert shape(commits) == {
        "ours": ("ours here", "ours there"),
        "ours there": ("same",),
        "ours here": ("same",),
        "same": ("same here", "same there"),
        "same there": ("base",),
        "same here": ("base",),
        "base": (),
    }


def test_a_squashed_branch_is_one_commit(repo: Repository) -> None:
    base = repo.save("base", lock="1")
    repo.run("switch", "--quiet", "-c", "side")
    repo.save("s1", lock="2")
    repo.save("s2", lock="3")
    repo.run("switch", "--quiet", "main")
    repo.run("merge", "--quiet", "--squash", "side")
    squashed = repo.commit("-m", "squashed")
    commits = lock_commits(repo.command)
    assert [(commit.id, commit.parents) for commit in commits] == [(squashed, (base,)), (base, ())]


def test_removed_and_added_again(repo: Repository) -> None:
    repo.save("one", lock="1")
    repo.run("rm", "--quiet", "xver.lock")
    repo.save("removed")
    repo.save("without", code="x")
    assert lock_at(repo.command) is None
    commits = lock_commits(repo.command)
    assert shape(commits) == {"removed": ("one",), "one": ()}
    check_list(repo, commits)
    repo.save("again", lock="1")
    commits = lock_commits(repo.command)
    assert shape(commits) == {"again": ("removed",), "removed": ("one",), "one": ()}
    check_list(repo, commits)


def test_unrelated_histories(repo: Repository) -> None:
    repo.save("one", lock="1")
    repo.run("switch", "--quiet", "--orphan", "other")
    repo.save("other root", other="x")
    repo.run("switch", "--quiet", "main")
    repo.merge("other", "--allow-unrelated-histories")
    commits = lock_commits(repo.command)
    assert shape(commits) == {"one": ()}
    check_list(repo, commits)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 3)), min_size=2, max_size=14))
def test_any_history(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]) -> None:
    """A commit's simplified parents do not depend on where one looks from, and lead to the locks git has."""
    repo = Repository(tmp_path_factory.mktemp("any"))
    marks, lines = 0, []
    for one, other, lock in steps:
        marks += 1
        lines.append(f"commit refs/heads/c{marks}\nmark :{marks}\ncommitter A <a@b> {1_700_000_000 + marks} +0000\n")
        lines.append(f"data {len(str(marks))}\n{marks}\n")
        if marks > 1:
            first = one % (marks - 1) + 1
            second = other % (marks - 1) + 1
            lines.append(f"from :{first}\n" + (f"merge :{second}\n" if second != first else ""))
        lines.append("D xver.lock\n" if lock == 0 else f"M 644 inline xver.lock\ndata 1\n{lock}\n")
        lines.append(f"M 644 inline code\ndata {len(str(marks))}\n{marks}\n")
    repo.run("fast-import", "--quiet", input="".join(lines).encode())
    seen: dict[str, Version] = {}
    for number in range(1, marks + 1):
        commits = lock_commits(repo.command, f"c{number}")
        check_list(repo, commits, f"c{number}")
        for commit in commits:
            assert seen.setdefault(commit.id, commit) == commit


def test_a_shallow_clone_says_where_it_ends(repo: Repository, tmp_path: Path) -> None:
    repo.save("one", lock="1")
    two = repo.save("two", lock="2")
    edge = repo.save("code", code="x")
    three = repo.save("three", lock="3")
    assert shallow_commits(repo.command) == frozenset()
    repo.run("clone", "--quiet", "--depth=2", repo.root.as_uri(), str(tmp_path / "shallow"))
    shallow = Repository(tmp_path / "shallow", init=False)
    assert shallow_commits(shallow.command) == {edge}
    commits = lock_commits(shallow.command)
    # The commit at the edge seems to have added the lock; in the full history its place is taken by "two".
    assert [(commit.id, commit.parents) for commit in commits] == [(three, (edge,)), (edge, ())]
    assert lock_commits(repo.command)[0].parents == (two,)
    shallow.run("fetch", "--quiet", "--unshallow")
    assert shallow_commits(shallow.command) == frozenset()
    assert lock_commits(shallow.command) == lock_commits(repo.command)


def test_what_is_private_to_a_clone_does_not_change_history(repo: Repository) -> None:
    one = repo.save("one", lock="1")
    two = repo.save("two", lock="2")
    three = repo.save("three", lock="3")
    expected = lock_commits(repo.command)
    repo.run("replace", "--graft", three, one)
    (repo.root / ".git" / "info" / "grafts").write_text(f"{two}\n")
    assert lock_commits(repo.command) == expected
    assert [commit.parents for commit in expected] == [(two,), (one,), ()]


MESSAGES = [
    "title only",
    "title\n\nbody\n\n  indented\n",
    "commit 0123456789012345678901234567890123456789\n\ncommit x y z",
    "é 漢字 \U0001f600\r\nwindows",
    "%H %x00 $HOME `x`",
    "",
    "tab\tand\x1b[31m red",
    "\n\n\nleading lines",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_as_they_are(repo: Repository, message: str) -> None:
    repo.write("xver.lock", "1")
    repo.run("add", "xver.lock")
    (repo.root / "message").write_bytes(message.encode())
    first = repo.commit("--cleanup=verbatim", "--allow-empty-message", "-F", "message")
    second = repo.save("next", lock="2")
    commits = lock_commits(repo.command)
    assert [commit.id for commit in commits] == [second, first]
    assert commits[1] == Version(
        first, (), Author("Ada Łovelace", "ada@example.com"), 1_700_000_060, 90, message.rstrip("\n")
    )
    assert commits_of(repo.command)[1] == commits[1]


def test_odd_commit_objects(repo: Repository) -> None:
    tree = repo.run("write-tree")

    def make(author: bytes, extra: bytes, message: bytes) -> Version:
        body = b"tree %s\nauthor %s\ncommitter C <c@d> 5 +0000\n%s\n%s" % (tree.encode(), author, extra, message)
        made = repo.run("hash-object", "-t", "commit", "-w", "--stdin", "--literally", input=body)
        (commit,) = commits_of(repo.command, made)
        return commit

    latin = make("Zoë <z@e> 5 -0530".encode("latin-1"), b"encoding ISO-8859-1\n", "caf\xe9\n".encode("latin-1"))
    assert (latin.author.name, latin.offset, latin.message) == ("Zoë", -330, "café")
    assert make(b"A <a@b> 5 +0000", b"", b"caf\xe9").message == "caf\ufffd"
    nameless = make(b" <> 1 +1245", b"", b"x")
    assert (nameless.author, nameless.time, nameless.offset) == (Author("", ""), 1, 765)
    assert make(b"A <a@b>", b"", b"x").time == 0


def test_configuration_does_not_show(repo: Repository) -> None:
    repo.save("one", lock="1")
    expected = lock_commits(repo.command)
    for key, value in {
        "log.showSignature": "true",
        "log.date": "relative",
        "i18n.logOutputEncoding": "latin-1",
        "format.pretty": "oneline",
        "color.ui": "always",
        "log.follow": "true",
    }.items():
        repo.run("config", key, value)
    assert lock_commits(repo.command) == expected == commits_of(repo.command)


def test_the_lock_of_a_project_in_a_folder_with_an_odd_name(repo: Repository) -> None:
    path = "odd *[é]\n dir/xver.lock"
    repo.write(path, "1")
    first = repo.save("one")
    repo.save("not this one", lock="2")
    assert [commit.id for commit in lock_commits(repo.command, path=path)] == [first]
    assert lock_at(repo.command, path=path) == b"1"


def test_commits_of(repo: Repository) -> None:
    ids = [repo.save(str(number)) for number in range(5)]
    assert [commit.id for commit in commits_of(repo.command)] == ids[::-1]
    newest = commits_of(repo.command, "HEAD~1", 2)
    assert [(commit.id, commit.parents) for commit in newest] == [(ids[3], (ids[2],)), (ids[2], (ids[1],))]
    assert [commit.id for commit in commits_of(repo.command, since="1700000240 +0000")] == ids[:2:-1]


def test_lock_at(repo: Repository) -> None:
    first = repo.save("one", lock="1\n")
    repo.run("rm", "--quiet", "xver.lock")
    repo.write("xver.lock/file", "a folder in the place of the lock")
    repo.save("folder")
    assert lock_at(repo.command, first) == b"1\n"
    assert lock_at(repo.command, ":/one") == b"1\n"
    assert lock_at(repo.command, "HEAD") is None
    with CatFile(repo.command) as cat:
        assert cat.read(f"{first}:xver.lock") == b"1\n"


def test_a_lock_whose_content_is_lost_is_not_taken_for_none(repo: Repository) -> None:
    repo.save("one", lock="1\n")
    blob = repo.run("rev-parse", "HEAD:xver.lock")
    (repo.root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(CommandFailed):
        lock_at(repo.command)


def test_refs(repo: Repository, tmp_path: Path) -> None:
    first = repo.save("first", a="x")
    repo.run("tag", "light")
    repo.run("tag", "-a", "heavy", "-m", "x")
    repo.run("tag", "-a", "tag-of-tag", "-m", "x", "heavy")
    repo.run("tag", "blob", "HEAD:a")
    repo.run("tag", "-a", "tag-of-blob", "-m", "x", "HEAD:a")
    second = repo.save("second")
    assert refs(repo.command) == {
        "refs/heads/main": second,
        "refs/tags/light": first,
        "refs/tags/heavy": first,
        "refs/tags/tag-of-tag": first,
    }
    repo.run("clone", "--quiet", str(repo.root), str(tmp_path / "clone"))
    assert refs(GitCommand(tmp_path / "clone"))["refs/remotes/origin/main"] == second

"""History as it is typed: log, show, tag, branch, switch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.trees import picture

from .workplace import Workplace


def test_the_log(place: Workplace) -> None:
    assert place.ok("log") == "There is no version yet: xver add PATH, then xver commit\n"
    place.save("first", d__a="1", e="1")
    place.save("second\n\nwhy", d__a="22", d__b="1")
    place.ok("rm", "e")
    place.ok("commit", "-m", "third")
    author = "Ada Łovelace" if (place.root / ".git").exists() else "ada"
    assert place.ok("log") == (
        f"<id>  <date>  {author}  third\n    - e  1 B\n"
        f"<id>  <date>  {author}  second\n    ~ d  +1 file  +2 B\n"
        f"<id>  <date>  {author}  first\n    + d  1 file  1 B\n    + e  1 B\n"
    )
    assert [one["message"] for one in place.json("log", "d/a")] == ["second\n\nwhy", "first"]
    assert [one["message"] for one in place.json("log", "--", "e")] == ["third", "first"]
    assert place.fails(2, "log", "-n") == ["error: option '-n' requires an argument", "hint: xver log -h"]
    assert [one["message"] for one in place.json("log", "HEAD~1", "-n", "1")] == ["second\n\nwhy"]
    assert [one["message"] for one in place.json("log", "main", "--", "d/b")] == ["second\n\nwhy"]
    assert place.ok("log", "-n", "1", "a", where="d").count("\n") == 2
    first = place.json("log")[-1]
    assert list(first) == ["id", "parents", "author", "time", "offset", "message"]
    assert (first["parents"], first["author"]["name"], first["offset"]) == ([], author, 0)


def test_the_log_asks_one_process_of_git_for_all_it_reads(in_git: Workplace, tmp_path: Path) -> None:
    for number in range(3):
        in_git.save(str(number), d__a=str(number))
    for words, count in ((("log", "d/a"), 1), (("log", "--json"), 0)):
        trace = tmp_path / f"trace-{count}"
        in_git.environment["GIT_TRACE"] = str(trace)
        in_git.ok(*words)
        assert trace.read_text(encoding="utf-8").count("cat-file --batch\n") == count


def test_commits_of_code_alone_are_no_versions(in_git: Workplace) -> None:
    in_git.save("data", d__a="1")
    in_git.write(code="1")
    in_git.git("add", "code")
    in_git.git("commit", "-qm", "code")
    assert [one["message"] for one in in_git.json("log")] == ["data"]
    assert in_git.json("show")["message"] == "code"
    assert in_git.json("show")["changes"] == []
    assert in_git.json("diff", "HEAD~1", "HEAD") == []


def test_show(place: Workplace) -> None:
    place.save("first", d__a="1")
    place.save("second\n\nwith a reason", d__a="22", d__b="1")
    lines = place.ok("show").splitlines()
    assert (lines[0], lines[2]) == ("version <ID>", "Date:   <date>")
    assert lines[3:] == ["", "    second", "    ", "    with a reason", "", "M d/a  1 B -> 2 B", "A d/b  1 B"]
    found = place.json("show", "HEAD~1")
    assert set(found) == {"id", "parents", "author", "time", "offset", "message", "changes"}
    assert [one["path"] for one in found["changes"]] == ["d/a"]
    assert place.json("show", found["id"][:8]) == found


@pytest.mark.parametrize("rev", ["main", "HEAD", "@", "HEAD~1", "main^", "v1"])
def test_words_for_a_version(place: Workplace, rev: str) -> None:
    ids = {"HEAD~1": place.save("first", d__a="1")}
    ids["main^"] = ids["v1"] = ids["HEAD~1"]
    place.git("tag", "v1") if (place.root / ".git").exists() else place.ok("tag", "v1")
    second = place.save("second", d__a="2")
    assert place.json("show", rev)["id"] == ids.get(rev, second)


@pytest.mark.parametrize("rev", ["mian", "HEAD~9", "ffffffff", "a..b"])
@pytest.mark.parametrize("command", [["show"], ["log"], ["diff"], ["ls", "--rev"], ["restore", "d", "--source"]])
def test_a_version_that_is_not_there(place: Workplace, rev: str, command: list[str]) -> None:
    place.save("first", d__a="1")
    lines = place.fails(3, *command, rev)
    assert len(lines) == 2
    if rev == "mian":
        assert "main" in lines[1]


@pytest.mark.parametrize("words", [["diff", "HEAD~1", "HEAD"], ["diff", "d"], ["diff", "e"], ["log", "HEAD"]])
@pytest.mark.parametrize("path", ["mian", "d/none", "../x"])
def test_a_path_that_is_nowhere(place: Workplace, words: list[str], path: str) -> None:
    place.save("first", d__a="1", e="1")
    place.save("second", d__a="2", e="1")
    lines = place.fails(2 if path == "../x" else 3, *words, path)
    assert lines[0].startswith(f"error: {path} ")
    if path != "../x":
        assert lines[1] == f"hint: xver ls shows what is tracked, xver log -- {path} when it was"
        assert place("log", "HEAD", "--", path).returncode == 0


def test_a_path_that_only_an_old_version_has(place: Workplace) -> None:
    place.save("first", d__a="1", s__t__b="1")
    place.ok("rm", "d", "s")
    place.save("second", other="2")
    for path in ("d", "d/a", "s"):
        assert place.ok("diff", "-q", "HEAD~1", "HEAD", path).splitlines() != []
    assert place.ok("log", "HEAD~1", "d/a").splitlines() != []
    assert place.fails(3, "log", "HEAD", "d/a") != []


@pytest.mark.parametrize("command", [["show"], ["ls", "--rev"], ["restore", "d", "--source"]])
def test_an_empty_word_names_no_version(place: Workplace, command: list[str]) -> None:
    place.save("first", d__a="1")
    assert len(place.fails(3, *command, "")) == 2


def test_before_the_first_version(place: Workplace) -> None:
    for words in (["show"], ["diff", "HEAD"]):
        assert place.fails(3, *words)[0] == "error: there is no commit yet"
    assert place.ok("diff") == "No difference in the data\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["branch"], "git branch"),
        (["branch", "x"], "git branch x"),
        (["branch", "x", "HEAD~1"], "git branch x HEAD~1"),
        (["branch", "-d", "x"], "git branch -d x"),
        (["tag"], "git tag"),
        (["tag", "v1"], "git tag v1"),
        (["tag", "-d", "v1"], "git tag -d v1"),
        (["switch", "x"], "git switch x && xver checkout"),
        (["switch", "-c", "x"], "git switch -c x"),
    ],
)
def test_in_git_the_hint_is_git_s_command(in_git: Workplace, words: list[str], hint: str) -> None:
    assert in_git.fails(2, *words) == ["error: branches and tags are git's here", f"hint: {hint}"]


def test_branches_and_tags_of_xver_s_own(alone: Workplace) -> None:
    assert alone.ok("branch") == ""
    first = alone.save("first", d__a="1")
    assert alone.ok("tag", "v1") == "v1 is <id>\n"
    assert alone.ok("switch", "-c", "side") == "On side\n"
    alone.save("second", d__a="2")
    assert alone.ok("branch") == "  main  <id>\n* side  <id>\n"
    assert alone.json("tag") == [{"name": "v1", "id": first}]
    assert alone.fails(6, "tag", "v1") == ["error: there is a tag v1 already", "hint: xver tag -d v1 deletes it"]
    assert alone.ok("switch", "v1") == "On v1\n"
    assert picture(alone.root) == {"d/a": b"1"}
    assert alone.ok("branch") == "  main  <id>\n  side  <id>\n"
    alone.write(d__a="3")
    assert alone.fails(9, "switch", "side")[:2] == ["error: 1 changed file would be lost", "  d/a"]
    assert alone.ok("switch", "--force", "side") == "On side\n"
    assert alone.fails(3, "switch", "sied") == ["error: no version is named sied", "hint: did you mean side?"]
    assert alone.ok("branch", "-d", "main") == "Deleted branch main\n"
    assert alone.fails(2, "branch", "-d", "side")[0] == "error: side is the branch you are on"
    assert alone.ok("tag", "-d", "v1") == "Deleted tag v1\n"


def test_a_merge_in_git_that_changed_nothing_itself_is_not_in_the_log_of_a_path(in_git: Workplace) -> None:
    in_git.save("base", d__a="1", e="1")
    in_git.git("switch", "-qc", "side")
    in_git.save("theirs", d__a="2")
    in_git.git("switch", "-q", "main")
    in_git.ok("checkout")
    in_git.save("ours", e="2")
    in_git.git("merge", "-q", "--no-edit", "side")
    assert [one["message"] for one in in_git.json("log", "d")] == ["theirs", "base"]
    assert [one["message"] for one in in_git.json("log", "e")] == ["ours", "base"]


def test_the_log_chooses(place: Workplace) -> None:
    place.save("first", d__a="1", e="1")
    place.save("second", d__a="2")
    place.save("third", e="2")

    def titles(*words: str) -> list[str]:
        return [one["message"] for one in place.json("log", *words)]

    assert titles("--", "d", "e") == ["third", "second", "first"]
    assert titles("-n", "1", "--", "d") == ["second"]
    assert titles("--since", "yesterday") == ["third", "second", "first"]
    assert titles("--until", "yesterday") == []
    assert titles("--author", "ada") == ["third", "second", "first"]
    assert titles("--author", "grace") == []
    assert place.ok("log", "--until", "2020-01-01") == ""
    assert place.fails(2, "log", "--since", "soon")[0] == "error: no date: 'soon'"
    assert "no regular expression" in place.fails(2, "log", "--author", "a(")[0]


def test_the_log_is_drawn(alone: Workplace) -> None:
    alone.save("base", d__a="1")
    alone.ok("switch", "-c", "side")
    alone.save("theirs", d__b="2")
    alone.ok("switch", "main")
    alone.save("ours", e="2")
    alone.ok("merge", "side")
    lines = alone.ok("log", "--graph").splitlines()
    assert lines[0].startswith("*  <id>  <date>  ada  Merge side")
    assert lines[1:3] == ["|      ~ d  +1 file  +1 B", "|\\"]
    # Versions of one second are sorted by their ids.
    assert sorted(line[:5] + line.rpartition("  ")[2] for line in lines[3:7]) == [
        "* |  ours",
        "| *  theirs",
        "| |  +1 B",
        "| |  1 B",
    ]
    assert lines[7] == "|/"
    assert lines[8].startswith("*  <id>  <date>  ada  base")
    # A path leaves out what did not change it, and those that stay hang together.
    assert [line[0:3] for line in alone.ok("log", "--graph", "--", "e").splitlines() if "<id>" in line] == ["*  "]


def test_a_path_in_a_version(place: Workplace) -> None:
    place.save("first", d__a="1", d__s__x="x")
    place.save("second", d__a="22")
    assert place.ok("show", "HEAD~1:d/a") == place.ok("cat", "HEAD~1:d/a") == "1"
    assert place.ok("show", "HEAD:d") == place.ok("ls", "HEAD:d") == "d/a\nd/s/x\n"
    assert place.ok("show", "HEAD:") == place.ok("ls", "main:") == "d\n"
    assert place.ok("show", "HEAD:d/s/") == "d/s/x\n"
    assert place.ok("show", "HEAD:./x", where="d/s") == "x"
    assert [one["path"] for one in place.json("show", "HEAD~1:d/a")] == ["d/a"]
    assert place.fails(3, "show", "HEAD:none")[0] == "error: none is not tracked in HEAD"
    assert len(place.fails(3, "show", "nope:d/a")) == 2
    place.save("odd", **{"HEAD~1:d": "a file"})
    assert place.ok("cat", "HEAD~1:d") == "a file"


def test_what_a_branch_was(place: Workplace) -> None:
    place.save("first", d__a="1")
    place.save("second", d__a="22")
    assert place.json("show", "@{1}")["message"] == place.json("show", "main@{1}")["message"] == "first"
    assert place.json("show", "main@{now}")["message"] == "second"
    assert place.ok("cat", "main@{1}:d/a") == "1"

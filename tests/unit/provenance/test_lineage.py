"""Where a content comes from: asked by bytes, told truly, each thing once."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.recorded import linux, outputs, project, python
from tests.support.repos import SOMEBODY, write_tree
from xver.errors import InvalidInput, NotFound
from xver.model.ids import ChunkId, chunk_id
from xver.model.runs import Attachment, Run
from xver.provenance.holders import Holders
from xver.provenance.lineage import Activity, Node, lineage
from xver.provenance.makers import Makers
from xver.provenance.recording import RunOptions
from xver.repo import Repo
from xver.versioning.commits import commit
from xver.versioning.removing import remove
from xver.versioning.tracking import add

pytestmark = linux

COPY = "open({1!r}, 'w').write(open({0!r}).read() + 'x')"


def copy(repo: Repo, source: str, target: str) -> Run:
    return python(repo, COPY.format(source, target))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return project(tmp_path / "project", {"raw/a": b"a", "raw/b": b"b"}, tracked=("raw",))


def ask(repo: Repo, word: str | Path, **more: int) -> Node:
    answer = lineage(repo, os.fspath(word), start=repo.root, **more)
    assert isinstance(answer, Node)
    return answer


def makers(node: Node | Activity | None) -> list[str]:
    """Return the runs on the way up, by name."""
    found = []
    while node is not None:
        activity = node.made_by if isinstance(node, Node) else node
        if activity is None:
            break
        found.append(activity.run.name)
        node = activity.uses[0].source if activity.uses else None
    return found


def test_a_chain_is_told_from_its_end_by_path_copy_id_and_run(repo: Repo, tmp_path: Path) -> None:
    runs = [copy(repo, "raw/a", "one"), copy(repo, "one", "two"), copy(repo, "two", "three")]
    names = [run.name for run in reversed(runs)]
    assert makers(ask(repo, "three")) == names
    shutil.copy(repo.root / "three", tmp_path / "stray")
    os.rename(repo.root / "three", repo.root / "four")
    assert makers(ask(repo, tmp_path / "stray")) == makers(ask(repo, "four")) == names
    assert makers(ask(repo, f"b3:{outputs(runs[2])['three'].id.hex()}")) == names
    assert makers(lineage(repo, runs[2].ulid, start=repo.root)) == names
    used = ask(repo, "one").made_by
    assert used is not None
    assert (used.uses[0].source.entity.path, used.uses[0].input.read, used.uses[0].input.files) == ("raw", 1, 2)


def test_depth_cuts_and_says_so(repo: Repo) -> None:
    for pair in (("raw/a", "one"), ("one", "two")):
        copy(repo, *pair)
    first = ask(repo, "two", depth=1).made_by
    assert first is not None
    cut = first.uses[0].source.made_by
    assert cut is not None
    assert (first.cut, cut.cut, cut.uses) == (False, True, ())
    with pytest.raises(InvalidInput, match="depth"):
        ask(repo, "two", depth=65)


def test_what_is_met_twice_is_told_once(repo: Repo) -> None:
    copy(repo, "raw/a", "one")
    for name in ("left", "right"):
        python(repo, f"open('{name}', 'w').write(open('one').read() + '{name}')")
    python(repo, "open('both', 'w').write(open('left').read() + open('right').read())")
    top = ask(repo, "both").made_by
    assert top is not None
    sources = [use.source.made_by for use in top.uses]
    origins = [one.uses[0].source.made_by for one in sources if one is not None]
    assert [one.told for one in origins if one is not None] == [False, True]


def test_the_same_bytes_made_twice_name_both(repo: Repo) -> None:
    first, second = copy(repo, "raw/a", "one"), copy(repo, "raw/a", "again")
    node = ask(repo, "one")
    assert makers(node) == [first.name]
    assert [run.name for run in node.others] == [second.name]


def test_a_run_never_made_what_it_read_itself(repo: Repo) -> None:
    python(repo, "text = open('raw/a').read(); open('raw/a', 'w').write(text)")
    activity = ask(repo, "raw").made_by
    assert activity is not None
    assert [use.source.made_by for use in activity.uses] == [None]


def test_what_was_made_later_is_no_source(repo: Repo) -> None:
    used = copy(repo, "raw/a", "one")
    python(repo, "open('made', 'w').write('a')")
    activity = lineage(repo, used.name, start=repo.root)
    assert isinstance(activity, Activity)
    assert activity.uses[0].source.made_by is None


def test_who_copies_a_file_of_a_dataset_that_was_read_before_made_no_part_of_it(repo: Repo) -> None:
    python(repo, "open('copied', 'w').write(open('raw/a').read())")
    used = copy(repo, "raw/b", "one")
    activity = lineage(repo, used.name, start=repo.root)
    assert isinstance(activity, Activity)
    assert [(use.source.made_by, use.source.parts) for use in activity.uses] == [(None, ())]
    assert ask(repo, "raw").parts == ()


def test_no_bytes_and_no_files_come_from_nowhere(repo: Repo) -> None:
    (repo.root / "kept").mkdir()
    (repo.root / "kept/x").write_text("x")
    add(repo, ["kept"])
    python(repo, "import os; open('empty', 'w').close(); os.remove('kept/x')")
    (repo.root / "other").mkdir()
    (repo.root / "nothing").write_bytes(b"")
    assert (ask(repo, "nothing").made_by, ask(repo, "other").made_by) == (None, None)


def test_of_a_dataset_in_parts_each_part_is_told(repo: Repo) -> None:
    first = python(repo, "open('raw/c', 'w').write('c1')")
    second = python(repo, "open('raw/d', 'w').write('d1')")
    node = ask(repo, "raw")
    assert makers(node) == [second.name]
    assert node.made_by is not None
    earlier = node.made_by.earlier
    assert earlier is not None
    assert makers(earlier) == [first.name]
    (repo.root / "raw/e").write_text("by hand")
    add(repo, ["raw"])
    parts = {activity.run.name: files for activity, files in ask(repo, "raw").parts}
    assert parts == {first.name: 1, second.name: 1}


def test_a_file_of_a_dataset_leads_to_the_run_that_wrote_it(repo: Repo) -> None:
    run = python(repo, "open('raw/c', 'w').write('c1'); open('raw/d', 'w').write('d1')")
    node = ask(repo, "raw/d")
    assert node.made_by is not None
    assert (node.made_by.run.name, node.made_by.making is not None and node.made_by.making.path) == (run.name, "raw/d")
    assert ask(repo, "raw/a").made_by is None


def test_an_id_that_nobody_made_is_no_dataset(repo: Repo) -> None:
    node = ask(repo, f"b3:{chunk_id(b'a').hex()}")
    assert (node.made_by, node.parts, node.entity.files) == (None, (), None)
    with pytest.raises(NotFound):
        ask(repo, "nowhere")


def test_a_list_of_members_that_cannot_be_read_hides_no_other_answer(repo: Repo) -> None:
    good = python(repo, "open('raw/c', 'w').write('c1')", options=RunOptions(tags=("good",)))
    bad = replace(
        good, outputs=tuple(replace(one, members=Attachment(ChunkId(b"\x07" * 32), 9)) for one in good.outputs)
    )
    asked = Makers(repo)
    asked.__dict__["runs"] = [bad, good]
    (making,) = asked.of(chunk_id(b"c1"))
    assert making.run.tags == ("good",)


def test_one_listing_under_two_names_is_looked_into_for_each(tmp_path: Path) -> None:
    repo = project(tmp_path / "project", {"a/x": b"x"}, tracked=("a",))
    commit(repo, "one", author=SOMEBODY)
    remove(repo, ["a"])
    write_tree(repo.root, {"a/b/x": b"x"})
    add(repo, ["a/b"])
    commit(repo, "two", author=SOMEBODY)
    found = Holders(repo).first(chunk_id(b"x"), "a/b/x")
    assert found is not None
    assert found.title == "two"

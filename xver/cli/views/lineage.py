"""An answer of `xver lineage` as a tree of lines, and as a graph in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from xver.cli.human import count, plural, shorten, size
from xver.cli.output import Output, Styled, Text
from xver.cli.views.entries import version_json
from xver.cli.views.run_json import input_json, output_json, run_json
from xver.cli.views.run_report import code_words, ending, names, results, title
from xver.model.ids import short_id
from xver.model.runs import Input, Source, State, Status
from xver.provenance.lineage import Activity, Entity, Node

_Line: TypeAlias = list[Text]
_TITLE: Final = 60
_VALUES: Final = 3


def print_lineage(out: Output, answer: Node | Activity) -> None:
    """Print the tree: what was asked for first, what it was made of below and to the right."""
    lines = _node(answer) if isinstance(answer, Node) else _activity(answer)
    for line in lines:
        out.line(*line)


def lineage_json(answer: Node | Activity) -> dict[str, Any]:
    """Return the graph: every content and run once, and the edges between them in PROV's words."""
    graph = _Graph()
    subject = graph.node(answer) if isinstance(answer, Node) else graph.activity(answer)
    return {
        "subject": subject,
        "entities": list(graph.entities.values()),
        "runs": list(graph.runs.values()),
        "used": graph.used,
        "generated": graph.generated,
    }


def _node(node: Node, used: Input | None = None) -> Iterator[_Line]:
    yield _entity(node.entity, used)
    branches: list[list[_Line]] = []
    if node.made_by is not None:
        branches.append(list(_activity(node.made_by, node.entity.path)))
    if node.others:
        branches.append([["the same bytes also from ", names([one.name for one in node.others])]])
    for activity, files in node.parts:
        lines = list(_activity(activity))
        lines[0] = [f"{plural(files, 'file')} from ", *lines[0]]
        branches.append(lines)
    yield from _indented(branches)


def _entity(entity: Entity, used: Input | None) -> _Line:
    line: _Line = [Styled(entity.path, "strong")]
    if entity.id is not None:
        line += ["  ", Styled(short_id(entity.id), "id")]
    if used is not None and used.files is not None and used.read is not None:
        line.append(f"  {count(used.read)} of {plural(used.files, 'file')} read ({used.evidence})")
    elif entity.files:
        line.append(f"  {plural(entity.files, 'file')}")
    if entity.size:
        line.append(f"  {size(entity.size)}")
    if used is not None and used.state is not State.STABLE:
        line += ["  ", Styled(_state(used.state), "bad")]
    if entity.commit is not None:
        line += ["  commit ", Styled(entity.commit.id[:7], "id"), f' "{shorten(entity.commit.title, _TITLE)}"']
    elif used is not None and used.state is State.STABLE:
        line.append("  in no commit")
    return line


def _state(state: State) -> str:
    match state:
        case State.UNVERSIONED:
            return "not tracked when it was read"
        case State.BEFORE_UNKNOWN:
            return "rewritten or moved by the run: what was read is not known"
        case State.CHANGED:
            return "changed while it was read"
        case State.STABLE:
            return ""


def _activity(activity: Activity, name: str = "") -> Iterator[_Line]:
    run = activity.run
    line: _Line = ["run ", Styled(run.name, "id"), f"  {title(run)}"]
    line += [f"  {text}" for text in results(run, most=_VALUES)]
    if run.status is not Status.OK:
        line += ["  ", ending(run)]
    if code := code_words(run):
        line.append(f"  {code}")
    if activity.making is not None and name and activity.making.path != name:
        line.append(f"  as {activity.making.path}")
    if activity.told:
        yield [*line, "  (told above)"]
        return
    if activity.cut:
        yield [*line, "  (and what it used: --depth)"]
        return
    yield line
    branches = [list(_node(use.source, use.input)) for use in activity.uses]
    branches += [[source_line(one)] for one in run.sources]
    if activity.earlier is not None:
        lines = list(_node(activity.earlier))
        lines[0] = ["the rest from ", *lines[0]]
        branches.append(lines)
    if run.code.files:
        where = f"  git {run.code.commit[:7]}" if run.code.commit else ""
        branches.append([[names(sorted(run.code.files)) + where]])
    branches += [[[Styled("? ", "bad"), note]] for note in run.notes]
    yield from _indented(branches)


def source_line(source: Source) -> _Line:
    """Return where something came from, and which version it was there."""
    line: _Line = [Styled(source.uri, "strong")]
    if source.uri.startswith("xver"):
        line += ["  version ", Styled(source.version[:7], "id")]
    elif source.version and source.members is None:
        line.append(f"  version {shorten(source.version, _TITLE)}")
    if source.modified:
        line.append(f"  {source.modified}")
    return line


def _indented(branches: list[list[_Line]]) -> Iterator[_Line]:
    for at, lines in enumerate(branches):
        last = at == len(branches) - 1
        for number, line in enumerate(lines):
            sign = ("└─ " if last else "├─ ") if number == 0 else ("   " if last else "│  ")
            yield [sign, *line]


class _Graph:
    """Collects what an answer holds, each thing once."""

    def __init__(self) -> None:
        self.entities: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.used: list[dict[str, Any]] = []
        self.generated: list[dict[str, Any]] = []

    def node(self, node: Node) -> str | None:
        entity = node.entity
        if entity.id is None:
            return None
        key = entity.id.hex()
        self.entities.setdefault(
            key,
            {
                "id": key,
                "path": entity.path,
                "size": entity.size,
                "files": entity.files,
                "commit": None if entity.commit is None else version_json(entity.commit),
            },
        )
        for activity in (node.made_by, *(one for one, _ in node.parts)):
            if activity is not None:
                self._edge(key, activity)
        self.generated += [{"entity": key, "run": run.ulid} for run in node.others]
        for run in node.others:
            self.runs.setdefault(run.ulid, run_json(run))
        return key

    def activity(self, activity: Activity) -> str:
        run = activity.run
        self.runs.setdefault(run.ulid, run_json(run))
        for use in activity.uses:
            self.node(use.source)
            self.used.append({"run": run.ulid, **input_json(use.input)})
        if activity.earlier is not None:
            self.node(activity.earlier)
        return run.ulid

    def _edge(self, entity: str, activity: Activity) -> None:
        self.activity(activity)
        made = {} if activity.making is None else output_json(activity.making.output)
        path = None if activity.making is None else activity.making.path
        self.generated.append({"entity": entity, "run": activity.run.ulid, "path": path, "output": made})

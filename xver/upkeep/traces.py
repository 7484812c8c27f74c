"""Where a path, or some content, is in all of a store's history: what only that leads to, and what else does.

    roots: snapshots, locks, what runs kept ─► rows at the path      ─► contents ─► objects below them ─┐
                                            └► everything beside it  ─► objects below it ──────────────┴► shared: stay

Reads the metadata of everything that is kept, each part once, and remembers an id of each object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from xver.errors import ContentNotFound, CorruptData, InvalidInput, UnsupportedFormat
from xver.format.listings import decode_block, decode_index
from xver.format.lockfile import decode_lock
from xver.format.nodes import decode_node
from xver.format.runs import decode_run
from xver.format.snapshots import decode_snapshot
from xver.git.command import CatFile
from xver.git.history import LOCK
from xver.git.locks import reachable_locks
from xver.history.bounds import bounds_of
from xver.history.reach import Edge, entry_edges, strong_edges
from xver.model.entries import Dataset, Entries, Entry, File, Link
from xver.model.ids import EMPTY_ID, Kind, ListingId
from xver.model.paths import TrackedPath, is_below
from xver.model.refs import RUNS, SNAPSHOTS, Target, TargetKind
from xver.repo import Repo
from xver.store.content import content_kind
from xver.store.listings import read_listing
from xver.store.store import Store, Wanted

_BATCH = 512


@dataclass(slots=True)
class Traces:
    """What was found: contents with their sizes, what they were called and in which versions, lists that name them.

    `outside` leads to all the rest that is kept; of that the contents `everywhere` are meant under any name. `unread`
    counts lists that are not in this store.
    """

    everywhere: frozenset[bytes] = frozenset()

    contents: dict[bytes, int] = field(default_factory=dict)
    names: dict[bytes, set[str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    datasets: set[bytes] = field(default_factory=set)
    outside: dict[bytes, Edge] = field(default_factory=dict)
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """Objects that only the contents lead to, children before parents; and those that others need, with an example."""

    erased: tuple[bytes, ...]
    shared: Mapping[bytes, str]


def find(
    store: Store,
    paths: Sequence[str],
    ids: Iterable[bytes] = (),
    *,
    spared: AbstractSet[bytes] = frozenset(),
    repo: Repo | None = None,
) -> Traces:
    """Find every version of some paths (files, or all files of folders), and some contents wherever they are.

    An id may be that of a whole dataset. What is `spared` counts as needed by others; `repo`: its locks count as well.

    Raises:
        InvalidInput: an id is of something that is no content.
    """
    wanted: dict[bytes, int] = {}
    for id in ids:
        place = store.index.find(id)
        if place is None:
            wanted.setdefault(id, 0)
        elif place.kind is Kind.CHUNK:
            wanted[id] = place.raw
        elif place.kind is Kind.NODE:
            wanted[id] = decode_node(store.get(Kind.NODE, id)).size
        elif place.kind is Kind.LISTING:
            for row in read_listing(store, ListingId(id)):
                if isinstance(row.entry, File | Link) and row.entry.size:
                    wanted[row.entry.id] = row.entry.size
        else:
            raise InvalidInput(f"b3:{id.hex()[:16]} is a {place.kind.name.lower()}: only content can be purged")
    wanted = {id: size for id, size in wanted.items() if id not in spared}
    search = _Search(store, paths, frozenset(wanted), spared)
    search.found.contents.update(wanted)
    return search.run(repo)


def contents_of(store: Store, entries: Entries, path: str) -> set[bytes]:
    """Return the ids of the contents that a path had among tracked entries."""
    search = _Search(store, (path,), frozenset(), frozenset())
    search.entries(entries)
    return set(search.found.contents)


def reached(store: Store, found: Traces) -> Reached:
    """Return what only the contents lead to, and what others need: also the same content under another path."""
    start = [_content_edge(id, size) for id, size in found.contents.items()]
    inside = _gather(store, start, frozenset(), frozenset())
    outside = _gather(store, found.outside.values(), found.everywhere, bounds_of(store).purged)
    shared = {id: outside[id].where for id in inside if id in outside}
    return Reached(tuple(id for id in reversed(inside) if id not in shared), shared)


class _Search:
    def __init__(self, store: Store, paths: Sequence[str], ids: frozenset[bytes], spared: AbstractSet[bytes]) -> None:
        self._store = store
        self._paths = paths
        self._ids = ids
        self._spared = spared
        self._bounds = bounds_of(store)
        self._roots: dict[bytes, bool] = {}
        self._split: dict[tuple[bytes, str, bool], bool] = {}
        self.found = Traces(everywhere=ids)

    def run(self, repo: Repo | None) -> Traces:
        refs = self._store.log.refs
        commits = {
            target.id: name.removeprefix(SNAPSHOTS) for name, target in refs.items() if name.startswith(SNAPSHOTS)
        }
        seen: set[bytes] = set()
        for name, target in refs.items():
            match target.kind:
                case TargetKind.SNAPSHOT:
                    self._history(target.id, commits, seen)
                case TargetKind.LISTING:
                    self._root(target.id, name, "")
                case TargetKind.RUN:
                    self._run(target, name)
                case TargetKind.CONTENT:
                    place = self._store.index.find(target.id)
                    if place is not None and target.id not in self._ids:
                        self._beside(Edge(place.kind, target.id, name))
        if repo is not None:
            for label, title, text in _locks(repo):
                try:
                    entries = decode_lock(text).entries
                except (CorruptData, InvalidInput, UnsupportedFormat):
                    self.found.unread += 1
                    continue
                if self.entries(entries):
                    self.found.versions.setdefault(label, title)
        return self.found

    def _history(self, id: bytes, commits: Mapping[bytes, str], seen: set[bytes]) -> None:
        waiting = [id]
        while waiting:
            one = waiting.pop()
            if one in seen or one not in self._store:
                continue
            seen.add(one)
            snapshot = decode_snapshot(self._store.get(Kind.SNAPSHOT, one))
            waiting += snapshot.parents
            # What was forgotten, and not collected yet, is looked through as well; it keeps nothing.
            label = snapshot.git or commits.get(one) or one.hex()
            self._root(snapshot.root, label, snapshot.title, keeps=self._bounds.has_data(one))

    def _root(self, root: bytes, label: str, title: str, *, keeps: bool = True) -> None:
        if root not in self._roots or (keeps and not self._roots[root]):
            try:
                entries = {row.path: row.entry for row in read_listing(self._store, ListingId(root))}
            except ContentNotFound:
                self.found.unread += keeps
                return
            has = self.entries(entries, keeps=keeps)
            self._roots[root] = keeps
            if has:
                self.found.datasets.add(root)
        if root in self.found.datasets:
            self.found.versions[label] = title

    def _run(self, target: Target, name: str) -> None:
        if target.id not in self._store:
            return
        run = decode_run(self._store.get(Kind.RUN, target.id))
        own = {one.id for path, one in run.code.files.items() if self._is_meant(path)}
        for attachment in run.attachments():
            if attachment.id in own or attachment.id in self._ids:
                self._take(attachment.id, attachment.size, name.removeprefix(RUNS))
            elif attachment.size and self._bounds.has_data(target.id):
                self._beside(_content_edge(attachment.id, attachment.size, f"run {run.name}"))

    def entries(self, entries: Mapping[TrackedPath, Entry], *, keeps: bool = True) -> bool:
        """Look through what was tracked at one time; tell whether it has what is looked for."""
        has = False
        for top, entry in entries.items():
            if self._is_meant(top):
                has |= self._whole(top, entry)
            elif isinstance(entry, Dataset) and (self._ids or any(is_below(path, top) for path in self._paths)):
                has |= self._listing(entry.id, str(top), keeps=keeps)
            elif isinstance(entry, File | Link) and entry.id in self._ids:
                has |= self._whole(top, entry)
            elif keeps:
                for edge in entry_edges({top: entry}):
                    self._beside(edge)
        return has

    def _whole(self, top: str, entry: Entry) -> bool:
        if isinstance(entry, Dataset):
            try:
                for row in read_listing(self._store, entry.id):
                    if isinstance(row.entry, File | Link):
                        self._take(row.entry.id, row.entry.size, f"{top}/{row.path}")
                self.found.datasets.add(entry.id)
            except ContentNotFound:
                self.found.unread += 1
        elif isinstance(entry, File | Link):
            self._take(entry.id, entry.size, top)
        return True

    def _is_meant(self, path: str) -> bool:
        return any(is_below(path, one) for one in self._paths)

    def _listing(self, id: bytes, top: str, *, keeps: bool) -> bool:
        """Look through one dataset; parts that cannot have what is looked for are not read."""
        asked = id, top, keeps
        if asked not in self._split:
            inner = [path[len(top) + 1 :].encode() for path in self._paths if is_below(path, top)]
            try:
                self._split[asked] = self._part(Edge(Kind.LISTING, id, top), inner, keeps=keeps)
            except ContentNotFound:
                self.found.unread += 1
                self._split[asked] = False
            if self._split[asked]:
                self.found.datasets.add(id)
        return self._split[asked]

    def _part(self, edge: Edge, inner: Sequence[bytes], *, keeps: bool) -> bool:
        data = self._store.get(edge.kind, edge.id)
        if edge.kind is Kind.BLOCK:
            return self._rows(data, edge.where, keeps=keeps)
        node = decode_index(data)
        kind = Kind.BLOCK if node.level == 1 else Kind.LISTING
        has = False
        for at, child in enumerate(node.children):
            end = node.children[at + 1].first if at + 1 < len(node.children) else None
            below = Edge(kind, child.id, edge.where, child.size)
            # What lies at or below `a` sorts from `a` on and before `a0`, as `0` comes after `/`.
            if self._ids or any(child.first < one + b"0" and (end is None or end > one) for one in inner):
                has |= self._part(below, inner, keeps=keeps)
            elif keeps:
                self._beside(below)
        return has

    def _rows(self, data: bytes, top: str, *, keeps: bool) -> bool:
        has = False
        for path, entry in decode_block(data):
            if not isinstance(entry, File | Link):
                continue
            if self._is_meant(f"{top}/{path}") or entry.id in self._ids:
                self._take(entry.id, entry.size, f"{top}/{path}")
                has = True
            elif keeps and entry.size:
                self._beside(_content_edge(entry.id, entry.size, f"{top}/{path}"))
        return has

    def _take(self, id: bytes, size: int, name: str) -> None:
        if id in self._spared:
            self._beside(_content_edge(id, size, name))
        elif id != EMPTY_ID:
            self.found.contents[id] = size
            self.found.names.setdefault(id, set()).add(name)

    def _beside(self, edge: Edge) -> None:
        if edge.id != EMPTY_ID:
            self.found.outside.setdefault(edge.id, edge)


def _content_edge(id: bytes, size: int, where: str = "") -> Edge:
    return Edge(content_kind(size), id, where)


def _locks(repo: Repo) -> Iterator[tuple[str, str, bytes]]:
    """Yield every `xver.lock` that can be reached, by its commit and the commit's title where one changed it."""
    if repo.git is None:
        if repo.lock_path.exists():
            yield LOCK, "", repo.lock_path.read_bytes()
        return
    asked = ("--all", "--reflog", "--full-history", "--encoding=UTF-8", "--format=%H %s", "--", LOCK)
    with CatFile(repo.git) as files:
        for line in repo.git.lines("rev-list", *asked, check=False):
            commit, _, title = line.partition(" ")
            if commit != "commit" and (data := files.read(f"{commit}:{LOCK}")) is not None:
                yield commit, title, data
    for text in reachable_locks(repo.git):
        yield LOCK, "", text


def _gather(store: Store, start: Iterable[Edge], cut: frozenset[bytes], purged: Iterable[bytes]) -> dict[bytes, Edge]:
    """Return all that is reached, parents before children; what is not here, or cannot be read, leads nowhere.

    Rows and runs do not lead to the contents in `cut`; nodes do, to the chunks that they share with one.
    """
    gone = frozenset(purged)
    found: dict[bytes, Edge] = {}
    waiting = [edge for edge in start if edge.id not in gone]
    while waiting:
        fresh = {edge.id: edge for edge in waiting if edge.id not in found}
        found |= fresh
        below = [edge for edge in fresh.values() if edge.kind is not Kind.CHUNK and edge.id in store]
        waiting = []
        for at in range(0, len(below), _BATCH):
            batch = {edge.id: edge for edge in below[at : at + _BATCH]}
            for id, data in store.get_many(Wanted(edge.kind, edge.id) for edge in batch.values()):
                edge = batch[id]
                waiting += [
                    Edge(one.kind, one.id, one.where or edge.where)
                    for one in strong_edges(edge, bytes(data))
                    if one.id not in gone and (edge.kind is Kind.NODE or one.id not in cut)
                ]
    return found

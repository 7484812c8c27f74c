"""Check a store, here or at a remote, in levels, and name what is wrong with the paths, commits and runs it concerns.

0   the log's chain; the listed sizes of packs and indexes against what is live         always
1   every pack's footer against the indexes; what refs lead to is there                 always
    files of others that chunks lie in: there, and read where written to since          always
2   every frame's checksum and id, of all packs or of a random share                    as `Sample` says

Memory does not grow with the store: packs are looked at one by one, of file content only what is wrong is remembered.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from xver.errors import Conflict, TransientStorageError
from xver.format.indexes import PackIndex
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import committed
from xver.git.command import CatFile
from xver.git.history import head as git_head
from xver.git.history import lock_commits
from xver.history.bounds import forgotten_commits
from xver.history.reach import Edge, entry_edges, target_edge
from xver.model.ids import short_id
from xver.model.refs import LOCK, Target, TargetKind
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.store import Store
from xver.upkeep.checks.footers import DAMAGE, PackReport, check_footers, deltas_on, open_indexes
from xver.upkeep.checks.foreign import check_foreign
from xver.upkeep.checks.frames import check_frames
from xver.upkeep.checks.reached import Reached, walk
from xver.upkeep.checks.touched import Commit, commits_of, name_touched
from xver.upkeep.findings import Damage, Findings, harm_of


@dataclass(frozen=True, slots=True)
class Sample:
    """Which packs' content is read: a `share` between 0 and 1 of them, chosen by `seed`."""

    share: float
    seed: int = 0


EVERYTHING: Final = Sample(1.0)
NOTHING: Final = Sample(0.0)
_ATTEMPTS: Final = 10


def check(repo: Repo, *, sample: Sample = EVERYTHING, meter: Meter = SILENT) -> Findings:
    """Check the local store, and that it holds what its refs, `xver.lock`, and the commits that git has lead to.

    Where there is a remote, content of files may be there only: it is counted, not missed.

    Raises:
        Conflict: the store is collected faster than it is checked.
    """
    return _settled(repo.store, lambda: _check_here(repo, sample, meter))


def _check_here(repo: Repo, sample: Sample, meter: Meter) -> Findings:
    store, lock = repo.store, repo.lock
    damage = []
    if lock.repository != store.repository:
        damage.append(Damage(LOCK_NAME, "belongs to another repository than the store"))
    commits = _git_commits(repo)
    # What they name was live before they were written: asked in this order, what others add meanwhile is not missed.
    store.refresh()
    commits += commits_of(store)
    named = [*entry_edges(lock.entries), *(edge for one in commits for edge in one.edges if edge.where)]
    return _check(
        store,
        named,
        commits,
        damage,
        sample=sample,
        may_be_elsewhere=bool(repo.settings.remotes),
        # What git or `xver.lock` names may never have been fetched; what our own refs lead to was.
        optional=frozenset(edge.id for edge in named),
        meter=meter,
    )


def check_remote(there: Store, *, sample: Sample = NOTHING, meter: Meter = SILENT) -> Findings:
    """Check the store of a remote, opened so that nothing is answered from a memory of ours.

    Where the remote is a work tree's own store it need not hold all content.

    Raises:
        Conflict: the remote is collected faster than it is checked.
        TransientStorageError: the remote cannot be asked now; that says nothing about what it holds.
    """

    def look() -> Findings:
        commits = commits_of(there)
        is_work_tree = any(name.startswith((LOCK, "remotes/")) for name in there.log.refs)
        return _check(there, [], commits, [], sample=sample, may_be_elsewhere=is_work_tree, meter=meter)

    return _settled(there, look)


def verify(there: Store, targets: Iterable[Target], *, meter: Meter = SILENT) -> Findings:
    """Check that a remote holds all that some refs lead to: it lists again, and reads the footers of their packs.

    The remote is opened as for `check_remote`; raises like it.
    """
    targets = list(targets)
    return _settled(there, lambda: _verify(there, targets, meter))


def _verify(there: Store, targets: list[Target], meter: Meter) -> Findings:
    damage = _check_index_sizes(there)
    indexes = open_indexes(there, damage)
    if len(indexes) < len(there.log.indexes):
        return Findings(0, 0, 0, 0, 0, 0, tuple(damage), unindexed=True)
    start = [_edge(there, target) for target in targets]
    reached = walk(there, start, bad={}, may_be_elsewhere=False, meter=meter)
    packs = _Packs(there, indexes, NOTHING, meter, only=reached.packs)
    packs.check()
    if packs.bad:
        reached = walk(there, start, bad=packs.bad, may_be_elsewhere=False, meter=meter)
    found = [*packs.damage, *damage, *reached.damage.values()]
    if reached.bad:
        found = name_touched(there, found, reached.bad, commits_of(there))
    return Findings(
        packs.objects,
        packs.size,
        0,
        packs.unread,
        len(packs.names),
        0,
        tuple(sorted(set(found), key=str)),
        frozenset(packs.damaged | reached.damaged),
        {id: edge.kind for id, edge in reached.lost.items()},
    )


def _settled(store: Store, look: Callable[[], Findings]) -> Findings:
    """Return what `look` finds; where it misses something, and a collection took packs meanwhile, it looks again."""
    for _ in range(_ATTEMPTS):
        store.refresh()
        before = _live(store)
        try:
            found = look()
        except TransientStorageError:
            raise
        except DAMAGE:
            store.refresh()
            if before <= _live(store):
                raise
            continue
        if not found.damage:
            return found
        store.refresh()
        if before <= _live(store):
            return found
    raise Conflict(f"{store.storage.url} is collected faster than it is checked", hint="try again when xver gc is done")


def _live(store: Store) -> set[str]:
    return {*store.log.live_packs(), *store.log.indexes}


def _check(
    store: Store,
    edges: Iterable[Edge],
    commits: list[Commit],
    damage: list[Damage],
    *,
    sample: Sample,
    may_be_elsewhere: bool,
    optional: frozenset[bytes] = frozenset(),
    meter: Meter,
) -> Findings:
    damage += [_log_damage(line) for line in store.log.verify()]
    damage += _check_index_sizes(store)
    indexes = open_indexes(store, damage)
    packs = _Packs(store, indexes, sample, meter)
    packs.check()
    damage += packs.damage
    reached = Reached()
    if len(indexes) == len(store.log.indexes):
        start = [*edges, *(_edge(store, target) for _, target in sorted(store.log.refs.items()))]
        reached = walk(store, start, bad=packs.bad, may_be_elsewhere=may_be_elsewhere, optional=optional, meter=meter)
        found = [*reached.damage.values(), *packs.unreached(reached.bad)]
        damage += name_touched(store, found, reached.bad, commits) if reached.bad else found
    else:
        damage.append(Damage("", "what refs lead to was not followed: an index cannot be used"))
    return Findings(
        packs.objects,
        packs.size,
        len(reached.promised),
        packs.unread,
        len(packs.names),
        packs.sampled,
        tuple(sorted(set(damage), key=str)),
        frozenset(packs.damaged | reached.damaged),
        {id: edge.kind for id, edge in reached.lost.items()},
        unindexed=len(indexes) < len(store.log.indexes),
    )


class _Packs:
    """All live packs, or those of `only`, one by one."""

    def __init__(
        self,
        store: Store,
        indexes: dict[str, PackIndex],
        sample: Sample,
        meter: Meter,
        *,
        only: Collection[str] | None = None,
    ) -> None:
        self._store = store
        self._indexes = indexes
        self._meter = meter
        self._sizes = {stat.key: stat.size for stat in store.storage.list("packs/")}
        self._live = {name: size for name, size in store.log.live_packs().items() if only is None or name in only}
        self.names = sorted(self._live)
        chosen = random.Random(sample.seed)
        self._read = {name for name in self.names if chosen.random() < sample.share}
        if sample.share and self.names and not self._read:
            self._read = {chosen.choice(self.names)}
        self.sampled = len(self._read)
        self.objects = self.size = 0
        self.unread = 0
        self.damage: list[Damage] = []
        self.damaged: set[str] = set()
        self.bad: dict[bytes, tuple[str, str]] = {}

    def check(self) -> None:
        self._meter.start("Checking", sum(self._live.values()), "B")
        for report in check_footers(self._store, self._indexes, self._sizes, self.names):
            # What is wrong with a pack as such says nothing of its objects: those are read in any case.
            if report.is_there and (report.name in self._read or report.damage):
                self._check_frames(report)
            elif report.is_there:
                self.unread += self._live[report.name]
                report.bad.update((place.id, harm) for place, harm in check_foreign(self._store, report.places))
            self._take(report)
            if report.damage or report.bad:
                self.damaged.add(report.name)
            self._meter.advance(self._live[report.name])
            del report
        if self.bad:
            for place, base in list(deltas_on(self._indexes.values(), self.bad)):
                self.bad[place.id] = (f"cannot be read: its base {short_id(base)} is lost", place.container.name)
                self.damaged.add(place.container.name)
        self._meter.finish()

    def unreached(self, reached: set[bytes]) -> list[Damage]:
        """Return what is bad and no ref leads to: the next add would rely on it."""
        kinds = {}
        for index in self._indexes.values():
            for id in self.bad.keys() - reached:
                place = index.find(id)
                if place is not None:
                    kinds[id] = place.kind
        return [Damage(self.bad[id][1], self.bad[id][0], kind, id) for id, kind in kinds.items()]

    def _take(self, report: PackReport) -> None:
        """Take over what is wrong with a pack and its objects; not of those that are read from another pack."""
        harmed = {id: (what, report.name) for id, what in report.bad.items() if not self._is_elsewhere(id, report.name)}
        self.bad |= harmed
        self.damage += report.damage
        if copies := len(report.bad) - len(harmed):
            objects = f"{copies:,} objects" if copies > 1 else "an object"
            self.damage.append(Damage(report.name, f"holds {objects} that cannot be read, and that other packs have"))

    def _is_elsewhere(self, id: bytes, pack: str) -> bool:
        if len(self._indexes) < len(self._store.log.indexes):
            return False  # where it would be read from is not known
        place = self._store.index.find(id)
        return place is not None and place.container.name != pack

    def _check_frames(self, report: PackReport) -> None:
        for place, error, length in check_frames(self._store, report.places, report.frames):
            self.objects, self.size = self.objects + 1, self.size + length
            if error is not None:
                report.bad.setdefault(place.id, harm_of(error))


def _edge(store: Store, target: Target) -> Edge:
    if target.kind is TargetKind.CONTENT:
        place = store.index.find(target.id)
        return target_edge(target, None if place is None else place.raw)
    return target_edge(target)


def _log_damage(line: str) -> Damage:
    key, _, what = line.partition(" ")
    return Damage(key, what) if "/" in key else Damage("", line)


def _check_index_sizes(store: Store) -> list[Damage]:
    sizes = {stat.key: stat.size for stat in store.storage.list("index/")}
    found = []
    for live in store.log.indexes.values():
        if live.inline is None and live.name not in sizes:
            found.append(Damage(live.name, "is missing"))
        elif live.inline is None and sizes[live.name] != live.size:
            found.append(Damage(live.name, f"has {sizes[live.name]:,} bytes where {live.size:,} were written"))
    return found


def _git_commits(repo: Repo) -> list[Commit]:
    """Return the commits up to HEAD whose `xver.lock` git has, with what it names; not those that were forgotten."""
    if repo.git is None:
        return []
    found = []
    forgotten = forgotten_commits(repo.store)
    commits = [one for one in lock_commits(repo.git, "HEAD") if one.id not in forgotten] if git_head(repo.git) else []
    with CatFile(repo.git) as files:
        for commit in commits:
            entries = committed(files.read(f"{commit.id}:{LOCK_NAME}"))
            edges = tuple(
                Edge(edge.kind, edge.id, f"{commit.id[:8]}:{edge.where}", edge.size) for edge in entry_edges(entries)
            )
            found.append(Commit(commit.id, edges))
    return found

"""Adopt: what another tool tracks becomes tracked here, its bytes staying where that tool keeps them.

    tree ─► what the tool tracks in it ─► files of the tool's store ─► read once: chunks, ids ─► xver.lock
    commits before ─► one snapshot for each that changed it          ─► refs `snapshots/<commit>`

The tool's files are only read. They are the content's one copy here until a push, or an `add` of other content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xver.errors import CorruptData, InvalidInput
from xver.format.codecs import Codec
from xver.format.foreign import FEATURE
from xver.format.listings import Row
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.lockfile import Lock
from xver.format.log_entries import LiveIndex
from xver.format.snapshots import encode_snapshot
from xver.git.command import CatFile, GitCommand
from xver.git.history import commits_in, resolve
from xver.intake.tools import Left, Tool, Tracked
from xver.intake.trees import CommitTree, DiskTree, Tree
from xver.model.entries import Entry, File
from xver.model.ids import Kind, ListingId, SnapshotId
from xver.model.paths import TrackedPath, overlaps, parse_path
from xver.model.refs import SNAPSHOTS, Target, TargetKind
from xver.model.snapshots import Snapshot, Version
from xver.progress import SILENT, Meter
from xver.repo import Repo
from xver.store.content import Content
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.pointing import point_to
from xver.versioning.operations import noted
from xver.versioning.tracking import refuse_place, write_tracked
from xver.versioning.versions import put_local_root, put_root

_BLOCK: Final = 4 * 1024 * 1024
_PATHS: Final = 200
"""Paths on a command line of git at a time."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was taken over: paths with their entries, versions of the past, files read with their bytes, what is left.

    `copied` counts the bytes of content that the store has of its own now. `left` has a line for each path, at
    `COMMIT:PATH` where it is one of the past.
    """

    entries: dict[TrackedPath, Entry]
    versions: int
    files: int
    size: int
    copied: int
    left: tuple[str, ...]


def adopt(repo: Repo, tool: Tool, *, history: str | None = None, meter: Meter = SILENT) -> Adopted:
    """Track what a tool tracks in the work tree, and let the commits of a range of git have versions, without a copy.

    `history` is a revision, for all that led to it, or a range `BASE..TIP`. A commit that has an `xver.lock` is left
    as it is.

    Raises:
        InvalidInput: there is no git to have a history, or something tracked otherwise overlaps.
        RevisionNotFound: the range names no commits.
        CorruptData: a file of the tool's store has not the bytes that it is named by.
    """
    if history is not None and repo.git is None:
        raise InvalidInput("there is no git here, and so no history", hint="xver adopt without --history")
    span = [] if history is None or repo.git is None else commits_in(repo.git, history)
    with repo.held(), noted(repo, "adopt"):
        lock = repo.lock
        meter.start("Adopting", None, "B")
        with repo.store.packer() as packer:
            taker = _Taker(repo, tool, packer, meter)
            found = _present(repo, taker)
            for path in found:
                _refuse_overlap(repo, path, lock.entries)
            refs = {} if repo.git is None else _past(repo.git, span, taker, packer)
            entries = {**lock.entries, **found}
            refs[repo.lock_ref] = Target(TargetKind.LISTING, put_local_root(packer, entries))
            index = packer.finish()
        meter.finish()
        if index is not None and FEATURE not in repo.store.log.require:
            repo.store.log.append(Change("adopt", require=(FEATURE,)))
        repo.store.move("adopt", refs, index)
        if tool.is_in_git and repo.git is not None:
            _leave_index(repo.git, list(found))
        write_tracked(repo, Lock(lock.repository, entries))
    versions = len({target for name, target in refs.items() if name.startswith(SNAPSHOTS)})
    return Adopted(found, versions, taker.files, taker.size, _copied(repo, index), tuple(taker.left))


def _copied(repo: Repo, index: LiveIndex | None) -> int:
    places = () if index is None else repo.store.index.open(index).places()
    return sum(one.stored for one in places if one.kind is Kind.CHUNK and one.codec is not Codec.FOREIGN)


class _Taker:
    """Turns what a tool tracks into entries; a file that several versions have is read once."""

    def __init__(self, repo: Repo, tool: Tool, packer: Packer, meter: Meter) -> None:
        self._repo = repo
        self.tool = tool
        self._packer = packer
        self._meter = meter
        self._known: dict[str, Content] = {}
        self.files = 0
        self.size = 0
        self.left: list[str] = []

    def take(self, tree: Tree, commit: str) -> dict[TrackedPath, Entry]:
        """Return what the tool tracks in a tree; what cannot be taken over goes to `left`."""
        entries: dict[TrackedPath, Entry] = {}
        for one in self.tool.tracked(tree):
            made = one if isinstance(one, Left) else self._entry(one)
            if isinstance(made, Left):
                self.left.append(f"{commit}:{made.path} {made.why}" if commit else f"{made.path} {made.why}")
            else:
                entries[parse_path(one.path)] = made
        return entries

    def _entry(self, one: Tracked) -> Entry | Left:
        contents: dict[str, Content] = {}
        for member in one.members:
            content = self._content(member.key)
            if content is None:
                what = f"/{member.path}" if one.is_folder else ""
                return Left(one.path, f"is not all there: {one.path}{what} is not in {self.tool.name}'s store")
            contents[member.path] = content
        modes = {member.path: member.executable for member in one.members}
        if not one.is_folder:
            return _file(contents[""], executable=modes[""])
        paths = sorted(map(parse_path, contents), key=str.encode)
        return put_listing(self._packer, (Row(path, _file(contents[path], executable=modes[path])) for path in paths))

    def _content(self, key: str) -> Content | None:
        known = self._known.get(key)
        if known is None and (path := self.tool.find(key)) is not None:
            known = self._known[key] = self._read(key, path)
        return known

    def _read(self, key: str, path: str) -> Content:
        foreign = self._repo.store.foreign
        assert foreign is not None, "a local store lies in a folder"
        whole = foreign.describe(path, project=str(self._repo.root))
        proof = self.tool.proof(key)
        hashers = [] if proof is None else [proof[0]()]
        content = point_to(self._packer, whole, self._blocks(path), hashers=hashers)
        if content.size != whole.size or (proof is not None and hashers[0].hexdigest() != proof[1]):
            raise CorruptData(f"{path} has not the bytes that {self.tool.name} says it has", hint=self.tool.bring)
        self.files += 1
        self.size += content.size
        return content

    def _blocks(self, path: str) -> Iterator[bytes]:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                self._meter.advance(len(block))
                yield block


def _file(content: Content, *, executable: bool) -> File:
    return File(content.id, content.size, content.fingerprint, content.sha256, executable)


def _present(repo: Repo, taker: _Taker) -> dict[TrackedPath, Entry]:
    """Return what the tool tracks now: on the disk, or, where git has it, in the commit that is checked out."""
    if not taker.tool.is_in_git or repo.git is None:
        return taker.take(DiskTree(repo.root, repo.git), "")
    with CatFile(repo.git) as files:
        return taker.take(CommitTree(repo.git, resolve(repo.git, "HEAD"), files), "")


def _leave_index(git: GitCommand, paths: Sequence[str]) -> None:
    for at in range(0, len(paths), _PATHS):
        git.change("--literal-pathspecs", "rm", "-q", "--cached", "--ignore-unmatch", "--", *paths[at : at + _PATHS])


def _past(git: GitCommand, span: Sequence[Version], taker: _Taker, packer: Packer) -> dict[str, Target | None]:
    """Return a ref for each commit: to a snapshot of its own, or to that of the parent of which it changed nothing.

    A snapshot's parents are the snapshots of the commit's parents. A commit before which nothing was tracked has none.
    """
    found: dict[str, tuple[SnapshotId, ListingId]] = {}
    taken: dict[tuple[tuple[str, str], ...], dict[TrackedPath, Entry]] = {}
    with CatFile(git) as files:
        for commit in reversed(span):
            tree = CommitTree(git, commit.id, files)
            if LOCK_NAME in tree.items:
                continue
            said = tuple((path, item.id) for path, item in tree.items.items() if taker.tool.says(path, item))
            if said not in taken:
                taken[said] = taker.take(tree, commit.id[:8])
            root = put_root(packer, taken[said])
            before = {found[parent][0]: found[parent][1] for parent in commit.parents if parent in found}
            id = next((one for one, its_root in before.items() if its_root == root), None)
            if id is None and (taken[said] or before):
                snapshot = Snapshot(
                    root=root,
                    parents=tuple(before),
                    author=commit.author,
                    time=commit.time,
                    offset=commit.offset,
                    message=commit.message,
                    git=commit.id,
                )
                id = SnapshotId(packer.put(Kind.SNAPSHOT, encode_snapshot(snapshot)))
            if id is not None:
                found[commit.id] = (id, root)
    return {SNAPSHOTS + commit: Target(TargetKind.SNAPSHOT, id) for commit, (id, _) in found.items()}


def _refuse_overlap(repo: Repo, path: TrackedPath, tracked: Mapping[TrackedPath, Entry]) -> None:
    refuse_place(repo, path)
    if (near := next((one for one in tracked if one != path and overlaps(one, path)), None)) is not None:
        raise InvalidInput(f"{path} overlaps {near}, which is tracked by itself", hint=f"xver rm --cached {near}")

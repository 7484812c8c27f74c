"""What a tool tracks, turned into entries: each file or object that holds some of it is read once, and pointed to.

    tracked ─► keys ─► held where? ─► known from before? ─► read: ids, frames ─► live, and written down ─► entries

Content goes live part by part, so that who is interrupted reads only the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from xver.errors import CorruptData
from xver.format.codecs import Codec
from xver.format.foreign import FEATURE, Foreign, Where
from xver.format.listings import Row
from xver.format.log_entries import LiveIndex
from xver.intake.held import Held, describe, in_turn, read_each
from xver.intake.reads import Reads
from xver.intake.tools import Left, Tool, Tracked
from xver.intake.trees import Tree
from xver.model.entries import Entry, File
from xver.model.ids import Kind
from xver.model.paths import TrackedPath, parse_path
from xver.progress import Meter
from xver.repo import Repo
from xver.storage.base import KEPT
from xver.store.batches import batches
from xver.store.content import Content
from xver.store.foreign import ForeignReader
from xver.store.listings import put_listing
from xver.store.log import Change
from xver.store.packing import Packer
from xver.store.pointing import point_to

_PART_SIZE: Final = 4 * 1024 * 1024 * 1024
_PART_FILES: Final = 100_000


class _Lacking(NamedTuple):
    """What is to be read: what the tool calls its bytes, what holds them, and that as frames name it."""

    key: str
    held: Held
    whole: Foreign


class Taker:
    """Turns what a tool tracks into entries; a file that several versions have is read once.

    `files` and `size` count what was read, `copied` the bytes of content that the store has of its own since, `unkept`
    the objects that their bucket does not keep. `left` says what could not be taken over.
    """

    def __init__(self, repo: Repo, tool: Tool, meter: Meter) -> None:
        self._repo = repo
        self.tool = tool
        self._meter = meter
        self._reads = Reads(repo.cache / "adopted")
        self._known: dict[str, Content] = {}
        self.files = self.size = self.copied = self.unkept = 0
        self.left: list[str] = []

    def take(self, tree: Tree, commit: str, packer: Packer) -> dict[TrackedPath, Entry]:
        """Return what the tool tracks in a tree; `packer` gets its listings, `left` what cannot be taken over."""
        tracked = list(self.tool.tracked(tree))
        self._learn(member.key for one in tracked if isinstance(one, Tracked) for member in one.members)
        entries: dict[TrackedPath, Entry] = {}
        for one in tracked:
            made = one if isinstance(one, Left) else self._entry(one, packer)
            if isinstance(made, Left):
                self.left.append(f"{commit}:{made.path} {made.why}" if commit else f"{made.path} {made.why}")
            else:
                entries[parse_path(one.path)] = made
        return entries

    def _entry(self, one: Tracked, packer: Packer) -> Entry | Left:
        contents: dict[str, Content] = {}
        for member in one.members:
            content = self._known.get(member.key)
            if content is None:
                what = f"/{member.path}" if one.is_folder else ""
                return Left(one.path, f"is not all there: {one.path}{what} is not in {self.tool.name}'s store")
            contents[member.path] = content
        modes = {member.path: member.executable for member in one.members}
        if not one.is_folder:
            return _file(contents[""], executable=modes[""])
        paths = sorted(map(parse_path, contents), key=str.encode)
        return put_listing(packer, (Row(path, _file(contents[path], executable=modes[path])) for path in paths))

    def _learn(self, keys: Iterable[str]) -> None:
        """Let what holds some bytes be known, and read what is not yet."""
        found = self.tool.find_many(list(dict.fromkeys(key for key in keys if key not in self._known)))
        project = str(self._repo.root)
        held = [_Lacking(key, one, describe(one, self._reader, project=project)) for key, one in in_turn(found.items())]
        before = self._reads.find([one.whole for one in held])
        lacking = []
        for one in held:
            content = before.get(one.whole)
            if content is not None and (not content.size or self._repo.store.holds_whole(content.id)):
                self._known[one.key] = content
            else:
                lacking.append(one)
        self.unkept += sum(one.whole.where is Where.OBJECT and not one.whole.pin.startswith(KEPT) for one in held)
        for part in batches(lacking, lambda one: one.whole.size, _PART_SIZE, most_things=_PART_FILES):
            self._read(part)

    def _read(self, part: list[_Lacking]) -> None:
        read: list[tuple[Foreign, Content]] = []
        with self._repo.store.packer() as packer:
            try:
                for one, blocks in zip(part, read_each([one.held for one in part]), strict=True):
                    content = self._point(packer, one, blocks)
                    read.append((one.whole, content))
                    self._known[one.key] = content
            finally:
                # Also when it is interrupted: what was read need not be read again.
                self._keep(packer.finish(), read)

    def _point(self, packer: Packer, one: _Lacking, blocks: Iterator[bytes]) -> Content:
        proof = self.tool.proof(one.key)
        hashers = [] if proof is None else [proof[0]()]
        content = point_to(packer, one.whole, self._counted(blocks), hashers=hashers)
        if content.size != one.whole.size or (proof is not None and hashers[0].hexdigest() != proof[1]):
            name = self._reader.name(one.whole)
            raise CorruptData(f"{name} has not the bytes that {self.tool.name} says it has", hint=self.tool.bring)
        self.files += 1
        self.size += content.size
        return content

    def _keep(self, index: LiveIndex | None, read: list[tuple[Foreign, Content]]) -> None:
        store = self._repo.store
        if index is not None:
            if FEATURE not in store.log.require:
                store.log.append(Change("adopt", require=(FEATURE,)))
            places = store.index.open(index).places()
            self.copied += sum(
                one.stored for one in places if one.kind is Kind.CHUNK and one.codec is not Codec.FOREIGN
            )
            store.move("adopt", {}, index)
        self._reads.note(read)

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._meter.advance(len(block))
            yield block

    @property
    def _reader(self) -> ForeignReader:
        reader = self._repo.store.foreign
        assert reader is not None, "a local store lies in a folder"
        return reader


def _file(content: Content, *, executable: bool) -> File:
    return File(content.id, content.size, content.fingerprint, content.sha256, executable)

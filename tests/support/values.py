"""Hypothesis strategies for everything that is versioned: valid values, strange ones preferred."""

from __future__ import annotations

from hypothesis import strategies as st

from xver.errors import InvalidInput
from xver.format.listings import Row
from xver.format.log_entries import Checkpoint, LiveIndex, LogEntry
from xver.model.entries import CHUNK_MAX, Dataset, Entry, External, File, Link
from xver.model.ids import EMPTY_ID, ListingId, SnapshotId, fingerprint
from xver.model.paths import TrackedPath, parse_path
from xver.model.refs import Target, TargetKind
from xver.model.runs import Attachment, Code, Evidence, Input, Metric, Output, Run, Source, State, Status
from xver.model.snapshots import Author, Snapshot

BIG = 1 << 53
ids = st.binary(min_size=32, max_size=32)
digests = ids.map(bytes.hex)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.builds(
    "{}/{}.{}".format, st.sampled_from(["packs", "index"]), st.integers(0, 10**10 - 1), st.just("9f-0.data")
)

_PARTS = st.one_of(
    st.sampled_from(
        ["a", "ab", "a-b", "a b", "a.b", '"', "\\n", "\n", "\x7f", "é", "e\u0301", "#", "[x]", "=", "<<<<<<< HEAD"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12),
)


def _is_tracked(text: str) -> bool:
    try:
        parse_path(text)
    except InvalidInput:
        return False
    return True


paths = st.lists(_PARTS, min_size=1, max_size=4).map("/".join).filter(_is_tracked).map(TrackedPath)

small_files = st.builds(
    File, ids, st.integers(1, CHUNK_MAX), st.binary(min_size=16, max_size=16), st.none(), st.booleans()
)
large_files = st.builds(
    File, ids, st.integers(CHUNK_MAX + 1, BIG), st.binary(min_size=16, max_size=16), ids, st.booleans()
)
empty_files = st.just(File(EMPTY_ID, 0, fingerprint(b"")))
links = st.builds(Link, ids, st.integers(1, CHUNK_MAX))
datasets = st.builds(Dataset, ids.map(ListingId), st.integers(0, BIG), st.integers(0, BIG))
externals = st.builds(External, texts, texts, st.integers(0, BIG))
entries: st.SearchStrategy[Entry] = st.one_of(small_files, large_files, empty_files, links, datasets, externals)


def _without_overlap(found: dict[TrackedPath, Entry]) -> dict[TrackedPath, Entry]:
    return {path: entry for path, entry in found.items() if not any(path.startswith(other + "/") for other in found)}


trees = st.dictionaries(paths, entries, max_size=12).map(_without_overlap)


def _sorted_rows(tree: dict[TrackedPath, Entry]) -> list[Row]:
    return [Row(path, tree[path]) for path in sorted(tree, key=str.encode)]


rows = trees.map(_sorted_rows)

snapshots = st.builds(
    Snapshot,
    root=ids.map(ListingId),
    parents=st.lists(ids.map(SnapshotId), max_size=3).map(tuple),
    author=st.builds(Author, texts, texts),
    time=st.integers(-BIG, BIG),
    offset=st.integers(-BIG, BIG),
    message=texts,
    git=st.one_of(st.none(), digests, st.binary(min_size=20, max_size=20).map(bytes.hex)),
)

targets = st.builds(Target, st.sampled_from(TargetKind), ids)
ref_names = st.from_regex(r"\A(heads|tags|runs)/[a-zé0-9]{1,8}(-[a-z0-9]{1,5}){0,2}\Z")
indexes = st.builds(
    LiveIndex,
    name=keys,
    size=st.integers(0, BIG),
    checksum=st.integers(0, (1 << 64) - 1),
    packs=st.dictionaries(keys, st.integers(0, BIG), max_size=3),
    inline=st.one_of(st.none(), st.binary(max_size=50)),
)
log_entries = st.builds(
    LogEntry,
    n=st.integers(0, BIG),
    prev=st.one_of(st.none(), digests),
    nonce=texts,
    operation=texts,
    client=texts,
    author=texts,
    time=st.integers(0, BIG),
    refs=st.dictionaries(
        ref_names, st.tuples(st.one_of(st.none(), targets), st.one_of(st.none(), targets)), max_size=3
    ),
    add_index=st.lists(indexes, max_size=2).map(tuple),
    remove_index=st.lists(keys, max_size=2).map(tuple),
    remove_packs=st.lists(keys, max_size=2).map(tuple),
    fence=st.one_of(st.none(), st.integers(0, BIG)),
    tombstones=st.lists(digests, max_size=2).map(tuple),
    checkpoint=st.one_of(st.none(), st.tuples(st.integers(0, BIG), digests)),
    moved_to=st.one_of(st.none(), texts),
)
checkpoints = st.builds(
    Checkpoint,
    n=st.integers(0, BIG),
    digest=digests,
    refs=st.dictionaries(ref_names, targets, max_size=3),
    indexes=st.lists(indexes, max_size=2).map(lambda found: {one.name: one for one in found}),
    removed=st.frozensets(keys, max_size=2),
    fence=st.integers(0, BIG),
    tombstones=st.frozensets(digests, max_size=2),
    moved_to=st.one_of(st.none(), texts),
)

_attachments = st.builds(Attachment, ids, st.integers(0, BIG))
_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
_numbers = st.floats(allow_nan=False)
_counts = st.one_of(st.none(), st.integers(0, BIG))
_ulids = st.from_regex(r"\A[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), _numbers, texts)
runs = st.builds(
    Run,
    ulid=_ulids,
    name=_words,
    status=st.sampled_from(Status),
    command=st.lists(texts, max_size=3).map(tuple),
    directory=texts,
    started=st.integers(0, BIG),
    duration=st.integers(0, BIG),
    user=texts,
    host=texts,
    exit_code=st.one_of(st.none(), st.integers(-(1 << 31), 1 << 32)),
    signal=st.one_of(st.none(), st.integers(1, 64)),
    parent=st.one_of(st.none(), _ulids),
    code=st.builds(
        Code,
        commit=st.one_of(st.none(), _words),
        branch=st.one_of(st.none(), _words),
        dirty=st.booleans(),
        patch=st.one_of(st.none(), _attachments),
        files=st.dictionaries(paths, _attachments, max_size=2),
        url=st.one_of(st.none(), _words),
    ),
    environment=st.dictionaries(texts, texts, max_size=2),
    packages=st.dictionaries(texts, texts, max_size=2),
    params=st.dictionaries(texts, _scalars, max_size=3),
    metrics=st.dictionaries(
        texts,
        st.builds(Metric, _numbers, st.one_of(st.none(), _numbers), _numbers, _numbers, st.integers(0, BIG)),
        max_size=2,
    ),
    series=st.one_of(st.none(), _attachments),
    tags=st.lists(texts, max_size=2).map(tuple),
    note=texts,
    inputs=st.lists(
        st.builds(
            Input,
            path=paths,
            id=st.one_of(st.none(), ids),
            size=st.integers(0, BIG),
            evidence=st.sampled_from(Evidence),
            state=st.sampled_from(State),
            role=_words,
            files=_counts,
            read=_counts,
            members=st.one_of(st.none(), _attachments),
        ),
        max_size=2,
    ).map(tuple),
    outputs=st.lists(
        st.builds(
            Output,
            path=paths,
            id=ids,
            size=st.integers(0, BIG),
            evidence=st.sampled_from(Evidence),
            kept=st.booleans(),
            files=_counts,
            written=_counts,
            members=st.one_of(st.none(), _attachments),
            before=st.one_of(st.none(), ids),
        ),
        max_size=2,
    ).map(tuple),
    sources=st.lists(
        st.builds(
            Source,
            path=paths,
            uri=_words,
            version=texts,
            modified=texts,
            endpoint_url=st.one_of(st.none(), _words),
            members=st.one_of(st.none(), _attachments),
        ),
        max_size=2,
    ).map(tuple),
    capture=st.lists(texts, max_size=2).map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
)

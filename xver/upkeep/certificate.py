"""The certificate of a purge: what was erased and where, which versions, runs and models it touched, what remains.

It is written for somebody who has to show it: once as JSON, once as text, beside the store and not in it.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from xver.errors import ContentNotFound, CorruptData, UnsupportedFormat
from xver.format.lockfile import NAME as LOCK_NAME
from xver.format.runs import decode_run
from xver.model.ids import Kind, short_id
from xver.model.refs import CLONES, LOCK, RUNS
from xver.model.runs import Run
from xver.patience import replace
from xver.repo import Repo, client_name
from xver.store.store import Store
from xver.upkeep.derived import Touched, touched_by
from xver.upkeep.purge import Erased
from xver.upkeep.traces import Reached, Traces

_CLIENTS: Final = 1_000
"""Entries of a log that are looked through for who writes to it."""


@dataclass(frozen=True, slots=True)
class Purge:
    """What one store has of what is to be purged: the plan, and, once it is done, what was erased there.

    `before` is what had been purged there before, with the numbers of the log entries that say so; `foreign` are files
    of others in which some of it lies, and which are theirs to delete.
    """

    name: str
    store: Store
    found: Traces
    reached: Reached
    before: Mapping[bytes, int] = field(default_factory=dict)
    erased: Erased | None = None
    foreign: Sequence[str] = ()


def certificate(repo: Repo, paths: Sequence[str], ids: Sequence[bytes], purges: Sequence[Purge]) -> dict[str, Any]:
    """Return the certificate, or the plan where nothing was erased yet, as values for JSON."""
    contents: dict[bytes, int] = {}
    names: dict[bytes, set[str]] = {}
    versions: dict[str, str] = {}
    datasets: set[bytes] = set()
    shared: dict[bytes, str] = {}
    for one in purges:
        contents |= one.found.contents
        versions |= one.found.versions
        datasets |= one.found.datasets
        shared |= one.reached.shared
        for id, said in one.found.names.items():
            names.setdefault(id, set()).update(said)
    runs, lacking = _runs([one.store for one in purges])
    touched = touched_by(runs, contents.keys(), datasets, paths, [one.store for one in purges])
    labels = {label: title for label, title in versions.items() if not _is_tree(label)}
    return {
        "purged": {"paths": list(paths), "ids": [id.hex() for id in ids]},
        "time": int(time.time()),
        "by": client_name(),
        "repository": repo.store.repository,
        "contents": [
            {
                "id": id.hex(),
                "size": size,
                "names": sorted(names.get(id, ())),
                "erased": id not in shared,
                "before": {one.name: one.before[id] for one in purges if id in one.before},
                "is_new": any(id in one.found.contents and id not in one.before for one in purges),
            }
            for id, size in sorted(contents.items(), key=lambda pair: (sorted(names.get(pair[0], ())), pair[0]))
        ],
        "stores": [_store(one) for one in purges],
        "shared": [{"id": id.hex(), "used_by": where} for id, where in shared.items()],
        "versions": [{"id": label, "title": title} for label, title in labels.items()],
        "work_trees": sum(_is_tree(label) for label in versions),
        "runs": [
            {
                "name": run.name,
                "ulid": run.ulid,
                "started": run.started // 1000,
                "user": run.user,
                "command": shlex.join(run.command),
                "did": did,
            }
            for run, did in touched.runs
        ],
        "models": [{"path": one.path, "id": one.id.hex(), "run": one.run.name} for one in touched.made],
        "runs_unread": list(lacking),
        "remains": list(_remains(repo, paths, names, shared, purges, runs, touched)),
    }


def text(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a certificate for a person."""
    what = [*record["purged"]["paths"], *(short_id(bytes.fromhex(id)) for id in record["purged"]["ids"])]
    is_done = any(store["entries"] for store in record["stores"])
    fresh = [one for one in record["contents"] if one["is_new"] or not one["erased"]]
    total = sum(one["size"] for one in fresh)
    verb = "Purged" if is_done else "Would purge"
    if fresh:
        yield f"{verb} {', '.join(what)}: {_many(len(fresh), 'content')}, {_many(total, 'byte')}"
    else:
        yield f"{', '.join(what)}: purged already, nothing else to erase"
    yield f"{_moment(record['time'])} by {record['by']}, in repository {record['repository']}"
    for one in record["contents"]:
        stays = "" if one["erased"] else "  STAYS: something else is the same content"
        before = ", ".join(f"{name} in entry {n}" for name, n in one["before"].items())
        said = f"  already purged {before}" if before else ""
        yield f"  b3:{one['id'][:16]}  {_many(one['size'], 'byte')}  {', '.join(one['names'])}{stays}{said}"
    for store in record["stores"]:
        yield f"{store['name']} ({store['url']}): {_many(len(store['objects']), 'object')}"
        if store["entries"]:
            said = ", ".join(map(str, store["entries"]))
            deleted = f"{_many(len(store['packs']), 'pack')}, {_many(store['deleted'], 'byte')} deleted"
            yield f"  entries {said} of its log; {deleted}"
    yield f"Versions that had it: {len(record['versions'])}"
    yield from (f"  {one['id'][:12]}  {one['title']}".rstrip() for one in record["versions"])
    if record["work_trees"]:
        yield "  and what a work tree tracks now, in xver.lock"
    yield f"Runs that it touches: {len(record['runs'])}"
    for one in record["runs"]:
        yield f"  {one['name']}  {_moment(one['started'])}  {one['user']}  {one['command']}"
        yield f"    {one['did']}"
    if record["runs_unread"]:
        yield f"Runs whose records could not be read, and were not looked at: {len(record['runs_unread'])}"
        yield from (f"  {ulid}" for ulid in record["runs_unread"])
    yield f"What was made from it: {len(record['models'])}"
    yield from (f"  {one['path']}  b3:{one['id'][:16]}  by {one['run']}" for one in record["models"])
    yield "What remains:"
    yield from (f"  {line}" for line in record["remains"])


def write(repo: Repo, record: Mapping[str, Any]) -> Path:
    """Write a certificate as JSON and as text; return the text's path."""
    folder = repo.places.shared / "purges"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(record["time"]))
    path = folder / f"{stamp}-{os.urandom(4).hex()}.txt"
    _write(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    _write(path, "".join(f"{line}\n" for line in text(record)))
    return path


def _write(path: Path, said: str) -> None:
    # Half a certificate would say that what it leaves out is not so.
    beside = path.with_name(f"{path.name}.part")
    with open(beside, "w", encoding="utf-8", newline="\n") as file:
        file.write(said)
        file.flush()
        os.fsync(file.fileno())
    replace(beside, path)


def _store(one: Purge) -> dict[str, Any]:
    done = one.erased
    return {
        "name": one.name,
        "url": one.store.storage.url,
        "objects": [id.hex() for id in (one.reached.erased if done is None else done.ids) if id not in one.before],
        "entries": [] if done is None else list(done.entries),
        "packs": [] if done is None else list(done.packs),
        "deleted": 0 if done is None else done.deleted,
    }


def _runs(stores: Sequence[Store]) -> tuple[list[Run], list[str]]:
    """Return all runs, oldest first, and the names of those whose record is in no store, or cannot be read there."""
    found: dict[str, Run] = {}
    lacking: set[str] = set()
    for store in stores:
        for name, target in store.log.refs.items():
            ulid = name.removeprefix(RUNS)
            if name.startswith(RUNS) and ulid not in found:
                try:
                    found[ulid] = decode_run(store.get(Kind.RUN, target.id))
                except (ContentNotFound, CorruptData, UnsupportedFormat):
                    lacking.add(ulid)
    return sorted(found.values(), key=lambda run: run.started), sorted(lacking - found.keys())


def _remains(
    repo: Repo,
    paths: Sequence[str],
    names: Mapping[bytes, set[str]],
    shared: Mapping[bytes, str],
    purges: Sequence[Purge],
    runs: Sequence[Run],
    touched: Touched,
) -> Iterator[str]:
    yield "Paths, sizes, ids and fingerprints of what was purged, in listings, in xver.lock and in records of runs."
    if shared:
        users = sorted({where for where in shared.values() if where})
        more = f" and {len(users) - 10} more" if len(users) > 10 else ""
        yield f"{len(shared)} objects that other content needs too: {', '.join(users[:10])}{more}."
    if touched.made:
        yield "What was made from it: xver purge takes that too, by path or id, where it tells too much of it."
    for one in purges:
        if one.found.unread:
            yield f"{one.name}: {one.found.unread} lists that are not in this store were not looked through."
        if one.erased is not None and one.erased.uploads:
            yield f"{one.name}: {len(one.erased.uploads)} packs of uploads that go on, which began after this purge."
        if one.foreign:
            more = f" and {len(one.foreign) - 10} more" if len(one.foreign) > 10 else ""
            yield f"{one.name}: files of others that it was adopted from: {', '.join(one.foreign[:10])}{more}."
        if one.name != "here":
            yield f"{one.name}: packs of uploads that broke off meanwhile, until the next xver gc --remote {one.name}."
            yield f"{one.name}: {_versions(one)}"
            clients = _clients(one.store)
            yield f"{one.name}: every clone that has it. These wrote here: {', '.join(clients)}."
    done = {one.name for one in purges}
    for remote in repo.settings.remotes.values():
        if remote.name not in done:
            yield f"Remote {remote.name} ({remote.url}), which was not purged: xver purge --remote {remote.name}."
    files = sorted({name for said in names.values() for name in said if os.path.lexists(repo.root / name)})
    if files:
        more = f" and {len(files) - 10} more" if len(files) > 10 else ""
        yield f"Files in the work tree, perhaps: {', '.join(files[:10])}{more}."
    if repo.git is not None:
        known = [path for path in paths if repo.git.lines("rev-list", "--all", "-n", "1", "--", path, check=False)]
        if known:
            yield f"git's own history of {', '.join(known)}: see git filter-repo."
    patches = sum(run.code.patch is not None for run in runs)
    if patches:
        yield f"{patches} runs with patches of uncommitted code: what these quote was not searched."
    yield "Views, on each machine that made some (xver view --drop 0), and what a merge laid out until it is done."
    yield "Backups, and copies that nobody told xver of."


def _versions(one: Purge) -> str:
    kept = one.store.storage.old_versions("packs/")
    if kept is None:
        return "whether the bucket keeps old versions of deleted objects could not be told."
    live = one.store.log.live_packs()
    if one.erased is None:
        count = sum(key in live for key in kept)
        return f"the bucket keeps what is deleted: {_many(count, 'pack')}." if count else "no old versions are kept."
    # Packs that were deleted before this purge may hold it as well.
    count = sum(key not in live and key not in one.erased.uploads for key in kept)
    if not count:
        return "no old versions."
    return f"{_many(count, 'old version')} of deleted packs, which the bucket keeps: delete them there."


def _clients(store: Store) -> list[str]:
    log = store.log
    return sorted({log.entry(n).client for n in range(max(0, log.n - _CLIENTS), log.n)})


def _is_tree(label: str) -> bool:
    """Tell whether it is no version that had it, but what some work tree tracks, or has sent ahead, now."""
    return label == LOCK_NAME or label.startswith((LOCK, CLONES))


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _many(n: int, word: str) -> str:
    return f"{n:,} {word}" + ("" if n == 1 else "s")

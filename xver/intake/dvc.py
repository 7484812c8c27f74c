"""DVC: `.dvc` files and `dvc.lock` say what is tracked, a cache of files named by their MD5 holds it.

    data.dvc ─► md5 of a file         ─► .dvc/cache/files/md5/22/a1a2…      (DVC 3; before: .dvc/cache/22/a1a2…)
             └► md5.dir of a folder   ─► …a1a2….dir, JSON: md5 and path of each file

Only what a person or DVC wrote there is read; DVC itself is not needed, and goes on working beside.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from xver.errors import InvalidInput, StorageError
from xver.git.command import GitCommand
from xver.intake.dvc_projects import FOLDER, Address, find_projects, stores_of
from xver.intake.held import BucketPlace, Held, HeldFile, HeldObject, read_small
from xver.intake.tools import Left, Member, Proof, Tracked
from xver.intake.trees import Item, Tree

_LOCK: Final = "dvc.lock"
_PIPELINE: Final = "dvc.yaml"
_DIR: Final = ".dir"
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_LEGACY: Final = "legacy:"
"""In front of a key of DVC before 3.0, whose MD5 of a text is that of its lines with other ends."""
_HEX: Final = frozenset("0123456789abcdef")
_MD5_DIGITS: Final = 32


class Dvc:
    """The DVC project of a work tree, or those of its folders: each finds what any of them keeps.

    Raises:
        InvalidInput: there is none, or what reads its files is not installed.
    """

    name = "DVC"
    bring = "dvc fetch --all-commits"
    cleaner = "dvc gc"
    is_in_git = False

    def __init__(self, root: Path, git: GitCommand | None) -> None:
        projects = find_projects(root, git)
        if not projects:
            raise InvalidInput(
                f"there is no DVC project in {root}: no folder {FOLDER} at its top, nor has git one further down",
                hint="xver adopt git-lfs, or xver add PATH",
            )
        _yaml()
        self._stores, self._buckets = stores_of(projects)
        self._places: dict[Address, BucketPlace] = {}
        self.refusals: list[str] = []

    def says(self, path: str, item: Item) -> bool:  # noqa: ARG002 - the name tells
        """Tell whether a file is one of DVC's."""
        name = posixpath.basename(path)
        return name in (_LOCK, _PIPELINE) or (name.endswith(".dvc") and name != ".dvc")

    def tracked(self, tree: Tree) -> Iterator[Tracked | Left]:
        """Yield the outputs that DVC keeps in its cache."""
        kept = {*tree.kept, *map(posixpath.dirname, tree.kept)}
        for path, item in sorted(tree.items.items()):
            if self.says(path, item) and posixpath.basename(path) != _PIPELINE:
                for base, out in _outs(tree, path):
                    name = posixpath.normpath(posixpath.join(base, str(out.get("path", ""))))
                    # What is in git is there by DVC's `cache: false`, and stays there.
                    if out.get("cache") is not False and name not in kept:
                        yield self._one(name, out)

    def find_many(self, keys: Collection[str]) -> dict[str, Held]:
        """Return what holds some bytes: a file of the cache or a remote that is a folder, else an object of a bucket.

        A bucket that cannot be asked is said in `refusals`, and not asked again.
        """
        found: dict[str, Held] = {}
        for key in keys:
            if (path := self._file(key)) is not None:
                found[key] = HeldFile(path)
        for address in list(self._buckets):
            lacking = [key for key in keys if key not in found]
            try:
                found |= self._find_in(address, lacking) if lacking else {}
            except (InvalidInput, StorageError) as error:
                self._buckets.remove(address)
                self.refusals.append(f"{address[0]} cannot be asked for what is not here: {error.message}")
        return found

    def _find_in(self, address: Address, keys: Collection[str]) -> dict[str, Held]:
        """Return the objects of a bucket that hold some bytes; connects to it when it is asked first."""
        if (place := self._places.get(address)) is None:
            place = self._places[address] = BucketPlace(*address)
        stats = place.find([place.key(name) for key in keys for name in _layouts(key)])
        held = {key: [stats.get(place.key(name)) for name in _layouts(key)] for key in keys}
        return {key: HeldObject(place, stat) for key, some in held.items() if (stat := some[0] or some[1]) is not None}

    def _file(self, key: str) -> str | None:
        for layout in _layouts(key):
            for store in self._stores:
                path = os.path.join(store, *layout.split("/"))
                if os.path.isfile(path):
                    return path
        return None

    def proof(self, key: str) -> Proof | None:
        """Return the MD5 of a file; the one of DVC before 3.0 proves nothing of texts."""
        return None if key.startswith(_LEGACY) else (_md5, key)

    def _one(self, name: str, out: Mapping[str, Any]) -> Tracked | Left:
        digest = out.get("md5")
        if name.startswith("../") or os.path.isabs(name) or "://" in name:
            return Left(name, "lies outside of the repository")
        if not isinstance(digest, str) or not _is_md5(digest.removesuffix(_DIR)):
            return Left(name, "is not in DVC's cache, but where it was imported from")
        key = digest if out.get("hash") == "md5" else _LEGACY + digest
        if not digest.endswith(_DIR):
            return Tracked(name, [Member("", key, bool(out.get("isexec")))], is_folder=False)
        held = self.find_many([key]).get(key)
        if held is None:
            return Left(name, "is not in DVC's cache, nor in a remote of DVC's that is read")
        prefix = _LEGACY if key.startswith(_LEGACY) else ""
        try:
            listed = json.loads(read_small(held))
            # What is no MD5 could name a file outside of the cache.
            is_right = all(_is_md5(one["md5"]) for one in listed)
            members = [Member(one["relpath"], prefix + one["md5"], bool(one.get("isexec"))) for one in listed]
        except (OSError, ValueError, TypeError, KeyError):
            is_right, members = False, []
        if not is_right:
            return Left(name, f"has a list of files that cannot be read: {key}")
        return Tracked(name, members, is_folder=True)


def _outs(tree: Tree, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each output that a file names, with the folder that its path starts from."""
    said = _load(tree, path)
    base = posixpath.dirname(path)
    if posixpath.basename(path) != _LOCK:
        yield from ((posixpath.join(base, str(said.get("wdir", ""))), out) for out in _list(said.get("outs")))
        return
    pipeline = posixpath.join(base, _PIPELINE)
    stages = _mapping(_load(tree, pipeline).get("stages")) if pipeline in tree.items else {}
    for name, stage in _mapping(said.get("stages", said)).items():
        # One that was made by `foreach` or `matrix` is called `name@…`.
        written = _mapping(stages.get(name) or stages.get(str(name).partition("@")[0]))
        written = _mapping(written.get("do", written))
        where, uncached = posixpath.join(base, str(written.get("wdir", ""))), _uncached(written)
        for out in _list(_mapping(stage).get("outs")):
            is_uncached = any(fnmatchcase(str(out.get("path", "")), one) for one in uncached)
            yield where, {**out, "cache": False} if is_uncached else out


def _uncached(stage: Mapping[str, Any]) -> list[str]:
    """Return patterns of the outputs that a stage leaves to git; what `${…}` stands for is not known."""
    groups = [stage.get(name) for name in ("outs", "metrics", "plots")]
    outs = [one for group in groups for out in _list(group) for one in out.items()]
    names = [str(name) for name, how in outs if _mapping(how).get("cache") is False]
    return ["*".join(map(glob.escape, _VARIABLE.split(name))) for name in names]


def _load(tree: Tree, path: str) -> Mapping[str, Any]:
    yaml = _yaml()
    try:
        return _mapping(yaml.load(tree.read(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: it is no YAML", hint="dvc status says where") from error


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise InvalidInput("reading DVC's files needs PyYAML", hint="pip install 'xver[dvc]'") from None
    return yaml


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _layouts(key: str) -> list[str]:
    """Return where the bytes of a key lie in a store of DVC, by the version that wrote them; the likeliest first."""
    md5 = key.removeprefix(_LEGACY)
    layouts = [f"files/md5/{md5[:2]}/{md5[2:]}", f"{md5[:2]}/{md5[2:]}"]
    return layouts[::-1] if key.startswith(_LEGACY) else layouts


def _is_md5(digits: str) -> bool:
    return len(digits) == _MD5_DIGITS and set(digits) <= _HEX


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)

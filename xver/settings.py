"""Settings: what `xver.toml` says, as one frozen value. Reads no environment; comments survive every edit."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from xver.errors import AlreadyExists, InvalidInput, NotFound, nearest
from xver.patience import replace

NAME: Final = "xver.toml"
_REMOTE: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")
EVERY_BRANCH: Final = "*"
"""In `default_remote`, every branch that has no remote of its own; no branch can be called that."""
_NEW: Final = """# Settings of xver, for everyone who works here. Reference: xver config -h

# [remotes.origin]
# url = "s3://bucket/prefix"
"""


@dataclass(frozen=True, slots=True)
class Remote:
    """A place to share through: its address, and the server's where it is not the provider's own."""

    name: str
    url: str
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """What `xver forget` keeps of each branch: the newest versions, and the last of the newest days, weeks and so on.

    Numbers count what there is: a day without a version is none. `keep_tags`: also what a tag names.
    """

    keep_last: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    keep_tags: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set: remotes by name, which outputs of runs are kept (gitignore patterns).

    `merge_keys` names the columns by which tables are merged, by a pattern of paths (fnmatch; the first that fits).
    `push_data`: `git push` pushes the data first, where it would otherwise be refused for lack of it.

    `default_remote` names the remote of a branch, and under `EVERY_BRANCH` that of all others. `store_untracked` is
    the size in bytes up to which a run's untracked inputs are stored with it. `retention` is None where the file has
    no such table.
    """

    remotes: Mapping[str, Remote] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    store_untracked: int = 10_000_000
    retention: Retention | None = None
    default_remote: Mapping[str, str] = field(default_factory=dict)
    push_data: bool = False
    merge_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


KEYS: Final = (
    "run.keep",
    "run.store_untracked",
    "git.push_data",
    *(f"retention.{one.name}" for one in fields(Retention)),
)
"""What `xver config` reads and writes; remotes have commands of their own."""


def read_settings(path: Path) -> Settings:
    """Return the settings in a file; a missing file has the defaults.

    Raises:
        InvalidInput: the file is not TOML, or a value has the wrong type; the message names it.
    """
    return _parse(_load(path))


def _parse(record: dict[str, Any]) -> Settings:
    remotes = {}
    for name, facts in _table(record, "remotes").items():
        _check_name(name)
        if not isinstance(facts, dict) or not isinstance(facts.get("url"), str) or not facts["url"]:
            raise InvalidInput(
                f"{NAME}: remotes.{name} needs a url", hint=f'url = "s3://bucket/prefix" below [remotes.{name}]'
            )
        endpoint = facts.get("endpoint_url")
        if endpoint is not None and not isinstance(endpoint, str):
            raise InvalidInput(f"{NAME}: remotes.{name}.endpoint_url is no text")
        remotes[name] = Remote(name, facts["url"], endpoint)
    run = _table(record, "run")
    keep = run.get("keep", [])
    if not isinstance(keep, list) or not all(isinstance(one, str) for one in keep):
        raise InvalidInput(f'{NAME}: run.keep is a list of patterns, as in keep = ["models/**"]')
    limit = run.get("store_untracked", Settings().store_untracked)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise InvalidInput(f"{NAME}: run.store_untracked is a number of bytes")
    defaults = _table(record, "default_remote")
    if not all(isinstance(one, str) for one in defaults.values()):
        raise InvalidInput(f'{NAME}: default_remote names a remote for a branch, as in "*" = "origin"')
    push_data = _table(record, "git").get("push_data", False)
    if not isinstance(push_data, bool):
        raise InvalidInput(f"{NAME}: git.push_data is true or false")
    keys = _read_merge_keys(_table(_table(record, "merge"), "keys"))
    return Settings(remotes, tuple(keep), limit, _read_retention(record), defaults, push_data, keys)


def create_settings(path: Path) -> bool:
    """Write a first file of comments if there is none; tell whether it was written."""
    if path.exists():
        return False
    path.write_text(_NEW, encoding="utf-8", newline="\n")
    return True


def get_value(settings: Settings, key: str) -> object:
    """Return what a key of `KEYS` is set to, or its default; raises `NotFound` for another."""
    match _known(key).partition("."):
        case ("run" | "git", _, name):
            value = getattr(settings, name)
            return list(value) if isinstance(value, tuple) else value
        case (_, _, name):
            return getattr(settings.retention or Retention(), name)


def set_value(path: Path, key: str, text: str | None) -> None:
    """Set a key of `KEYS` to what a text in TOML, or a bare word, means (None: to its default), if it may be that.

    Everything else in the file stays as it is.

    Raises:
        NotFound: there is no such key.
        InvalidInput: that is no value for it; nothing was changed.
    """
    import tomlkit

    table, _, name = _known(key).partition(".")
    document = _edit(path)
    if text is None:
        document.get(table, {}).pop(name, None)
        if table in document and not document[table]:
            del document[table]
    else:
        document.setdefault(table, _new_table())[name] = _value(text)
    _parse(tomllib.loads(tomlkit.dumps(document)))
    _write(path, document)


def _known(key: str) -> str:
    if key not in KEYS:
        near = nearest(key, KEYS)
        raise NotFound(f"there is no setting {key}", hint=f"did you mean {near}?" if near else "xver config list")
    return key


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def add_remote(path: Path, remote: Remote) -> None:
    """Add a remote to the file, leaving everything else as it is.

    Raises:
        AlreadyExists: there is one of that name.
        InvalidInput: the name is none for a remote, or the file cannot be read.
    """
    _check_name(remote.name)
    document = _edit(path)
    remotes = document.setdefault("remotes", _new_table(is_super=True))
    if remote.name in remotes:
        raise AlreadyExists(
            f"there is a remote {remote.name} already: {remotes[remote.name].get('url')}",
            hint=f"xver remote remove {remote.name}",
        )
    remotes[remote.name] = _facts(_new_table(), remote)
    _write(path, document)


def set_remote(path: Path, remote: Remote) -> None:
    """Give a remote of the file another address; raises `NotFound` if there is none of that name."""
    document = _edit(path)
    _facts(_remote_of(document, remote.name), remote)
    _write(path, document)


def rename_remote(path: Path, old: str, new: str) -> None:
    """Give a remote another name, also where it is the default.

    Raises:
        NotFound: there is no `old`.
        AlreadyExists: there is a `new`.
        InvalidInput: `new` is no name for a remote.
    """
    _check_name(new)
    document = _edit(path)
    facts = _remote_of(document, old)
    remotes = document["remotes"]
    if new in remotes:
        raise AlreadyExists(f"there is a remote {new} already", hint="xver remote list")
    remotes[new] = facts
    del remotes[old]
    for branch, name in list(document.get("default_remote", {}).items()):
        if name == old:
            document["default_remote"][branch] = new
    _write(path, document)


def set_default_remote(path: Path, name: str | None, branch: str = EVERY_BRANCH) -> None:
    """Make a remote that of a branch, or of all that have none of their own; with None there is none any more.

    Raises:
        NotFound: there is no remote of that name.
    """
    document = _edit(path)
    if name is not None:
        _remote_of(document, name)
        document.setdefault("default_remote", _new_table())[branch] = name
    else:
        _drop_defaults(document, lambda one, _: one == branch)
    _write(path, document)


def remove_remote(path: Path, name: str) -> None:
    """Remove a remote from the file; raises `NotFound` if there is none of that name."""
    document = _edit(path)
    _remote_of(document, name)
    del document["remotes"][name]
    if not document["remotes"]:
        del document["remotes"]
    _drop_defaults(document, lambda _, default: default == name)
    _write(path, document)


def _read_retention(record: dict[str, Any]) -> Retention | None:
    if "retention" not in record:
        return None
    table = _table(record, "retention")
    names = [one.name for one in fields(Retention)]
    for name, value in table.items():
        if name not in names:
            near = nearest(name, names) or ", ".join(names)
            raise InvalidInput(f"{NAME}: retention.{name} is no setting", hint=f"did you mean {near}?")
        if name == "keep_tags":
            if not isinstance(value, bool):
                raise InvalidInput(f"{NAME}: retention.keep_tags is true or false")
        elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InvalidInput(f"{NAME}: retention.{name} is a number, as in {name} = 10")
    found = Retention(**table)
    if found == Retention(keep_tags=found.keep_tags):
        raise InvalidInput(f"{NAME}: retention keeps nothing", hint="keep_last = 10 below [retention]")
    return found


def _read_merge_keys(table: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {}
    for pattern, key in table.items():
        columns = [key] if isinstance(key, str) else key
        if not isinstance(columns, list) or not columns or not all(isinstance(one, str) for one in columns):
            raise InvalidInput(
                f"{NAME}: merge.keys names columns of tables", hint='"data/labels.csv" = "id" below [merge.keys]'
            )
        found[pattern] = tuple(columns)
    return found


def _remote_of(document: Any, name: str) -> Any:
    facts = document.get("remotes", {}).get(name)
    if facts is None:
        raise NotFound(f"there is no remote {name}", hint="xver remote list")
    return facts


def _facts(facts: Any, remote: Remote) -> Any:
    """Write what is known of a remote into its table."""
    facts["url"] = remote.url
    if remote.endpoint_url is not None:
        facts["endpoint_url"] = remote.endpoint_url
    elif "endpoint_url" in facts:
        del facts["endpoint_url"]
    return facts


def _drop_defaults(document: Any, is_meant: Callable[[str, str], bool]) -> None:
    defaults = document.get("default_remote", {})
    for branch, name in list(defaults.items()):
        if is_meant(branch, name):
            del defaults[branch]
    if "default_remote" in document and not defaults:
        del document["default_remote"]


def _check_name(name: str) -> None:
    # It becomes part of a ref's name.
    if not _REMOTE.fullmatch(name):
        raise InvalidInput(f"{NAME}: {name!r} is no name for a remote", hint="use letters, digits, '-', '_' and '.'")


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{NAME} cannot be read: {error}", hint=f"correct {NAME} at the top of the repository"
        ) from error


def _table(record: dict[str, Any], key: str) -> dict[str, Any]:
    table = record.get(key, {})
    if not isinstance(table, dict):
        raise InvalidInput(f"{NAME}: {key} is a table")
    return table


def _edit(path: Path) -> Any:
    import tomlkit

    _load(path)
    # As bytes: reading as text would turn the line ends of Windows into others.
    return tomlkit.parse(path.read_bytes() if path.exists() else b"")


def _new_table(*, is_super: bool = False) -> Any:
    import tomlkit

    return tomlkit.table(is_super)


def _write(path: Path, document: Any) -> None:
    import tomlkit

    target = path.resolve()
    beside = target.with_name(f".{target.name}.tmp")
    beside.write_bytes(tomlkit.dumps(document).encode())
    replace(beside, target)

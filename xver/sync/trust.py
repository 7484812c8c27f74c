"""Whom this clone trusts: the addresses of remotes, as they were when they were first used from here.

`xver.toml` is git's to bring, so whoever can push a branch could send everybody's data elsewhere. What it says is
compared with what this clone has used before, in a folder that git does not track:

    trusted/<hash of the name>.json   {"name", "url", "endpoint_url"}      one file a remote, replaced whole
"""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from xver.errors import Conflict, InvalidInput
from xver.patience import replace
from xver.repo import Repo
from xver.settings import Remote
from xver.storage.locate import locate

_FOLDER: Final = "trusted"


def pin(repo: Repo, remote: Remote) -> None:
    """Trust a remote's address from now on."""
    path = _path(repo, remote.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    record = {"name": remote.name, "url": remote.url, "endpoint_url": remote.endpoint_url}
    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")
    replace(beside, path)


def unpin(repo: Repo, name: str) -> None:
    """Forget the address of a remote."""
    _path(repo, name).unlink(missing_ok=True)


def pinned(repo: Repo, name: str) -> Remote | None:
    """Return the remote as this clone knows it, None if it was never used from here."""
    try:
        record = json.loads(_path(repo, name).read_text(encoding="utf-8"))
        return Remote(name, str(record["url"]), record["endpoint_url"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        # Cut short: nothing is known, and what xver.toml says has to be confirmed.
        return Remote(name, "")


def is_trusted(repo: Repo, remote: Remote) -> bool:
    """Tell whether a remote may be used without a question: it is what it was, or nothing was used from here yet."""
    known = pinned(repo, remote.name)
    return _same(repo, known, remote) if known is not None else not _uses_any(repo)


def require_used(repo: Repo, remote: Remote) -> None:
    """Refuse a remote that nobody named and that was never used from here, unless it is the first of all.

    Raises:
        Conflict: a file that git brought chose it.
    """
    if pinned(repo, remote.name) is None and _uses_any(repo):
        raise Conflict(
            f"xver.toml sends to {remote.name} ({where(remote)}), which was never used from here",
            hint=f"xver remote trust {remote.name}, if you know where that is",
        )


def pin_or_refuse(repo: Repo, remote: Remote) -> None:
    """Trust a remote that is used for the first time; refuse one whose address is not what it was.

    Raises:
        Conflict: xver.toml gives it another address than before.
    """
    known = pinned(repo, remote.name)
    if known is None:
        pin(repo, remote)
    elif not _same(repo, known, remote):
        raise Conflict(
            f"the address of {remote.name} has changed: it was {where(known)}, and xver.toml now says {where(remote)}",
            hint=f"xver remote trust {remote.name}, if that is right",
        )


def where(remote: Remote) -> str:
    """Return an address for people."""
    address = remote.url or "unknown"
    return f"{address} at {remote.endpoint_url}" if remote.endpoint_url else address


def _same(repo: Repo, known: Remote, remote: Remote) -> bool:
    """Tell whether two addresses are one: as they are written, or as the place that they name from here."""
    if known.endpoint_url != remote.endpoint_url:
        return False
    if known.url == remote.url:
        return True
    try:
        here, there = (locate(one.url, base=repo.root, endpoint_url=one.endpoint_url).url for one in (known, remote))
    except InvalidInput:
        return False
    return here == there


def _uses_any(repo: Repo) -> bool:
    try:
        return any(name.endswith(".json") for name in os.listdir(repo.places.shared / _FOLDER))
    except FileNotFoundError:
        return False


def _path(repo: Repo, name: str) -> Path:
    # Hashed, because names may differ in nothing but their case, and file systems may not.
    return repo.places.shared / _FOLDER / f"{blake2b(name.encode(), digest_size=8).hexdigest()}.json"

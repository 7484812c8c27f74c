"""Add, move, rename and remove remotes: in xver.toml, and in all that this clone knows of them.

A clone knows a remote by its address (trust), by where its branches were (`remotes/NAME/…`), by what it keeps for us
(promises), and by a local memory of its log and indexes.
"""

from __future__ import annotations

import shutil

from xver.errors import Conflict, NotFound
from xver.model.refs import FORGOTTEN, Target, parse_ref
from xver.repo import Repo
from xver.settings import Remote, add_remote, remove_remote, rename_remote, set_remote
from xver.storage.locate import locate
from xver.sync.fetch import TRACKING
from xver.sync.remotes import cache_folder
from xver.sync.trust import pin, pinned, unpin


def add(repo: Repo, remote: Remote) -> str:
    """Add a remote and trust its address; return it as it is shown.

    Raises:
        AlreadyExists: there is one of that name.
        InvalidInput: no name, or no address.
    """
    parse_ref(remote.name)
    storage = locate(remote.url, base=repo.root, endpoint_url=remote.endpoint_url)
    add_remote(repo.settings_path, remote)
    pin(repo, remote)
    _settings_changed(repo)
    return storage.url


def set_url(repo: Repo, name: str, url: str, endpoint_url: str | None = None) -> str:
    """Give a remote another address and trust it; return it as it is shown. What was fetched stays.

    Raises:
        NotFound: there is no such remote.
        InvalidInput: no address.
    """
    storage = locate(url, base=repo.root, endpoint_url=endpoint_url)
    before = repo.settings.remotes.get(name)
    remote = Remote(name, url, endpoint_url)
    set_remote(repo.settings_path, remote)
    pin(repo, remote)
    if before is not None and cache_folder(repo, before) != cache_folder(repo, remote):
        _forget_memory(repo, before)
    _settings_changed(repo)
    return storage.url


def rename(repo: Repo, old: str, new: str) -> None:
    """Give a remote another name, with its branches, its promises and the trust in its address.

    Raises:
        NotFound: there is no `old`.
        AlreadyExists: there is a `new`.
        InvalidInput: `new` is no name for a remote.
    """
    parse_ref(new)
    known = pinned(repo, old)
    rename_remote(repo.settings_path, old, new)
    with repo.promising():
        _rename_refs(repo, old, new)
    unpin(repo, old)
    if known is not None:
        pin(repo, Remote(new, known.url, known.endpoint_url))
    _settings_changed(repo)


def _rename_refs(repo: Repo, old: str, new: str) -> None:
    # Promises under both names, then under the new one: known to be elsewhere at every moment.
    kept = repo.store.promises.of(old)
    if kept:
        repo.store.promises.replace(new, kept | repo.store.promises.of(new))
    changes: dict[str, Target | None] = {}
    for kind in (TRACKING, FORGOTTEN):
        for name, target in repo.store.log.refs_under(f"{kind}{old}/").items():
            changes[f"{kind}{new}/{name}"] = target
            changes[f"{kind}{old}/{name}"] = None
    repo.store.move(f"rename remote {old} to {new}", changes)
    repo.store.promises.replace(old, ())


def remove(repo: Repo, name: str) -> None:
    """Remove a remote from the settings, with all that is known of it here. What it holds stays.

    Raises:
        NotFound: there is no such remote.
        Conflict: it keeps content for us that is not here, and no other remote does.
    """
    with repo.promising():
        remote = _remove(repo, name)
    unpin(repo, name)
    if remote is not None:
        _forget_memory(repo, remote)
    _settings_changed(repo)


def _remove(repo: Repo, name: str) -> Remote | None:
    remote = repo.settings.remotes.get(name)
    if remote is not None and (alone := _kept_there_alone(repo, name)):
        raise Conflict(
            f"only {name} keeps {alone} objects that this clone has given up",
            hint=f"xver pull -r {name}, or xver push to another remote first",
        )
    remove_remote(repo.settings_path, name)
    refs = repo.store.log.refs
    changes: dict[str, Target | None] = dict.fromkeys(one for one in refs if one.startswith(f"{TRACKING}{name}/"))
    # What it had forgotten never came here: from now on this clone says so for itself.
    for one, target in repo.store.log.refs_under(f"{FORGOTTEN}{name}/").items():
        changes |= {f"{FORGOTTEN}{name}/{one}": None, FORGOTTEN + one: target}
    repo.store.move(f"remove remote {name}", changes)
    repo.store.promises.replace(name, ())
    return remote


def trust(repo: Repo, name: str) -> tuple[Remote | None, Remote]:
    """Trust what xver.toml says of a remote; return it as it was known, None if it was not, and as it is.

    Raises:
        NotFound: there is no such remote.
        InvalidInput: no address.
    """
    remote = repo.settings.remotes.get(name)
    if remote is None:
        raise NotFound(f"there is no remote {name}", hint="xver remote list")
    locate(remote.url, base=repo.root, endpoint_url=remote.endpoint_url)
    before = pinned(repo, name)
    pin(repo, remote)
    return before, remote


def _kept_there_alone(repo: Repo, name: str) -> int:
    """Return the number of objects that a remote keeps for us, that are not here, and that no other one keeps."""
    here, promises = repo.store, repo.store.promises
    elsewhere = {id for one in promises.remotes() if one != name for id in promises.of(one)}
    return sum(id not in here.index and id not in elsewhere for id in promises.of(name))


def _forget_memory(repo: Repo, remote: Remote) -> None:
    folder = cache_folder(repo, remote)
    # Another name may stand for the same place.
    if all(cache_folder(repo, one) != folder for one in repo.settings.remotes.values() if one.name != remote.name):
        shutil.rmtree(folder, ignore_errors=True)


def _settings_changed(repo: Repo) -> None:
    repo.__dict__.pop("settings", None)

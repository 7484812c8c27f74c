"""The DVC projects of a work tree, and where their configurations say that content lies: caches and remotes.

    ~/.config/dvc/config     what the user says of all projects         ─► folders, buckets
    .dvc/config              of the project at the top
    survey/.dvc/config       of one in a folder: `dvc init --subdir`

All of them are one project to us: what is named by its MD5 is the same wherever it lies.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from xver.errors import InvalidInput
from xver.git.command import GitCommand

FOLDER: Final = ".dvc"
_BUCKETS: Final = ("s3://", "gs://")
"""Remotes of DVC's that are read; others, and credentials in its configuration, are not."""
Address: TypeAlias = "tuple[str, str | None]"
"""Where a bucket is: its address, and its server where that is not the provider's own."""


def find_projects(root: Path, git: GitCommand | None) -> list[Path]:
    """Return the folders of DVC's: that at the top, and those that git has the configuration of further down."""
    found = [] if git is None else git.paths("ls-files", "-z", "--", f":(glob)**/{FOLDER}/config")
    folders = dict.fromkeys([root / FOLDER, *((root / name).parent for name in found)])
    return [folder for folder in folders if folder.is_dir()]


def stores_of(projects: Sequence[Path]) -> tuple[list[str], list[Address]]:
    """Return the folders in which projects keep files here, and the buckets: caches, then remotes, defaults first."""
    caches: list[Path] = []
    remotes: list[tuple[str, str | None]] = []
    for folder in projects:
        cache, some = _said(folder)
        caches.append(cache)
        remotes += some
    folders = [*caches, *(Path(url) for url, _ in remotes if "://" not in url)]
    buckets = dict.fromkeys((url, server) for url, server in remotes if url.startswith(_BUCKETS))
    return list(dict.fromkeys(map(os.path.normpath, folders))), list(buckets)


def _said(folder: Path) -> tuple[Path, list[tuple[str, str | None]]]:
    """Return the cache of a project, and each of its remotes as it is to be asked in turn: its address, its server."""
    cache, default = folder / "cache", ""
    remotes: dict[str, dict[str, str]] = {}
    for path in _files(folder, os.environ, sys.platform):
        config = _read(path)
        for section in config.sections():
            kind, _, rest = section.strip("'").partition(" ")
            said = dict(config.items(section))
            if kind == "cache" and "dir" in said:
                cache = _below(path, said["dir"])
            elif kind == "core":
                default = said.get("remote", default)
            elif kind == "remote":
                if "url" in said and "://" not in said["url"]:
                    said["url"] = str(_below(path, said["url"]))
                remotes.setdefault(rest.strip("'\""), {}).update(said)
    names = sorted(remotes, key=lambda name: (name != default, name))
    return cache, [(remotes[name]["url"], remotes[name].get("endpointurl")) for name in names if "url" in remotes[name]]


def _read(path: Path) -> configparser.ConfigParser:
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read", hint="dvc config --list says where") from error
    return config


def _below(config: Path, said: str) -> Path:
    """Return what a configuration names: from its own folder on, whichever that is."""
    return config.parent / Path(said).expanduser()


def _files(folder: Path, environ: Mapping[str, str], platform: str) -> Iterator[Path]:
    """Yield the configurations that DVC reads, a later one over those before; they need not be there."""
    home = Path.home()
    if platform == "win32":
        system = Path(environ.get("ALLUSERSPROFILE") or "C:/ProgramData") / "iterative" / "dvc"
        user = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "iterative" / "dvc"
    elif platform == "darwin":
        system, user = Path("/Library/Application Support/dvc"), home / "Library" / "Application Support" / "dvc"
    else:
        system = Path((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").partition(":")[0]) / "dvc"
        user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "dvc"
    yield Path(environ.get("DVC_SYSTEM_CONFIG_DIR") or system) / "config"
    yield Path(environ.get("DVC_GLOBAL_CONFIG_DIR") or user) / "config"
    yield folder / "config"
    yield folder / "config.local"

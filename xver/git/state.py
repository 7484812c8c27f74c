"""What git says of the work tree now: its changes, its files, where it came from and who works in it."""

from __future__ import annotations

import getpass
import re
from typing import Final

from xver.errors import CommandFailed, InvalidInput
from xver.git.command import NO_EXECUTABLE, GitCommand
from xver.git.history import LOCK, head
from xver.model.snapshots import Author

_IDENT: Final = re.compile(r"(.*?) ?<([^<>]*)> -?[0-9]+ [+-][0-9]+", re.DOTALL)
_USERINFO: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)@")
# The user's configuration may change how diffs look; a patch must apply anywhere, so all of that is said here.
_PATCH: Final = (
    "--binary",
    "--full-index",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-relative",
    "--no-indent-heuristic",
    "--submodule=short",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
    "--inter-hunk-context=0",
    "--find-renames",
)


def dirty_patch(git: GitCommand, most: int) -> bytes | None:
    """Return the patch from HEAD to the tracked files on disk, binary files included; `git apply` takes it.

    Empty when they are the same, and on an unborn branch; None where it has more than `most` bytes. `xver.lock` is
    left out; untracked files never are in.
    """
    try:
        return git.bounded(most, "diff", *_PATCH, "HEAD", "--", ":(top)", f":(top,exclude,literal){LOCK}")
    except CommandFailed:
        if head(git) is None:
            return b""
        raise


def tracked_files(git: GitCommand) -> list[str]:
    """Return the paths in git's index, sorted as git sorts; a path in conflict once, a submodule as its folder."""
    return list(dict.fromkeys(git.paths("ls-files", "-z", "--cached")))


def is_tracked(git: GitCommand, path: str) -> bool:
    """Tell whether git tracks `path`, or something below it."""
    return bool(git.raw("--literal-pathspecs", "ls-files", "-z", "--cached", "--", path))


def remote_url(git: GitCommand) -> str | None:
    """Return the address of `origin`, else of the first remote, None without one; it holds no password or token."""
    found: dict[str, str] = {}
    for entry in git.paths("config", "-z", "--get-regexp", r"^remote\..*\.url$", check=False):
        key, _, url = entry.partition("\n")
        found.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    url = found.get("origin") or next(iter(found.values()), "")
    return strip_secrets(url) or None


def strip_secrets(url: str) -> str:
    """Return an address without password; the user name stays only for ssh, elsewhere it may be a token."""

    def plain(match: re.Match[str]) -> str:
        scheme, user = match[1], match[2].partition(":")[0]
        return f"{scheme}://{user}@" if "ssh" in scheme.casefold() and user else f"{scheme}://"

    return _USERINFO.sub(plain, url)


def author(git: GitCommand) -> Author:
    """Return who commits here: git's word, which needs no repository; without git, the user of this machine.

    Raises `InvalidInput` when git is not told who the user is.
    """
    try:
        ident = git.raw("var", "GIT_AUTHOR_IDENT").decode("utf-8", "replace").strip()
    except CommandFailed as error:
        if error.status == NO_EXECUTABLE:
            return _machine_user()
        raise InvalidInput(
            f"git does not know who you are ({error.message})",
            hint='git config --global user.name "Your Name" && git config --global user.email you@example.com',
        ) from error
    said = _IDENT.fullmatch(ident)
    if said is None:
        raise InvalidInput(f"git gives an author that cannot be read: {ident!r}")
    return Author(said[1], said[2])


def _machine_user() -> Author:
    import platform

    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without an entry in the password file
        name = "unknown"
    return Author(name, f"{name}@{platform.node()}")

r"""History is git's: revisions, refs, and the commits that changed `xver.lock` with their simplified parents.

    git's history          A───B───C───M        only A and C touched xver.lock,
                            \─────D──/          D and the merge did not
    lock_commits           A───────C            C's parent is A; M and D are not in it

The simplification is git's own (`--simplify-merges`, git-rev-list(1), "History Simplification"), and depends on a
commit's ancestors only: the same commit has the same simplified parents whoever asks, from whichever branch. A
shallow clone is the exception, see `shallow_commits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from xver.errors import CommandFailed, RevisionNotFound, nearest
from xver.git.command import GitCommand
from xver.git.locate import find_git
from xver.model.snapshots import Author, Version

LOCK: Final = "xver.lock"

_BRANCH: Final = "refs/heads/"
# A record is `commit ID PARENTS\n`, then these fields with NULs between and after, then a line end. No field can
# hold a NUL: git ends a commit's text at the first.
_FORMAT: Final = "--format=%x00%an%x00%ae%x00%ad%x00%B%x00"
_FIELDS: Final = 5
_PRINT: Final = ("--parents", "--encoding=UTF-8", "--date=raw", _FORMAT)
_DATE: Final = re.compile(r"(-?[0-9]+)(?: ([+-])([0-9]{2,})([0-9]{2}))?")
_SEARCH: Final = re.compile(r"\^\{/[^}]*\}")
_MANY: Final = ("^@", "^!")
_MANY_PARENT: Final = re.compile(r"\^-[0-9]*$")
_CANDIDATES: Final = 10


def head(git: GitCommand) -> str | None:
    """Return the id of the commit checked out, None where there is none yet (an unborn branch)."""
    return git.text("rev-parse", "--quiet", "--verify", "HEAD^{commit}", check=False).strip() or None


def branch(git: GitCommand) -> str | None:
    """Return the name of the branch checked out, born or not, without `refs/heads/`; None when HEAD is detached."""
    return git.text("symbolic-ref", "--quiet", "HEAD", check=False).strip().removeprefix(_BRANCH) or None


def resolve(git: GitCommand, rev: str) -> str:
    """Return the id of the one commit that `rev` names, in any way git accepts (annotated tags are followed).

    Raises `RevisionNotFound` for what names no commit, for ranges, and for an abbreviated id that fits several
    commits, which it lists.
    """
    if _is_one(rev):
        # `:/text` runs to the end of the argument and leaves no room for the `^{commit}`.
        spec = git.text("rev-parse", "--verify", "--quiet", rev, check=False).strip() if rev.startswith(":/") else rev
        found = git.text("rev-parse", "--verify", "--quiet", f"{spec}^{{commit}}", check=False).strip() if spec else ""
        if found:
            return found
    raise _not_found(git, rev)


def lock_commits(git: GitCommand, rev: str = "HEAD", *, path: str = LOCK) -> list[Version]:
    """Return the commits up to `rev` that count for `path`, children before parents, with simplified parents.

    The first is the one whose `path` is that of `rev` (or its removal), the nearest; every parent is in the list.
    Beside the commits that changed `path` there are merges of branches that both changed it. The list is empty when
    no commit ever had `path`. One git process; it walks the whole history of `rev`.

    Raises `RevisionNotFound` like `resolve`.
    """
    return _read(git, rev, "--simplify-merges", "--topo-order", path=path)


def commits_of(git: GitCommand, rev: str = "HEAD", n: int | None = None, *, since: str | None = None) -> list[Version]:
    """Return the commits up to `rev` in the order of `git log`, newest first, with git's own parents.

    At most `n`, and none that was committed before `since` (a date in any of git's notations). Raises
    `RevisionNotFound` like `resolve`.
    """
    limits = [] if n is None else [f"--max-count={n}"]
    limits += [] if since is None else [f"--since={since}"]
    return _read(git, rev, *limits)


def commits_in(git: GitCommand, span: str) -> list[Version]:
    """Return the commits of a range `BASE..TIP`, or all up to a revision, children before parents, with git's parents.

    Raises `RevisionNotFound` like `resolve`, of either end.
    """
    base, dots, tip = span.partition("..")
    ends = [resolve(git, (tip or "HEAD") if dots else span)]
    ends += [f"^{resolve(git, base)}"] if dots and base else []
    output = git.raw("rev-list", *_PRINT, "--topo-order", *ends, "--")
    return list(_parse(output.decode("utf-8", "replace").split("\0")))


def lock_at(git: GitCommand, rev: str = "HEAD", *, path: str = LOCK) -> bytes | None:
    """Return the content of `path` at `rev` as git stores it, None where that commit has no such file.

    On an unborn branch `HEAD` has no files. Raises `RevisionNotFound` like `resolve`.
    """
    if not _is_one(rev) or rev.startswith(":"):
        rev = resolve(git, rev)
    try:
        return git.raw("cat-file", "blob", f"{rev}:{path}")
    except CommandFailed:
        # There is no such path, or no such revision, or content that git cannot read: the next lines tell.
        found = head(git) if rev == "HEAD" else resolve(git, rev)
        entries = git.paths("--literal-pathspecs", "ls-tree", "-z", found, "--", path) if found else []
        if any(" blob " in entry for entry in entries):
            raise
        return None


def refs(git: GitCommand) -> dict[str, str]:
    """Return the commit each branch, tag and remote-tracking branch names, by its full name (`refs/heads/main`).

    Annotated tags are followed to their commit; tags of anything else are left out.
    """
    fields = "%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    found: dict[str, str] = {}
    for line in git.lines("for-each-ref", f"--format={fields}", "refs/heads", "refs/tags", "refs/remotes"):
        name, kind, named, *peeled = line.split(" ")
        if kind == "commit":
            found[name] = named
        elif kind == "tag" and peeled[0] == "commit":
            found[name] = peeled[1]
        elif kind == "tag" and peeled[0] == "tag":  # a tag of a tag: older gits follow one step only
            inner = git.text("rev-parse", "--verify", "--quiet", f"{named}^{{commit}}", check=False).strip()
            found |= {name: inner} if inner else {}
    return found


def shallow_commits(git: GitCommand) -> frozenset[str]:
    """Return the ids of the commits at a shallow clone's edge, which git shows as if they had no parents.

    `lock_commits` lists such a commit as if it had added the file, whether or not it touched it, and may name it as
    the parent of others: what is derived from it is not what a full clone derives. Starts no process.
    """
    places = find_git(git.root)
    if places is None:
        return frozenset()
    try:
        return frozenset((places.common_dir / "shallow").read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()


def _read(git: GitCommand, rev: str, *options: str, path: str | None = None) -> list[Version]:
    if not _is_one(rev):
        raise _not_found(git, rev)
    if rev.startswith(":"):
        rev = resolve(git, rev)
    paths = () if path is None else (path,)
    try:
        output = git.raw("--literal-pathspecs", "rev-list", *_PRINT, *options, rev, "--", *paths)
    except CommandFailed:
        resolve(git, rev)
        raise
    return list(_parse(output.decode("utf-8", "replace").split("\0")))


def _parse(fields: list[str]) -> Iterable[Version]:
    for start in range(0, len(fields) - _FIELDS, _FIELDS):
        header, name, email, date, message = fields[start : start + _FIELDS]
        _, commit, *parents = header.split()
        time, offset = _parse_date(date)
        yield Version(commit, tuple(parents), Author(name, email), time, offset, message.rstrip("\n"))


def _parse_date(text: str) -> tuple[int, int]:
    said = _DATE.fullmatch(text)
    if said is None:
        return 0, 0
    offset = 0 if said[2] is None else int(said[3]) * 60 + int(said[4])
    return int(said[1]), -offset if said[2] == "-" else offset


def _is_one(rev: str) -> bool:
    # What git would take for an option, an exclusion or several commits is no revision.
    if not rev or rev[0] in "-^" or "\0" in rev:
        return False
    words = "" if rev.startswith(":/") else _SEARCH.sub("", rev)
    return ".." not in words and not words.endswith(_MANY) and not _MANY_PARENT.search(words)


def _not_found(git: GitCommand, rev: str) -> RevisionNotFound:
    if rev == "HEAD" and head(git) is None:
        return RevisionNotFound("there is no commit yet", hint="xver commit -m MESSAGE")
    digits = re.match(r"[0-9a-f]{4,}", rev)
    candidates = _candidates(git, digits[0]) if digits else []
    if len(candidates) > 1:
        shown = ", ".join(candidate[:12] for candidate in candidates[:_CANDIDATES])
        more = f" and {len(candidates) - _CANDIDATES} more" if len(candidates) > _CANDIDATES else ""
        return RevisionNotFound(f"{rev} is ambiguous: {shown}{more}", hint="give more digits of the one you mean")
    names = {name.split("/", 2)[2] for name in refs(git)}
    near = nearest(rev, sorted(names))
    return RevisionNotFound(
        f"no such revision: {rev!r}", hint=f"the nearest name is {near}" if near else "git log --oneline --all"
    )


def _candidates(git: GitCommand, digits: str) -> list[str]:
    ids = git.lines("rev-parse", f"--disambiguate={digits}", check=False)
    if len(ids) < 2:
        return ids
    asked = git.text("cat-file", "--batch-check=%(objecttype) %(objectname)", input="\n".join(ids) + "\n")
    return sorted(line.split(" ")[1] for line in asked.split("\n") if line.startswith("commit "))

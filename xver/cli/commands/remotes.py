"""The commands about remotes: which there are, where they lie, whether they can be trusted and used."""

from __future__ import annotations

import click

from xver.cli.command import Group
from xver.cli.human import duration, plural, size
from xver.cli.output import Output, Styled, pass_output
from xver.errors import AlreadyExists, Conflict, CorruptData, Locked, NotFound, StorageError, TransientStorageError
from xver.repo import open_repo
from xver.settings import EVERY_BRANCH, Remote

_SKEW = 5.0  # seconds, above which a clock is worth a word
_ENDPOINT = click.option(
    "--endpoint-url", default=None, metavar="URL", help="The server, where it is not the provider's own."
)


@click.group(cls=Group)
def remote() -> None:
    """List, add, check and remove remotes.

    A remote is a plain bucket or folder, and needs no server of ours: s3://bucket/prefix, gs://bucket/prefix,
    az://container/prefix, sftp://user@host/path, or the path of a folder.

    Examples:
      xver remote add origin s3://team-bucket/survey
      xver remote check
    """


@remote.command("add", exits=(AlreadyExists,))
@click.argument("name")
@click.argument("url")
@_ENDPOINT
@pass_output
def add(out: Output, name: str, url: str, endpoint_url: str | None) -> None:
    """Add a remote to xver.toml, and trust its address.

    Credentials stay out of it: they are those of aws, gcloud, az or ssh.

    Examples:
      xver remote add origin s3://team-bucket/survey
      xver remote add lab s3://data/survey --endpoint-url http://minio.lab:9000
      xver remote add azure az://data/survey --endpoint-url https://ourlab.blob.core.windows.net
      xver remote add home sftp://ada@server/srv/survey
    """
    from xver.sync import arranging

    out.note(f"Added {name}: {arranging.add(open_repo(), Remote(name, url, endpoint_url))}")


@remote.command("list")
@click.option("-v", "--verbose", is_flag=True, help="Also which is the default, and whether the address is trusted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def list_remotes(out: Output, verbose: bool, as_json: bool) -> None:
    """List the remotes of xver.toml.

    Examples:
      xver remote list
      xver remote list -v
    """
    from xver.sync.remotes import default_name
    from xver.sync.trust import is_trusted

    repo = open_repo()
    remotes = list(repo.settings.remotes.values())
    first = default_name(repo)
    chosen = repo.settings.default_remote
    defaults = {one.name: [branch for branch, name in chosen.items() if name == one.name] for one in remotes}
    if as_json:
        out.json(
            [
                {
                    "name": one.name,
                    "url": one.url,
                    "endpoint_url": one.endpoint_url,
                    "default": one.name == first,
                    "default_of": defaults[one.name],
                    "trusted": is_trusted(repo, one),
                }
                for one in remotes
            ]
        )
        return
    rows = []
    for one in remotes:
        words = ["default"] if one.name == first else []
        words += [f"default of {branch}" for branch in defaults[one.name] if branch != EVERY_BRANCH]
        words += [] if is_trusted(repo, one) else [f"not trusted: xver remote trust {one.name}"]
        rows.append((one.name, one.url, one.endpoint_url or "", *((", ".join(words),) if verbose else ())))
    out.table(rows)


@remote.command(
    "check",
    exits=(NotFound, Conflict, StorageError, TransientStorageError),
    no="One cannot fetch from there, or pushes at once could be lost.",
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_output
def check(out: Output, name: str | None, as_json: bool) -> int:
    """Try a remote out: who we are there, what we may do, how far away it is.

    Each right is tried once, and nothing is left behind. Somebody who may only read is told so, and that is fine.
    Ends with 1 when one cannot fetch from there, or two people who push at once could lose something.

    Examples:
      xver remote check
      xver remote check lab --json
    """
    from xver.sync.checking import check as examine
    from xver.sync.remotes import choose_remote

    repo = open_repo()
    remote = choose_remote(repo, name)
    found = examine(repo, remote)
    if as_json:
        rights = {"list": found.lists, "read": found.reads, "create": found.creates, "delete": found.deletes}
        out.json(
            {
                "name": remote.name,
                "url": found.url,
                "endpoint_url": remote.endpoint_url,
                "identity": found.identity,
                "rights": rights,
                "atomic_create": found.is_atomic,
                "round_trip": found.round_trip,
                "clock_skew": found.skew,
                "repository": found.repository,
                "same_repository": found.is_ours,
                "gone": found.is_gone,
                "ok": found.is_good,
            }
        )
        return 0 if found.is_good else 1

    def line(is_fine: bool | None, what: str, text: str) -> None:
        sign = Styled("ok  ", "good") if is_fine else Styled("fail", "bad") if is_fine is False else "    "
        out.line(sign, f"  {what:10}  {text}")

    line(None, "address", f"{found.url}{f' at {remote.endpoint_url}' if remote.endpoint_url else ''}")
    if found.identity is not None:
        line(None, "identity", found.identity)
    line(found.lists, "list", "yes" if found.lists else found.refusal or "no")
    line(found.reads, "read", {True: "yes", None: "nothing there to read yet"}.get(found.reads, found.refusal or "no"))
    if found.is_gone:
        line(False, "holds", "nothing: the store that was there is gone")
        out.note("Is it mounted, is the address right? If it is lost: xver remote set-url NAME URL, then xver push")
        return 1
    line(found.creates or None, "create", "yes" if found.creates else "no: read only")
    if found.creates:
        line(found.deletes or None, "delete", "yes" if found.deletes else "no: enough to push, not to collect")
        races = "one of several writers wins" if found.is_atomic else "several writers can win, so pushes could be lost"
        line(found.is_atomic, "races", races)
    line(None, "round trip", duration(found.round_trip))
    if found.skew is not None and abs(found.skew) > _SKEW:
        line(None, "clock", f"{abs(found.skew):.0f} s {'behind' if found.skew > 0 else 'ahead of'} the server's")
    if found.repository is None:
        line(None, "holds", "no repository yet: the first xver push makes it")
    else:
        which = "this" if found.is_ours else "another"
        line(found.is_ours, "holds", f"{which} repository, {found.repository}, format 1")
    return 0 if found.is_good else 1


@remote.command("trust", exits=(NotFound,))
@click.argument("name")
@pass_output
def trust(out: Output, name: str) -> None:
    """Trust the address that xver.toml gives to a remote now.

    Each clone remembers the addresses it has used. A branch that changes one is refused until this is typed.

    Examples:
      xver remote trust origin
    """
    from xver.sync import arranging
    from xver.sync.trust import where

    before, now = arranging.trust(open_repo(), name)
    if before is not None and where(before) != where(now):
        out.note(f"was {where(before)}")
    out.note(f"Trusted {name}: {where(now)}")


@remote.command("default", exits=(NotFound,))
@click.argument("name", required=False)
@click.option("-b", "--branch", default=None, metavar="NAME", help="Only for this branch.")
@click.option("--unset", is_flag=True, help="Have none any more.")
@pass_output
def default(out: Output, name: str | None, branch: str | None, unset: bool) -> None:
    """Say which remote is meant where none is named, for every branch or for one.

    It stands in xver.toml, for everybody. Without it, `origin` is meant, or the only remote there is. Without NAME, say
    which one it is.

    Examples:
      xver remote default backup
      xver remote default lab --branch experiments
      xver remote default --unset --branch experiments
    """
    from xver.errors import InvalidInput
    from xver.model.refs import parse_ref
    from xver.settings import set_default_remote
    from xver.sync.remotes import default_name

    repo = open_repo()
    if branch is not None:
        parse_ref(branch)
    if unset:
        if name is not None:
            raise InvalidInput("--unset takes no name of a remote", hint="xver remote default --unset")
        set_default_remote(repo.settings_path, None, branch or EVERY_BRANCH)
        out.note(f"No default any more for {branch or 'every branch'}")
    elif name is None:
        found = repo.settings.default_remote.get(branch) if branch is not None else default_name(repo)
        if found is None:
            raise NotFound("there is no default", hint="xver remote default NAME")
        out.line(found)
    else:
        set_default_remote(repo.settings_path, name, branch or EVERY_BRANCH)
        out.note(f"{name} is the remote of {branch or 'every branch that has none of its own'}")


@remote.command("rename", exits=(NotFound, AlreadyExists, Locked))
@click.argument("old")
@click.argument("new")
@pass_output
def rename(out: Output, old: str, new: str) -> None:
    """Give a remote another name, with all that is known of it here.

    Examples:
      xver remote rename origin archive
    """
    from xver.sync import arranging

    arranging.rename(open_repo(), old, new)
    out.note(f"Renamed {old} to {new}")


@remote.command("set-url", exits=(NotFound,))
@click.argument("name")
@click.argument("url")
@_ENDPOINT
@pass_output
def set_url(out: Output, name: str, url: str, endpoint_url: str | None) -> None:
    """Give a remote another address in xver.toml, and trust it.

    Examples:
      xver remote set-url origin s3://new-bucket/survey
    """
    from xver.sync import arranging

    out.note(f"{name} is now {arranging.set_url(open_repo(), name, url, endpoint_url)}")


@remote.command("move", exits=(NotFound, Conflict, CorruptData, StorageError))
@click.argument("name")
@click.argument("url")
@_ENDPOINT
@pass_output
def move(out: Output, name: str, url: str, endpoint_url: str | None) -> None:
    """Copy a remote whole to another address, and leave word at the old one.

    Every branch, tag, run and pack goes along, and clones go on where they were: who fetches from the old address is
    told the new one, and nobody can push there. What was begun goes on when it is run again. The old one keeps its
    data: delete it when everybody has followed.

    Examples:
      xver remote move origin s3://new-bucket/survey
    """
    from xver.sync.move import move as carry
    from xver.sync.remotes import choose_remote

    repo = open_repo()
    done = carry(repo, choose_remote(repo, name), url, endpoint_url=endpoint_url, meter=out.meter())
    out.note(f"Moved {name} to {done.url}  {plural(done.packs, 'pack')}  {size(done.size)} copied now")
    out.note("Commit xver.toml, so that others follow")


@remote.command("remove", exits=(NotFound, Conflict, Locked))
@click.argument("name")
@pass_output
def remove(out: Output, name: str) -> None:
    """Remove a remote from xver.toml, with all that is known of it here; what it holds stays.

    Refused while it alone keeps data that this clone has given up.

    Examples:
      xver remote remove origin
    """
    from xver.sync import arranging

    arranging.remove(open_repo(), name)
    out.note(f"Removed {name}")

"""Walk-throughs of pages, the README's first: typed for real, so that what they show is what happens.

`python -m tests.support.transcript` types them against a server of its own and writes what came out into the pages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import boto3

from tests.support import servers

README: Final = Path(__file__).parents[2] / "README.md"
BUCKET: Final = "team-bucket"
PAGES: Final = {
    README: "tests/e2e/test_readme.py",
    README.parent / "docs/beside-git.md": "tests/e2e/test_beside_git.py",
}
"""The pages with a block that is typed, and the test that does it."""
_MARK: Final = "<!-- typed for real by {} -->\n```console\n"
_END: Final = "```\n"
_SEPARATOR: Final = "\x1e"
_PROGRESS: Final = re.compile(r"^[A-Z][a-z ]+  (?:\d+%  )?\d.*/s(?:  .* left)?\n", re.MULTILINE)
"""What a machine prints that needs more than five seconds for something."""
# What differs from run to run and from machine to machine: ids, names of runs, numbers and their units.
_VARIABLE: Final = (
    (re.compile(r"\b[a-z]+-[a-z]+-\d\d\b"), "NAME"),
    (re.compile(r"\bb3:[0-9a-f]+|\b[0-9a-f]{40}\b"), "ID"),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{7}\b"), "ID"),
    (re.compile(r"\b\d[\d,.]*(?: (?:B|kB|MB|GB|ms|s|min))?\b"), "N"),
    (re.compile(r"\bN(?: min N)?\b"), "N"),
    (re.compile(r" +"), " "),
)


def walk_through(text: str, page: Path = README) -> str:
    """Return the block of a page that is typed."""
    mark = _MARK.format(PAGES[page])
    begin = text.index(mark) + len(mark)
    return text[begin : text.index(_END, begin)]


def commands(block: str) -> list[str]:
    """Return the commands of a block: the lines behind `$ `, joined with those that continue them."""
    found = []
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            found.append(command)
    return found


def type_in(block: str, folder: Path, environment: Mapping[str, str], *, seconds: float = 150) -> str:
    """Type a block's commands into one shell, in `folder`, the user's home; return the block with what came out.

    Raises `AssertionError` where a command fails.
    """
    script = "".join(
        f"printf '{_SEPARATOR}'\n{command}\n[ $? = 0 ] || {{ echo 'command {number} failed'; exit 1; }}\n"
        for number, command in enumerate(commands(block), 1)
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    outputs = map(without_progress, done.stdout.replace(os.fspath(folder), "~").split(_SEPARATOR)[1:])
    return "".join(f"$ {command}\n{output}" for command, output in zip(commands(block), outputs, strict=True))


def without_progress(text: str) -> str:
    """Return what was printed without the lines of progress, of which a fast machine prints none."""
    return _PROGRESS.sub("", text)


def shape(text: str) -> list[str]:
    """Return the lines of a transcript without what differs from run to run."""
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def environment(server: servers.Server, home: Path) -> dict[str, str]:
    """Return the environment of a person who has xver installed, git set up, and the keys of a bucket."""
    home.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n", encoding="utf-8"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GIT_", "XVER_"))}
    return {
        **kept,
        **server.environment,
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "HOME": os.fspath(home),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "PYTHONUTF8": "1",
    }


def make_bucket(server: servers.Server) -> None:
    """Make the bucket that the README shares through."""
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)


def main() -> None:
    """Write what the commands print today into the pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        block = walk_through(text, page)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with servers.seaweedfs(folder / "server") as server:
                make_bucket(server)
                fresh = type_in(block, folder / "home", environment(server, folder / "home"))
        page.write_text(text.replace(block, fresh), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

"""What DVC leaves out, by `.dvcignore` in any folder, said in the one `.xverignore` at the top.

    .dvcignore        *.tmp        ─► *.tmp
    data/.dvcignore   *.tmp        ─► /data/**/*.tmp
    data/.dvcignore   /raw/*.log   ─► /data/raw/*.log

It is copied once: what is written into either later is that tool's alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from xver.errors import InvalidInput
from xver.git.commit import stage
from xver.intake.trees import DiskTree, Tree
from xver.repo import Repo
from xver.worktree.folders import refusals
from xver.worktree.ignore import NAME as IGNORE_NAME

_NAME: Final = ".dvcignore"
_ESCAPED: Final = r"\\\g<0>"
_SPECIAL: Final = re.compile(r"[*?\[\\]")


def take_rules(repo: Repo) -> tuple[int, int]:
    """Write the rules of DVC's into `.xverignore`, unless there is one; return how many it has now, and how many not.

    Beside git it is staged, as `xver.lock` is.

    Raises:
        CommandFailed: git cannot.
        InvalidInput: a file of rules is not UTF-8.
        StorageError: the disk refuses.
    """
    rules = list(_rules(DiskTree(repo.root, repo.git)))
    target = repo.root / IGNORE_NAME
    if target.exists():
        known = frozenset(target.read_text(encoding="utf-8", errors="replace").splitlines())
        return 0, sum(rule not in known for rule in rules)
    if rules:
        with refusals(str(target)):
            target.write_text("".join(f"{rule}\n" for rule in rules), encoding="utf-8", newline="\n")
        if repo.git is not None:
            stage(repo.git, [IGNORE_NAME])
    return len(rules), 0


def _rules(tree: Tree) -> Iterator[str]:
    """Yield the rules of all folders, those further down after those above, which they may take back."""
    places = [path for path in tree.items if posixpath.basename(path) == _NAME]
    for path in sorted(places, key=lambda path: (path.count("/"), path)):
        try:
            lines = tree.read(path).decode().splitlines()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{path} is not UTF-8") from error
        yield from (_from_top(posixpath.dirname(path), line) for line in lines if line.strip() and line[0] != "#")


def _from_top(folder: str, rule: str) -> str:
    if not folder:
        return rule
    takes_back = "!" if rule.startswith("!") else ""
    rule = rule.removeprefix("!")
    # A slash but at the end binds a rule to its folder.
    between = "/" if "/" in rule.rstrip()[:-1] else "/**/"
    return f"{takes_back}/{_SPECIAL.sub(_ESCAPED, folder)}{between}{rule.removeprefix('/')}"

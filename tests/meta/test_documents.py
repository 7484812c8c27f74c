"""What the pages promise: code that parses, commands that exist, links that lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from xver.cli.app import COMMANDS

from .sources import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LANGUAGES = {"bash", "console", "diff", "ini", "json", "python", "sql", "text", "toml", "yaml"}
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\S*)[^\n]*\n(?P<code>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
# "$ xver -q add data", also behind "cd x && "; a template such as "xver COMMAND" is none.
_CALL = re.compile(r"(?:^\$ |&& |\| )xver((?: (?:-C \S+|--?[a-zA-Z][\w-]*))*)(?: ([a-z][\w-]*))?", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield language and code of each fenced block."""
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        yield match["language"], match["code"]


def called(code: str) -> list[str]:
    """Return the commands of xver that a console block types."""
    return [command for _, command in _CALL.findall(code) if command]


def test_what_is_found_in_a_block() -> None:
    code = (
        "$ xver init\n$ xver -C data --debug add x && xver commit -m 'xver lies'\nxver out\n$ ls | xver ls\n$ xver -h\n"
    )
    assert called(code) == ["init", "add", "commit", "ls"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(list(blocks(page))), "every block is closed"
    for language, code in blocks(page):
        assert language in LANGUAGES, f"a block says what it is: {language!r}"
        if language == "python":
            ast.parse(code)
        if language == "console":
            assert [command for command in called(code) if command not in COMMANDS] == []
    for target in _LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{target} is linked to and does not exist"

"""Parameters of a run: those given, those that stand in the command, those in files of parameters that it read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from xver.errors import InvalidInput
from xver.model.runs import Scalar
from xver.provenance.secrets import MASK, is_secret_name, mask

FILES: Final = ("params.json", "params.toml", "params.yaml", "params.yml")
"""The files of parameters that are known by their names, at the root of the work tree."""

_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*")
_OPTION: Final = re.compile(r"--([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_FILE_MAX: Final = 1_000_000


def parse_parameters(words: Sequence[str]) -> dict[str, Scalar]:
    """Parse `lr=0.01` and the like; values are numbers, true, false and null where they read as such, else text.

    Raises:
        InvalidInput: a word without `=`, or with a name that is none.
    """
    found: dict[str, Scalar] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise InvalidInput(f"no parameter: {word!r}", hint="xver run -p lr=0.01 -- python train.py --lr {lr}")
        found[name] = parse_scalar(text)
    return found


def parse_scalar(text: str) -> Scalar:
    """Return the number, truth value or null that `text` writes, or the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, dict | list | str) else value


def fill_in(command: Sequence[str], words: Sequence[str]) -> tuple[list[str], set[str]]:
    """Return the command with `{lr}` replaced by what was typed for `lr`, and the names that stood in it."""
    texts = {name: text for name, _, text in (word.partition("=") for word in words)}
    used: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in texts:
            return match[0]
        used.add(name)
        return texts[name]

    return [re.sub(r"\{([A-Za-z_][\w.-]*)\}", replace, word) for word in command], used


def in_command(command: Sequence[str]) -> dict[str, Scalar]:
    """Return the parameters that stand in a command: `--lr 0.01`, `--lr=0.01`, and `--fast` as true."""
    found: dict[str, Scalar] = {}
    words = list(command[1:])
    while words:
        match = _OPTION.fullmatch(words.pop(0))
        if match is None:
            continue
        name, text = match[1], match[2]
        if text is None and words and not words[0].startswith("--"):
            text = words.pop(0)
        found[name] = True if text is None else parse_scalar(text)
    return found


def in_file(path: Path) -> dict[str, Scalar]:
    """Return the parameters in a file of parameters, nested ones as dotted names; nothing for what cannot be read."""
    try:
        if path.stat().st_size > _FILE_MAX:
            return {}
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            value = json.loads(text)
        elif path.suffix == ".toml":
            value = tomllib.loads(text)
        else:
            value = _yaml(text)
        return flatten(value) if isinstance(value, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def flatten(values: Mapping[Any, Any], prefix: str = "") -> dict[str, Scalar]:
    """Return nested values as dotted names; lists, dates and whatever else is no scalar as JSON or plain text."""
    flat: dict[str, Scalar] = {}
    for name, value in values.items():
        match value:
            case dict():
                flat |= flatten(value, f"{prefix}{name}.")
            case None | bool() | int() | float() | str():
                flat[f"{prefix}{name}"] = value
            case _:
                flat[f"{prefix}{name}"] = _plain(value)
    return flat


def mask_parameters(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return parameters without secrets: values of those that are called so, and what looks like one in others."""
    return {name: _masked(name, value) for name, value in params.items()}


def _masked(name: str, value: Scalar) -> Scalar:
    if is_secret_name(name.rpartition(".")[2]):
        return MASK
    return mask(value) if isinstance(value, str) else value


def _plain(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        # Names that JSON has not, as a date of YAML's, or a list that holds itself.
        return str(value)


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        # Whoever's program reads YAML has it where the program runs, which need not be here.
        return None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None

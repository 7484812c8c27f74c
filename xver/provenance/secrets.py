"""Hide what looks like a secret before it is recorded: values named so, known forms of keys, passwords in addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MASK: Final = "***"
_NAME: Final = r"(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)"
_NAMED: Final = re.compile(rf"(?i)\b([\w.-]*{_NAME}[\w.-]*\s*[=:]\s*[\"']?)([^\s\"',;&]+)")
_FORMS: Final = re.compile(
    r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS access keys
    r"|gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"
    r"|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abpors]-[A-Za-z0-9-]{10,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"  # JSON web tokens
)
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@")
_OPTION: Final = re.compile(rf"(?i)--?[\w-]*{_NAME}[\w-]*")


def is_secret_name(name: str) -> bool:
    """Tell whether a parameter of this name is one whose value must not be kept."""
    return re.search(rf"(?i)(?:^|[_.-]){_NAME}(?:$|[_.-])", name) is not None


def mask(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced by `***`."""
    text = _ADDRESS.sub(rf"\1{MASK}@", text)
    return _FORMS.sub(MASK, _NAMED.sub(rf"\1{MASK}", text))


def mask_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command without its secrets, also those that stand behind an option such as `--api-key`."""
    masked: list[str] = []
    is_value = False
    for word in arguments:
        masked.append(MASK if is_value and not word.startswith("-") else mask(word))
        is_value = _OPTION.fullmatch(word) is not None
    return tuple(masked)


def mask_bytes(data: bytes) -> bytes:
    """Return a patch without its secrets; every byte that is no text stays as it is."""
    return _BYTES_FORMS.sub(MASK.encode(), _BYTES_ADDRESS.sub(rb"\1***@", data))


_BYTES_FORMS: Final = re.compile(_FORMS.pattern.encode())
_BYTES_ADDRESS: Final = re.compile(_ADDRESS.pattern.encode())

"""Hide what looks like a secret before it is recorded: values named so, known forms of keys, passwords in addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MASK: Final = "***"
# Every repetition has an end or cannot start twice in one word: a patch has lines of megabytes.
# Some words are secret wherever they stand in a name. A token is one only at its end and alone: counts of tokens and
# the special tokens of vocabularies are everyday parameters.
_NAME: Final = re.compile(
    r"(?i)passw(?:or)?d|passphrase|secret|api[-_]?key|access[-_]?key|private[-_]?key|credential|(?:^|[_.-])pass$"
    r"|(?<!bos_)(?<!eos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!mask_)(?<!special_)token$"
)
_NAMED: Final = re.compile(r"(?<![\w.-])([\w.-]{1,128})[\"']?\s{0,8}[=:]\s{0,8}[\"']?")
_VALUE: Final = re.compile(r"[^\s\"',;&]+")
_HEADER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_FORMS: Final = re.compile(
    r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS access keys
    r"|gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"
    r"|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abpors]-[A-Za-z0-9-]{10,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|eyJ[A-Za-z0-9_-]{10,999}\.[A-Za-z0-9_-]{10,2999}\.[A-Za-z0-9_-]{10,})"  # JSON web tokens
)
_ADDRESS: Final = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,31}://)[^/\s:@]{0,256}:[^/\s@]{1,512}@")


def is_secret_name(name: str) -> bool:
    """Tell whether a parameter of this name is one whose value must not be kept."""
    return _NAME.search(name) is not None


def mask(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced by `***`."""
    parts = []
    done = 0
    for named in _NAMED.finditer(text):
        value = _VALUE.match(text, named.end()) if named.start() >= done and is_secret_name(named[1]) else None
        if value is not None:
            parts += [text[done : named.end()], MASK]
            done = value.end()
    text = "".join([*parts, text[done:]])
    return _FORMS.sub(MASK, _ADDRESS.sub(rf"\1{MASK}@", _HEADER.sub(rf"\1 {MASK}", text)))


def mask_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command without its secrets, also those that stand behind an option such as `--api-key`."""
    masked: list[str] = []
    is_value = False
    for word in arguments:
        masked.append(MASK if is_value and not word.startswith("-") else mask(word))
        is_value = word.startswith("-") and is_secret_name(word)
    return tuple(masked)


def mask_bytes(data: bytes) -> bytes:
    """Return a patch without its secrets; every byte that is no text stays as it is."""
    return _BYTES_FORMS.sub(MASK.encode(), _BYTES_ADDRESS.sub(rb"\1***@", data))


_BYTES_FORMS: Final = re.compile(_FORMS.pattern.encode())
_BYTES_ADDRESS: Final = re.compile(_ADDRESS.pattern.encode())


def mask_address(uri: str) -> str:
    """Return an address without its secrets, also those by which a server has signed it for whoever holds it."""
    return mask(_SIGNED.sub(rf"\1{MASK}", uri))


_SIGNED: Final = re.compile(r"(?i)([?&;](?:sig|[\w-]{0,64}signature|[\w-]{0,64}credential)=)[^&;#\s]+")

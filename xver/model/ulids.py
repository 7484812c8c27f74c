"""Ids of runs, and the names people call them by.

A ULID (github.com/ulid/spec) is 48 bits of milliseconds since 1970 and 80 random bits in 26 characters of Crockford's
base 32, so ids sort by time and need no one to hand them out. A run's name is a pure function of the random bits:
every machine calls the run the same, and nobody has to look the name up to know it.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from xver.errors import InvalidInput

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH: Final = 26
_RANDOM_BITS: Final = 80
_RANDOM_MASK: Final = (1 << _RANDOM_BITS) - 1
_STEP_BYTES: Final = 8

_ADJECTIVES: Final = """
    able agile airy alert amber ample apt arctic ardent autumn azure balmy blithe bold brave breezy bright brisk bronze
    calm candid cheery chief civil classic clear clever coastal cobalt copper coral cordial cosmic cozy crisp curious
    dapper daring deft dewy eager early earnest easy elated epic fair fancy festive fleet fluent fond fresh frosty
    gallant gentle gilded glad gleaming golden grand green hardy hazel hearty honest humble ivory jade jaunty jolly
    jovial keen kind lively loyal lucid lucky lunar lush mellow merry mighty mild mossy neat nimble noble novel oaken
    olive opal patient placid playful polar polite prime proud quick quiet rapid ready regal rosy royal ruby rustic
    serene sharp silver sleek smooth snowy solar spry stellar sturdy sunny swift teal tidy tranquil vivid
    warm wise witty zesty
""".split()  # noqa: SIM905  lines of words, not of punctuation
_NOUNS: Final = """
    acorn alder alpaca antler aspen avocet badger bamboo beaver beech birch bison bittern bobcat brook buzzard canyon
    caribou cedar cheetah clover comet condor cormorant coyote crane cricket curlew cypress dingo dolphin dove dunlin
    eagle egret elk elm ermine falcon fennel fern ferret finch fjord fox gannet gazelle gecko glacier godwit goshawk
    grebe grouse gull harbor hare harrier hawk hazelnut hedgehog heron hickory hoopoe ibex ibis iguana jackdaw jay
    juniper kestrel kingfisher kite koala lagoon lapwing larch lark lemur linden linnet llama lotus lynx magnolia
    magpie manatee maple marlin marmot marten martin meadow merlin moose narwhal nuthatch oak ocelot oriole osprey
    otter owl panda pelican penguin petrel pine plover puffin quail quokka rabbit raven river robin salmon sandpiper
    sequoia siskin sparrow spruce stork swallow swan tapir teasel tern thrush
""".split()  # noqa: SIM905  lines of words, not of punctuation


class _Clock:
    """The last id made, so that the next is larger even in the same millisecond or after the clock went back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        now = time.time_ns() // 1_000_000
        fresh = now << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8), "big")
        with self._lock:
            if fresh <= self._last:
                # A random step, not 1: names come from these bits and shall not look alike; a carry runs into the time.
                fresh = self._last + 1 + int.from_bytes(os.urandom(_STEP_BYTES), "big")
            self._last = fresh
        return fresh


_clock = _Clock()


def _forget_parent() -> None:
    # The fork may have copied the lock while another thread of the parent held it: nobody would release it here.
    global _clock  # noqa: PLW0603  the one state of this module
    _clock = _Clock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def new_ulid() -> str:
    """Return a new ULID, larger than every one this process made before."""
    value = _clock.next()
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def is_ulid(text: str) -> bool:
    """Tell whether `text` is a ULID as `new_ulid` writes them: 26 upper-case characters, at most 128 bits."""
    return len(text) == _LENGTH and text[0] <= "7" and all(character in _VALUES for character in text)


def begun_at(ulid: str) -> float:
    """Return when a ULID was made, in seconds since 1970; raises `InvalidInput` for other text."""
    return (_value(ulid) >> _RANDOM_BITS) / 1000


def run_name(ulid: str) -> str:
    """Return what people call the run, as `brisk-heron-17`: one of 1,638,400; raises `InvalidInput` for other text."""
    rest, number = divmod(_value(ulid) & _RANDOM_MASK, 100)
    rest, noun = divmod(rest, len(_NOUNS))
    return f"{_ADJECTIVES[rest % len(_ADJECTIVES)]}-{_NOUNS[noun]}-{number:02}"


def _value(ulid: str) -> int:
    if not is_ulid(ulid):
        raise InvalidInput(f"{ulid[:80]!r} is no ULID: 26 characters of 0-9 and A-Z without I, L, O, U")
    value = 0
    for character in ulid:
        value = value << 5 | _VALUES[character]
    return value

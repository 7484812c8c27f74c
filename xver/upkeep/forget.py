"""Forget versions and runs: their records stay, and a later `gc` takes their data (decision 016). Deletes nothing.

What a clone evicted may lie at the remote alone, so it is forgotten there only where somebody says so (decision 035).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xver.errors import Conflict, RefConflict
from xver.history.bounds import forgotten_ref
from xver.model.refs import EVICTED, HEADS, KEPT, TAGS, Target, TargetKind
from xver.settings import Retention
from xver.store.log import Change, Log
from xver.store.store import Store
from xver.upkeep.past import History, Past
from xver.upkeep.retention import Moment, chosen


@dataclass(frozen=True, slots=True)
class Rule:
    """What to forget: what every given condition holds for. `before` is in seconds since 1970.

    `takes_evicted`: also what clones evicted.
    """

    before: int | None = None
    is_not_in_git: bool = False
    retention: Retention | None = None
    takes_evicted: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be forgotten, what a rule would take and somebody needs, and how many others there are."""

    forget: tuple[Past, ...]
    spared: tuple[Past, ...] = ()
    left: int = 0


def plan_by_name(past: Mapping[str, Past], labels: Iterable[str], *, takes_evicted: bool = False) -> Plan:
    """Plan to forget what was named, whatever tip needs it.

    Raises:
        Conflict: a clone evicted one of them, and `takes_evicted` is not set.
    """
    named = [past[label] for label in dict.fromkeys(labels)]
    evicted = [one for one in named if one.evicted]
    if evicted and not takes_evicted:
        shown = ", ".join(one.label[:7] for one in evicted[:5]) + (", …" if len(evicted) > 5 else "")
        raise Conflict(
            f"{evicted[0].evicted} evicted {shown}: there may be no other copy, so nothing was forgotten",
            hint="with --evicted it is forgotten all the same",
        )
    return Plan(tuple(named), (), len(past) - len(named))


def plan_by_rule(history: History, rule: Rule) -> Plan:
    """Plan to forget versions: those that no tip needs, and that no clone evicted.

    A retention table is asked of each branch for itself, and of all that is in no branch together.
    """
    past = history.versions
    kept: set[str] = set()
    if rule.retention is not None:
        loose = tuple(past.keys() - {label for branch in history.branches for label in branch})
        for branch in (*history.branches, loose):
            versions = (past[label] for label in branch if label in past)
            kept |= chosen((Moment(one.label, one.time, one.offset) for one in versions), rule.retention)
    tags_count = rule.retention is None or rule.retention.keep_tags
    return _plan([one for one in past.values() if one.label not in kept], len(past), rule, tags_count=tags_count)


def plan_runs(past: Mapping[str, Past], rule: Rule) -> Plan:
    """Plan to forget runs: those that made nothing that a tip has."""
    return _plan(list(past.values()), len(past), rule, tags_count=True)


def forget(store: Store, plan: Plan, kind: TargetKind, *, by_rule: bool, takes_evicted: bool = False) -> int:
    """Do what was planned, in one entry of the log; return its number.

    Raises:
        Conflict: somebody gave a branch or tag to what a rule would take meanwhile, or evicted something; nothing was
            changed.
    """
    targets = [Target(kind, one.object) for one in plan.forget if one.object is not None]
    taken = {target.id for target in targets}
    before, pins = _below(store.log, HEADS, TAGS), _below(store.log, EVICTED)

    def check(log: Log) -> None:
        if by_rule and (_below(log, HEADS, TAGS) - before) & taken:
            raise Conflict("somebody named one of these versions meanwhile", hint="run it again")
        if kind is TargetKind.SNAPSHOT and not takes_evicted and _below(log, EVICTED) - pins:
            raise Conflict("a clone evicted something meanwhile, perhaps of these versions", hint="run it again")

    while True:
        refs: dict[str, tuple[Target | None, Target | None]] = {
            forgotten_ref(one): (store.log.refs.get(forgotten_ref(one)), one) for one in targets
        }
        if kind is TargetKind.RUN:
            kept = [KEPT + one.label for one in plan.forget]
            refs |= {name: (store.log.refs[name], None) for name in kept if name in store.log.refs}
        changes = {name: pair for name, pair in refs.items() if pair[0] != pair[1]}
        if not changes:
            return store.log.n - 1
        try:
            return store.commit(Change(f"forget {len(targets)} {kind}s", refs=changes), check=check)
        except RefConflict:
            continue


def _below(log: Log, *prefixes: str) -> set[bytes]:
    return {target.id for name, target in log.refs.items() if name.startswith(prefixes)}


def _plan(past: list[Past], count: int, rule: Rule, *, tags_count: bool) -> Plan:
    taken = [
        one
        for one in past
        if (rule.before is None or one.time < rule.before) and not (rule.is_not_in_git and one.is_in_git)
    ]
    taken.sort(key=lambda one: -one.time)  # of one second what descends comes first, as it was found first
    needed = [bool(one.needed or (tags_count and one.tag) or (one.evicted and not rule.takes_evicted)) for one in taken]
    forgotten = tuple(one for one, is_needed in zip(taken, needed, strict=True) if not is_needed)
    spared = tuple(one for one, is_needed in zip(taken, needed, strict=True) if is_needed)
    return Plan(forgotten, spared, count - len(forgotten))

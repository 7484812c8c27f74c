"""Two runs side by side: what differs in parameters, metrics, code, environment and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xver.model.runs import Input, Run, Scalar, State


@dataclass(frozen=True, slots=True)
class Differs:
    """One thing that two runs have otherwise; None where one of them does not have it."""

    name: str
    before: Scalar
    after: Scalar


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two runs. Data and outputs are told by path with the ids (hex) that lay there.

    `comparable` is False when both have metrics and did not use the same data: a better figure then proves nothing.
    """

    params: tuple[Differs, ...]
    metrics: tuple[Differs, ...]
    data: tuple[Differs, ...]
    outputs: tuple[Differs, ...]
    code: tuple[Differs, ...]
    environment: tuple[Differs, ...]
    packages: tuple[Differs, ...]

    @property
    def comparable(self) -> bool:
        """Tell whether the metrics of the two may be ranked."""
        measured = any(one.before is not None and one.after is not None for one in self.metrics)
        return not (measured and self.data)

    @property
    def is_equal(self) -> bool:
        """Tell whether nothing differs."""
        return not any((self.params, self.metrics, self.data, self.outputs, self.code, self.environment, self.packages))


def compare(one: Run, other: Run) -> Comparison:
    """Return what `other` has otherwise than `one`."""
    return Comparison(
        params=_differing(one.params, other.params),
        metrics=_differing(_last(one), _last(other)),
        data=_differing(_data(one), _data(other)),
        outputs=_differing(_outputs(one), _outputs(other)),
        code=_differing(_code(one), _code(other)),
        environment=_differing(one.environment, other.environment),
        packages=_differing(one.packages, other.packages),
    )


def _differing(one: Mapping[str, Scalar], other: Mapping[str, Scalar]) -> tuple[Differs, ...]:
    return tuple(
        Differs(name, one.get(name), other.get(name))
        for name in sorted({*one, *other})
        # Repr tells 1 from True and lets NaN equal itself.
        if repr(one.get(name)) != repr(other.get(name)) or (name in one) != (name in other)
    )


def _last(run: Run) -> dict[str, Scalar]:
    return {name: metric.last for name, metric in run.metrics.items()}


def _data(run: Run) -> dict[str, Scalar]:
    return {used.path: _version(run, used) for used in run.inputs if used.role == "data"}


def _version(run: Run, used: Input) -> str:
    """Return what tells an input from another: its id; what is not known for certain equals nothing else."""
    if used.id is None or used.state is State.CHANGED:
        return f"not known ({run.name})"
    if used.members is not None and used.read != used.files:
        return f"{used.id.hex()} ({used.read} of {used.files} files, {used.members.id.hex()[:8]})"
    return used.id.hex()


def _outputs(run: Run) -> dict[str, Scalar]:
    return {made.path: made.id.hex() for made in run.outputs}


def _code(run: Run) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {path: one.id.hex() for path, one in run.code.files.items()}
    found |= {used.path: _version(run, used) for used in run.inputs if used.role == "code"}
    if run.code.commit is not None:
        found["git commit"] = run.code.commit
    if run.code.patch is not None:
        found["uncommitted changes"] = run.code.patch.id.hex()
    return found

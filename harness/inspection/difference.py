"""Two runs side by side: in what they differ, and the first step at which their losses part.

"The same seed and another number" has a cause among what is compared here: a setting, a version, a
machine, the data, the code. Losses are compared bit for bit, at every step that both have.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

from harness.inspection.listing import finite
from harness.spec.metrics import TRAIN_LOSS, check_metric
from harness.tracking import keys
from harness.tracking.environment import CODE, ENVIRONMENT, Fact, facts_of
from harness.tracking.read import StoredRun, dataset_of, find_runs, history
from harness.tracking.resolve import choose_run
from harness.tracking.store import Store

MADE = {"engine": Fact(keys.ENGINE, "engine"), **ENVIRONMENT}

Pair = tuple[str | None, str | None]


@dataclasses.dataclass(frozen=True)
class Parting:
    """How two curves of a metric compare over the steps that both have.

    ``first_step`` is the first at which they differ in any bit, with the values there; None where
    they agree. ``last_equal`` is the step before it. ``num_a`` and ``num_b`` are the curves' steps.
    """

    metric: str
    num_a: int
    num_b: int
    num_common: int
    first_step: int | None = None
    last_equal: int | None = None
    a: float | None = None
    b: float | None = None


@dataclasses.dataclass(frozen=True)
class Difference:
    """What differs between the runs ``a`` and ``b``: by name, the two values; None where absent."""

    a: StoredRun
    b: StoredRun
    settings: Mapping[str, Pair]
    environment: Mapping[str, Pair]
    data: Mapping[str, Pair]
    code: Mapping[str, Pair]
    parting: Parting

    @property
    def same_fingerprint(self) -> bool:
        """Whether what decides the numbers was the same; groups and searches have none."""
        return self.a.fingerprint is not None and self.a.fingerprint == self.b.fingerprint

    def to_json(self) -> dict[str, Any]:
        """As `diff --json` prints it."""
        parts = ("settings", "environment", "data", "code")
        parting = dataclasses.asdict(self.parting)
        return {
            **{side: _named(run) for side, run in (("a", self.a), ("b", self.b))},
            "same_fingerprint": self.same_fingerprint,
            **{
                part: {path: {"a": a, "b": b} for path, (a, b) in getattr(self, part).items()}
                for part in parts
            },
            "curves": {
                "metric": self.parting.metric,
                "n_steps_a": self.parting.num_a,
                "n_steps_b": self.parting.num_b,
                "n_common_steps": self.parting.num_common,
                "first_different_step": self.parting.first_step,
                "last_equal_step": self.parting.last_equal,
                **{side: finite(parting[side]) for side in ("a", "b")},
            },
        }


def difference(store: Store, a: str, b: str, metric: str = TRAIN_LOSS) -> Difference:
    """In what the runs named ``a`` and ``b`` differ.

    Raises UsageError for a name that no run bears, and for a metric that neither run has.
    """
    runs = find_runs(store)
    one, other = choose_run(runs, a), choose_run(runs, b)
    check_metric(metric, [*one.metrics, *other.metrics], nobody="neither run has the metric")
    return Difference(
        one,
        other,
        settings=_differing(one.params, other.params),
        environment=_differing(facts_of(one.tags, MADE), facts_of(other.tags, MADE)),
        data=_differing(_data(store, one), _data(store, other)),
        code=_differing(facts_of(one.tags, CODE), facts_of(other.tags, CODE)),
        parting=compare_curves(
            metric, history(store, one.run_id, metric), history(store, other.run_id, metric)
        ),
    )


def compare_curves(metric: str, a: Mapping[int, float], b: Mapping[int, float]) -> Parting:
    """Where two curves, values by step, part; equal means equal in every bit."""
    common = sorted(a.keys() & b.keys())
    last = None
    for step in common:
        if _bits(a[step]) != _bits(b[step]):
            return Parting(metric, len(a), len(b), len(common), step, last, a[step], b[step])
        last = step
    return Parting(metric, len(a), len(b), len(common), last_equal=last)


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


def _differing(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, Pair]:
    return {
        path: (a.get(path), b.get(path))
        for path in dict.fromkeys([*a, *b])
        if a.get(path) != b.get(path)
    }


def _data(store: Store, run: StoredRun) -> dict[str, str]:
    dataset = dataset_of(store, run.run_id)
    return dataclasses.asdict(dataset) if dataset else {}


def _named(run: StoredRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "sweep": run.sweep,
        "run_id": run.run_id,
        "status": run.state,
        "engine": run.engine,
        "fingerprint": run.fingerprint,
    }

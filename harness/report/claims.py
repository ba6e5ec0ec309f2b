"""Whether claims hold, decided from what the store recorded.

A missing or non-finite value does not hold. A claim is left undecided (`holds` None) when `--set`
made its step unreachable, or when it refers to a run that this call did not select and that the
store does not have.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from harness.report.statistics import t_interval
from harness.spec.evaluations import Evaluations
from harness.spec.expectations import Claim, Place, Reference
from harness.spec.metrics import METRICS
from harness.spec.pairing import partner
from harness.spec.reductions import reduced
from harness.spec.sweep_file import DeclaredRun, Experiment

Curve = Mapping[int, float]
CurveOf = Callable[[DeclaredRun, str], Curve | None]
"""A run's values of a metric by step; None for a run that was not selected and never recorded."""


@dataclasses.dataclass(frozen=True)
class ClaimResult:
    """A claim on one run: whether it holds, the value seen, and what to say besides."""

    text: str
    holds: bool | None
    observed: float | None
    detail: str = ""
    group: str = ""  # the group of seeds that a claim over their mean is about


def check_claims(
    experiment: Experiment,
    experiments: Mapping[str, Experiment],
    curve_of: CurveOf,
    runs: Sequence[DeclaredRun],
) -> dict[str, tuple[ClaimResult, ...]]:
    """The results of an experiment's claims on some of its runs, by run name.

    A claim over the mean of seeds has one result a group, shown at each of its runs.
    """
    results: dict[str, list[ClaimResult]] = {run.name: [] for run in runs}
    for claim in experiment.claims:
        check = _Check(claim, experiments, curve_of)
        if claim.over_mean:
            for members in _groups(experiment).values():
                result = dataclasses.replace(check.group(members), group=members[0].group)
                for run in members:
                    results.get(run.name, []).append(result)
        else:
            for run in runs:
                results[run.name].append(check.run(run))
    return {name: tuple(found) for name, found in results.items()}


def _groups(experiment: Experiment) -> dict[str, list[DeclaredRun]]:
    groups: dict[str, list[DeclaredRun]] = {}
    for run in experiment.runs:
        groups.setdefault(run.group, []).append(run)
    return groups


class _Undecided(Exception):
    """Nothing can be said; the argument says why."""


@dataclasses.dataclass(frozen=True)
class _Check:
    claim: Claim
    experiments: Mapping[str, Experiment]
    curve_of: CurveOf

    def run(self, run: DeclaredRun) -> ClaimResult:
        """The claim on one run."""
        try:
            if self.claim.relation == "same_as":
                return self._same_as(run)
            value, references = self._values(run)
        except _Undecided as why:
            return ClaimResult(self.claim.text, None, None, str(why))
        if value is None or None in references:
            return ClaimResult(self.claim.text, False, value, "a value is missing")
        known = [r for r in references if r is not None]
        detail = f"compared with {known[0]:.6g}" if self._refers else ""
        return ClaimResult(self.claim.text, self._holds(value, value, known), value, detail)

    @property
    def _refers(self) -> bool:
        """Whether the claim compares with something that was measured."""
        return any(reference.number is None for reference in self.claim.references)

    def group(self, members: Sequence[DeclaredRun]) -> ClaimResult:
        """The claim on the mean over a group's seeds: it holds when the whole interval does.

        Compared with another experiment, the interval is that of the difference paired by seed.
        """
        try:
            found = [self._values(run) for run in members]
        except _Undecided as why:
            return ClaimResult(self.claim.text, None, None, str(why))
        values = [value for value, _ in found if value is not None]
        rows = [[r for r in references if r is not None] for _, references in found]
        width = len(self.claim.references)
        if len(values) < len(found) or any(len(row) < width for row in rows):
            return ClaimResult(self.claim.text, False, None, "a value is missing")
        if len(values) < 2:
            return ClaimResult(self.claim.text, False, values[0], "needs at least 2 seeds")
        return self._interval_holds(values, rows)

    def _interval_holds(
        self, values: Sequence[float], rows: Sequence[Sequence[float]]
    ) -> ClaimResult:
        centres = [statistics.fmean(column) for column in zip(*rows, strict=True)]
        differences = [v - row[0] for v, row in zip(values, rows, strict=True)]
        spread = t_interval(differences)
        low, high = spread.low + centres[0], spread.high + centres[0]
        mean = statistics.fmean(values)
        detail = f"n = {len(values)}, 95 % interval {low:.4g} to {high:.4g}"
        if self._refers:
            between = f"{spread.low:.4g} to {spread.high:.4g}"
            detail = (
                f"compared with {centres[0]:.6g}; difference {spread.mean:.4g}, 95 % interval "
                f"{between}, paired by seed, n = {len(values)}"
            )
        return ClaimResult(self.claim.text, self._holds(low, high, centres), mean, detail)

    def _holds(self, low: float, high: float, references: Sequence[float]) -> bool:
        """Whether everything from low to high satisfies the relation."""
        claim, first = self.claim, references[0]
        if claim.relation == "equals":
            return low == first == high
        if claim.relation == "below":
            return high < first
        if claim.relation == "above":
            return low > first
        if claim.relation == "between":
            return first <= low and high <= references[1]
        tolerance = claim.tolerance_abs
        if tolerance is None:
            assert claim.tolerance_rel is not None
            tolerance = claim.tolerance_rel * abs(first)
        return max(abs(low - first), abs(high - first)) <= tolerance

    def _values(self, run: DeclaredRun) -> tuple[float | None, list[float | None]]:
        """The value claimed about, and those it is compared with; None where missing."""
        claim = self.claim
        value = self._at(run, claim.place)
        return value, [self._reference(run, reference) for reference in claim.references]

    def _reference(self, run: DeclaredRun, reference: Reference) -> float | None:
        if reference.experiment is not None:
            other = partner(run, self.experiments[reference.experiment])
            assert other is not None, "the loader pairs every run"
            return self._at(other, self.claim.place)
        if reference.step is not None:
            return self._at(run, Place(step=reference.step))
        return reference.number

    def _at(self, run: DeclaredRun, place: Place) -> float | None:
        steps = run.config.train.steps
        wanted = place.step or place.window
        if wanted is not None and wanted > steps:
            raise _Undecided(f"{run.name} has {steps} steps here")
        recorded = self._recorded(run)
        if place.window is not None and place.window > len(recorded):
            raise _Undecided(f"{run.name} has {Evaluations.of(run.config).counted()} here")
        if place.window is None and (place.step or steps) not in recorded:
            raise _Undecided(f"{run.name} is not evaluated at step {place.step} here")
        looked_at = recorded[-place.window :] if place.window else [place.step or steps]
        curve = self._curve(run)
        values = [curve.get(step) for step in looked_at]
        known = [v for v in values if v is not None and math.isfinite(v)]
        return reduced(known, place.by) if len(known) == len(values) else None

    def _recorded(self, run: DeclaredRun) -> Sequence[int]:
        """The steps that have a value, by the settings with which the run was made."""
        steps = run.config.train.steps
        if METRICS[self.claim.metric].recorded != "evaluations":
            return range(1, steps + 1)
        evaluations = Evaluations.of(run.config)
        if not evaluations.holds_out:
            raise _Undecided(f"{run.name} holds nothing out here")
        return evaluations.up_to(steps)

    def _curve(self, run: DeclaredRun) -> Curve:
        curve = self.curve_of(run, self.claim.metric)
        if curve is None:
            raise _Undecided(f"{run.name} was not run")
        return curve

    def _same_as(self, run: DeclaredRun) -> ClaimResult:
        """Every step that has a value, bit for bit; the largest difference is observed."""
        name = self.claim.experiment
        assert name is not None
        other = partner(run, self.experiments[name])
        assert other is not None, "the loader pairs every run"
        ours, theirs = self._curve(run), self._curve(other)
        wanted = self._recorded(run)
        missing = [step for step in wanted if step not in ours or step not in theirs]
        if missing:
            detail = f"step {missing[0]} is missing"
            return ClaimResult(self.claim.text, False, None, detail)
        differing = [step for step in wanted if ours[step] != theirs[step]]
        largest = max(abs(ours[step] - theirs[step]) for step in wanted)
        detail = f"they part at step {differing[0]}" if differing else ""
        return ClaimResult(self.claim.text, not differing, largest, detail)

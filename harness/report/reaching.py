"""When a loss is first reached: the step, and the seconds of the run up to there.

A run's seconds are those between its start and its end in the store, in proportion to its steps;
runs of one stack train together and share theirs. The store's points have no times of their own.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

from harness.report.bands import CurveOf
from harness.report.rows import ComparedRun, Curve


@dataclasses.dataclass(frozen=True)
class Reached:
    """When each run of a side first came to the loss: the step, None for one that never did.

    ``step`` and ``seconds`` are the means over those that did, NaN where none did.
    """

    first_steps: tuple[int | None, ...]
    step: float
    seconds: float

    @property
    def n(self) -> int:
        """How many runs there are."""
        return len(self.first_steps)

    @property
    def reached(self) -> int:
        """How many of them came to the loss."""
        return sum(step is not None for step in self.first_steps)


def reaching(runs: Sequence[ComparedRun], curve_of: CurveOf, metric: str, target: float) -> Reached:
    """When the runs first came to the loss ``target``."""
    curves = [curve_of(run.record.run_id, metric) for run in runs]
    first_steps = tuple(_first_step(curve, target) for curve in curves)
    steps = [step for step in first_steps if step is not None]
    seconds = [
        run.record.seconds * step / max(curve)
        for run, curve, step in zip(runs, curves, first_steps, strict=True)
        if step is not None and run.record.seconds is not None
    ]
    mean_seconds = statistics.fmean(seconds) if seconds else math.nan
    return Reached(first_steps, statistics.fmean(steps) if steps else math.nan, mean_seconds)


def _first_step(curve: Curve, target: float) -> int | None:
    """The first step whose value is at most ``target``; None where there is none."""
    return next((step for step in sorted(curve) if curve[step] <= target), None)

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
    """Over the runs of a side: how many of ``n`` came to the loss, and the means over those.

    ``step`` and ``seconds`` are NaN where none did.
    """

    n: int
    reached: int
    step: float
    seconds: float


def first_step(curve: Curve, target: float) -> int | None:
    """The first step whose value is at most ``target``; None where there is none."""
    return next((step for step in sorted(curve) if curve[step] <= target), None)


def reaching(runs: Sequence[ComparedRun], curve_of: CurveOf, metric: str, target: float) -> Reached:
    """When the runs first came to the loss ``target``."""
    steps, seconds = [], []
    for run in runs:
        curve = curve_of(run.record.run_id, metric)
        step = first_step(curve, target)
        if step is not None:
            steps.append(step)
            seconds.append(_seconds(run) * step / max(curve))
    mean_step = statistics.fmean(steps) if steps else math.nan
    mean_seconds = statistics.fmean(seconds) if seconds else math.nan
    return Reached(len(runs), len(steps), mean_step, mean_seconds)


def _seconds(run: ComparedRun) -> float:
    end = run.record.end_time
    return math.nan if end is None else (end - run.record.start_time) / 1000

"""How much the learning rate matters: the optimum, the cliff, and one number for all between.

The number is the learning-rate sensitivity of Wortsman et al. (2023), "Small-scale proxies for
large-scale Transformer training instabilities", section 2.2: over the learning rates of a range,
the mean of min(final loss, loss at initialisation) less the best final loss. A run that diverged
counts with its loss at initialisation, so 0 is a loss that no learning rate of the range moves,
and a large number a loss that only a narrow choice brings down. It is comparable only between
curves over the same range of learning rates. Over the learning rates of a grid the mean is a plain
one, as in the paper; where they lie unevenly, as those of a search do, it is that of the polygon
over the logarithm of the learning rate. Trials that were pruned have no final loss, and do not
count.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from harness.report.bands import CurveOf
from harness.report.families import Family, families
from harness.report.rows import Row, Seed
from harness.report.statistics import CONFIDENCE, Interval, t_interval
from harness.spec.metrics import TRAIN_LOSS

LR = "optimizer.lr"
RESAMPLES = 2000
EVEN = 1.5
"""The widest step between two learning rates of a grid over the narrowest, as ratios of them."""


@dataclasses.dataclass(frozen=True)
class LrPoint:
    """One learning rate: the interval over the seeds that finished, and all seeds' losses.

    ``losses`` are min(final loss, loss at initialisation), the latter where a run diverged;
    ``starts`` are the losses at initialisation, of the same seeds; each seed has its own.
    """

    lr: float
    name: str
    final: Interval | None
    num_diverged: int
    losses: Mapping[Seed, float]
    starts: Mapping[Seed, float]

    @property
    def mean(self) -> float:
        """Over the seeds, of what the sensitivity counts."""
        return statistics.fmean(self.losses.values())

    @property
    def initial(self) -> float:
        """The mean loss at initialisation."""
        return statistics.fmean(start for start in self.starts.values() if math.isfinite(start))

    @property
    def is_over_the_cliff(self) -> bool:
        """Whether half of the runs or more diverged or ended no lower than they began."""
        lost = sum(loss >= self.starts[seed] for seed, loss in self.losses.items())
        return 2 * lost >= len(self.losses)


@dataclasses.dataclass(frozen=True)
class LrCurve(Family[LrPoint]):
    """The final loss over the learning rate, all other settings but the seeds alike.

    ``optimum`` is the learning rate of the lowest mean; ``optimum_low`` and ``optimum_high`` bound
    those that were best in 95 % of 2,000 resamples of the seeds, NaN with fewer than 2 seeds.
    ``cliff`` is the lowest learning rate above the optimum at which half of the runs diverged or
    ended no lower than they began; NaN where there is none in the range.
    """

    best: Interval | None
    optimum: float
    optimum_low: float
    optimum_high: float
    cliff: float
    sensitivity: float

    @property
    def edge(self) -> Literal["", "low", "high"]:
        """The end of the range that the optimum is: the true one may lie beyond."""
        if self.optimum == self.points[0].lr:
            return "low"
        return "high" if self.optimum == self.points[-1].lr else ""


def lr_curves(
    rows: Sequence[Row],
    curve_of: CurveOf,
    *,
    metric: str = TRAIN_LOSS,
    between: tuple[float, float] | None = None,
) -> list[LrCurve]:
    """A curve for each set of rows that differ in the learning rate, of at least two of them.

    The metric is a loss. ``between`` is the range that counts, both ends in it; by default all that
    is there. Rows of one learning rate alone, and such as have neither finished nor diverged, are
    left out. A set of which no run has a final loss has no optimum either, and is left out whole.
    """

    def point(row: Row, lr: float) -> LrPoint | None:
        return _point(row, lr, curve_of, metric) if _is_inside(lr, between) else None

    found = families(rows, LR, point)
    return [_curve(each) for each in found if any(point.final for point in each.points)]


def lr_families(
    rows: Sequence[Row], between: tuple[float, float] | None = None
) -> list[Family[Row]]:
    """The rows of each curve, where they are at two learning rates at least; no curve is read."""
    return families(rows, LR, lambda row, lr: row if _is_inside(lr, between) else None)


def _is_inside(lr: float, between: tuple[float, float] | None) -> bool:
    return between is None or between[0] <= lr <= between[1]


def _point(row: Row, lr: float, curve_of: CurveOf, metric: str) -> LrPoint | None:
    finals = row.finals(metric)
    losses, starts = {}, {}
    for run in row.runs:
        if run.seed in finals or run.record.state == "diverged":
            start = curve_of(run.record.run_id, TRAIN_LOSS).get(1, math.inf)  # before update 1
            loss = min(finals.get(run.seed, math.inf), start)
            if math.isfinite(loss):
                losses[run.seed], starts[run.seed] = loss, start
    if not losses:
        return None
    return LrPoint(
        lr=lr,
        name=row.name,
        final=t_interval(list(finals.values())) if finals else None,
        num_diverged=row.num_diverged,
        losses=losses,
        starts=starts,
    )


def _curve(family: Family[LrPoint]) -> LrCurve:
    points = family.points
    best = min(points, key=lambda point: point.mean)
    low, high = _optimum_range(points)
    cliffs = [point.lr for point in points if point.lr > best.lr and point.is_over_the_cliff]
    return LrCurve(
        family.experiment,
        family.settings,
        points,
        best=best.final,
        optimum=best.lr,
        optimum_low=low,
        optimum_high=high,
        cliff=min(cliffs, default=math.nan),
        sensitivity=_mean_over(points) - best.mean,
    )


def _mean_over(points: Sequence[LrPoint]) -> float:
    """The mean loss over the learning rates; see the module for what that means."""
    logs = [math.log(point.lr) for point in points]
    gaps = [after - before for before, after in itertools.pairwise(logs)]
    if max(gaps) <= EVEN * min(gaps):
        return statistics.fmean(point.mean for point in points)
    middles = [(a.mean + b.mean) / 2 for a, b in itertools.pairwise(points)]
    return statistics.fmean(middles, gaps)


def _optimum_range(points: Sequence[LrPoint]) -> tuple[float, float]:
    """Seeds that every learning rate has are drawn again, together, and the best one is noted."""
    seeds = [seed for seed in points[0].losses if all(seed in each.losses for each in points)]
    if len(seeds) < 2:
        return math.nan, math.nan
    import numpy as np

    losses = np.array([[point.losses[seed] for seed in seeds] for point in points])
    drawn = np.random.default_rng(0).integers(0, len(seeds), (RESAMPLES, len(seeds)))
    means = losses[:, drawn].mean(axis=2)  # (learning rates, resamples)
    lrs = np.array([point.lr for point in points])[means.argmin(axis=0)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(lrs, [tail, 1 - tail], method="closest_observation")
    return float(low), float(high)


def to_rows(curves: Sequence[LrCurve]) -> list[dict[str, Any]]:
    """The curves as flat rows, one a curve: what tables and `--json` show."""
    paths = dict.fromkeys(path for curve in curves for path in curve.settings)
    return [
        {
            "name": curve.experiment,
            **{path: curve.settings.get(path, "") for path in paths},
            "lrs": len(curve.points),
            "from": curve.points[0].lr,
            "to": curve.points[-1].lr,
            "optimum": curve.optimum,
            "optimum_low": curve.optimum_low,
            "optimum_high": curve.optimum_high,
            "edge": curve.edge,
            "best": curve.best.mean if curve.best else math.nan,
            "cliff": curve.cliff,
            "sensitivity": curve.sensitivity,
        }
        for curve in curves
    ]


def edge_warnings(curves: Sequence[LrCurve]) -> list[str]:
    """What a reader should know before believing the optima."""
    return [
        f"{curve.label}: the optimum, a learning rate of {curve.optimum:g}, is at the {curve.edge} "
        "edge of the range: widen it"
        for curve in curves
        if curve.edge
    ]

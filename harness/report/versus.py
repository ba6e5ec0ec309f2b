"""A against B: which is better, by how much, and how sure that is.

A side is a row, or all rows of an experiment, of which the best speaks: the one of fewest diverged
runs and then of the best mean. To choose the best of many on the seeds that it is judged by
flatters a side, the more the more rows it had; both sides should have searched alike.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from harness.report.bands import CurveOf
from harness.report.compare import json_value
from harness.report.differences import Difference, paired_difference, welch_difference
from harness.report.reaching import Reached, reaching
from harness.report.rows import Row
from harness.report.statistics import FEW, Interval, t_interval
from harness.spec.metrics import METRICS, TRAIN_LOSS


@dataclasses.dataclass(frozen=True)
class Side:
    """One side: the row that speaks for ``name``, chosen from ``num_rows``."""

    name: str
    row: Row
    num_rows: int
    final: Interval | None
    """Over the runs that finished; None where none did."""


@dataclasses.dataclass(frozen=True)
class Race:
    """When each side first came to the loss ``target``, which is NaN where there is none."""

    target: float
    a: Reached
    b: Reached


@dataclasses.dataclass(frozen=True)
class Versus:
    """``difference`` is A less B of the metric at the last step; None where a side has no run that
    finished. ``race`` is None where it was not asked for.
    """

    metric: str
    a: Side
    b: Side
    difference: Difference | None
    race: Race | None = None

    @property
    def more_is_better(self) -> bool:
        """Of the metric."""
        return METRICS[self.metric].more_is_better

    @property
    def ranked(self) -> tuple[Side, Side]:
        """The better side and the worse; A and B where neither is known to be."""
        a_loses = self.difference is not None and (
            self.difference.mean < 0 if self.more_is_better else self.difference.mean > 0
        )
        return (self.b, self.a) if a_loses else (self.a, self.b)

    @property
    def gain(self) -> Interval | None:
        """How much better the better side ends: the difference and its interval, which are those
        of the worse side less the better where less is better. None without a difference.
        """
        found = self.difference
        if found is None:
            return None
        if found.mean < 0:  # 0 less, for -0.0 is no gain
            return Interval(found.n, -found.mean, 0.0 - found.high, 0.0 - found.low)
        return Interval(found.n, found.mean, found.low, found.high)

    @property
    def sentence(self) -> str:
        """What there is to say, in one plain sentence."""
        return _sentence(self)

    def to_json(self) -> dict[str, Any]:
        """As `compare --versus --json` prints it; what is not finite is None."""
        difference = dataclasses.asdict(self.difference) if self.difference else {}
        race = self.race
        return {
            "metric": self.metric,
            "a": _side_json(self.a, race.a if race else None),
            "b": _side_json(self.b, race.b if race else None),
            "difference": {key: json_value(value) for key, value in difference.items()} or None,
            "target": json_value(race.target) if race else None,
            "sentence": self.sentence,
        }


def rank(row: Row, metric: str) -> tuple[bool, int, float]:
    """By fewest diverged runs, then by the best mean; what has no value comes last."""
    finals = row.finals(metric).values()
    mean = statistics.fmean(finals) if finals else math.nan
    return (not finals, row.num_diverged, -mean if METRICS[metric].more_is_better else mean)


def best_row(rows: Sequence[Row], metric: str) -> Row:
    """The first by `rank`."""
    return min(rows, key=lambda row: rank(row, metric))


def versus(
    a: tuple[str, Sequence[Row]],
    b: tuple[str, Sequence[Row]],
    curve_of: CurveOf,
    *,
    metric: str = TRAIN_LOSS,
    target: float | None = None,
) -> Versus:
    """Compare two sides, each a name and its rows, and when they come to a loss.

    That is ``target``, or the one that the worse side ends with, which both come to; there is none
    for a metric of which more is better.
    """
    found = verdict(a, b, metric)
    sides = (found.a, found.b)
    if METRICS[metric].more_is_better:
        target = math.nan
    elif target is None:
        target = max((side.final.mean for side in sides if side.final), default=math.nan)
    reached_a, reached_b = (reaching(side.row.runs, curve_of, metric, target) for side in sides)
    return dataclasses.replace(found, race=Race(target, reached_a, reached_b))


def verdict(a: tuple[str, Sequence[Row]], b: tuple[str, Sequence[Row]], metric: str) -> Versus:
    """Compare what two sides end with."""
    side_a, side_b = (_side(name, rows, metric) for name, rows in (a, b))
    difference = _difference(side_a.row.finals(metric), side_b.row.finals(metric))
    return Versus(metric, side_a, side_b, difference)


def _side(name: str, rows: Sequence[Row], metric: str) -> Side:
    row = best_row(rows, metric)
    finals = list(row.finals(metric).values())
    return Side(name, row, len(rows), t_interval(finals) if finals else None)


def _difference(a: dict[tuple[str, str], float], b: dict[tuple[str, str], float]) -> Any:
    """Paired where at least two seeds, or all, are on both sides; else of strangers."""
    both = [seed for seed in a if seed in b]
    if len(both) >= 2 or (both and min(len(a), len(b)) == 1):
        return paired_difference([a[seed] for seed in both], [b[seed] for seed in both])
    if a and b:
        return welch_difference(list(a.values()), list(b.values()))
    return None


def _side_json(side: Side, reached: Reached | None) -> dict[str, Any]:
    final = dataclasses.asdict(side.final) if side.final else {}
    counted = ("n", "reached", "step", "seconds")
    return {
        "name": side.name,
        "row": side.row.name,
        "chosen_from": side.num_rows,
        "n": len(side.row.runs),
        "diverged": side.row.num_diverged,
        "final": {key: json_value(value) for key, value in final.items()} or None,
        "reached": {k: json_value(getattr(reached, k)) for k in counted} if reached else None,
    }


def _sentence(found: Versus) -> str:
    difference, gain, metric = found.difference, found.gain, found.metric
    if difference is None or gain is None:
        without = " and ".join(side.row.name for side in (found.a, found.b) if side.final is None)
        return f"Nothing to tell: of {without} no run finished{_diverged(found)}."
    better, worse = (side.row.name for side in found.ranked)
    seeds = f"{difference.n} seeds, {'paired' if difference.paired else 'not the same ones'}"
    interval = f"{shown(gain.low)} to {shown(gain.high)}"
    if difference.mean == 0:
        sure = "with one seed, which says nothing of other seeds"
        sure = sure if difference.n < 2 else f"on average (95 % interval {interval}, {seeds})"
        return f"No difference: {better} and {worse} end with the same {metric} {sure}" + (
            f"{_diverged(found)}."
        )
    ends = f"{better} ends better than {worse} by {shown(gain.mean)} of {metric}"
    if difference.n < 2:
        return (
            f"Not enough seeds to tell: {ends} with one seed, which says nothing of other seeds"
            f"{_diverged(found)}."
        )
    if difference.is_clear:
        caution = f"; {difference.n} seeds are few for that" if difference.n < FEW else ""
        return (
            f"{ends} (95 % interval {interval}, {seeds}, p = {shown_p(difference.p)})"
            f"{caution}{_diverged(found)}."
        )
    more = difference.more
    takes = "" if more is None else f"; with this spread it would take about {more} more"
    return (
        f"Not enough seeds to tell: {ends}, but the 95 % interval reaches from "
        f"{shown(gain.low)} to {shown(gain.high)} ({seeds}){takes}{_diverged(found)}."
    )


def _diverged(found: Versus) -> str:
    told = [
        f"{side.row.num_diverged} of {len(side.row.runs)} runs of {side.row.name}"
        for side in (found.a, found.b)
        if side.row.num_diverged
    ]
    return f"; {' and '.join(told)} diverged and are in no mean" if told else ""


def shown(value: float) -> str:
    """Three significant digits.

    >>> shown(0.123456), shown(-12345.0), shown(0.00000123)
    ('0.123', '-1.23e+04', '1.23e-06')
    """
    return f"{value:.3g}"


def shown_p(p: float) -> str:
    """Two significant digits; what is beyond a double's grasp as such."""
    return f"{p:.2g}" if p >= 1e-12 else "0 to 12 decimals"

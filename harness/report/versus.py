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
    reached: Reached


@dataclasses.dataclass(frozen=True)
class Versus:
    """``difference`` is A less B of the metric at the last step; None where a side has no run that
    finished. ``target`` is the loss that `reached` of the sides is about, NaN where there is none.
    """

    metric: str
    a: Side
    b: Side
    difference: Difference | None
    target: float

    @property
    def sentence(self) -> str:
        """What there is to say, in one plain sentence."""
        return _sentence(self)

    def to_json(self) -> dict[str, Any]:
        """As `compare --versus --json` prints it; what is not finite is None."""
        from harness.report.compare import json_value

        difference = dataclasses.asdict(self.difference) if self.difference else {}
        return {
            "metric": self.metric,
            "a": _side_json(self.a),
            "b": _side_json(self.b),
            "difference": {key: json_value(value) for key, value in difference.items()} or None,
            "target": json_value(self.target),
            "sentence": self.sentence,
        }


def best_row(rows: Sequence[Row], metric: str) -> Row:
    """The row of fewest diverged runs, then of the best mean; one that has no value comes last."""
    sign = -1 if METRICS[metric].more_is_better else 1

    def rank(row: Row) -> tuple[bool, int, float]:
        finals = row.finals(metric).values()
        mean = statistics.fmean(finals) if finals else math.nan
        return (not finals, row.num_diverged, sign * mean)

    return min(rows, key=rank)


def versus(
    a: tuple[str, Sequence[Row]],
    b: tuple[str, Sequence[Row]],
    curve_of: CurveOf,
    *,
    metric: str = TRAIN_LOSS,
    target: float | None = None,
) -> Versus:
    """Compare two sides, each a name and its rows.

    The loss to be reached is ``target``, or the one that the worse side ends with, which both come
    to; there is none for a metric of which more is better.
    """
    row_a, row_b = (best_row(rows, metric) for _, rows in (a, b))
    finals_a, finals_b = row_a.finals(metric), row_b.finals(metric)
    if METRICS[metric].more_is_better:
        target = math.nan
    elif target is None:
        means = [statistics.fmean(each.values()) for each in (finals_a, finals_b) if each]
        target = max(means, default=math.nan)
    sides = [
        Side(
            name,
            row,
            len(rows),
            t_interval(list(finals.values())) if finals else None,
            reaching(row.runs, curve_of, metric, target),
        )
        for (name, rows), row, finals in ((a, row_a, finals_a), (b, row_b, finals_b))
    ]
    return Versus(metric, sides[0], sides[1], _difference(finals_a, finals_b), target)


def _difference(a: dict[tuple[str, str], float], b: dict[tuple[str, str], float]) -> Any:
    """Paired where at least two seeds, or all, are on both sides; else of strangers."""
    both = [seed for seed in a if seed in b]
    if len(both) >= 2 or (both and min(len(a), len(b)) == 1):
        return paired_difference([a[seed] for seed in both], [b[seed] for seed in both])
    if a and b:
        return welch_difference(list(a.values()), list(b.values()))
    return None


def _side_json(side: Side) -> dict[str, Any]:
    from harness.report.compare import json_value

    final = dataclasses.asdict(side.final) if side.final else {}
    return {
        "name": side.name,
        "row": side.row.name,
        "chosen_from": side.num_rows,
        "n": len(side.row.runs),
        "diverged": side.row.num_diverged,
        "final": {key: json_value(value) for key, value in final.items()} or None,
        "reached": {k: json_value(v) for k, v in dataclasses.asdict(side.reached).items()},
    }


def _sentence(found: Versus) -> str:
    a, b, difference = found.a.row.name, found.b.row.name, found.difference
    if difference is None:
        without = " and ".join(side.row.name for side in (found.a, found.b) if side.final is None)
        return f"Nothing to tell: of {without} no run finished{_diverged(found)}."
    more_is_better = METRICS[found.metric].more_is_better
    better, worse = (a, b) if (difference.mean > 0) == more_is_better else (b, a)
    size = shown(abs(difference.mean))
    seeds = f"{difference.n} seeds, {'paired' if difference.paired else 'not the same ones'}"
    if difference.n < 2:
        return (
            f"Not enough seeds to tell: {better} ends better than {worse} by {size} of "
            f"{found.metric} with one seed, which says nothing of other seeds{_diverged(found)}."
        )
    ends = (difference.low, difference.high)
    low, high = ends if difference.mean > 0 else (0.0 - ends[1], 0.0 - ends[0])  # of what is gained
    if difference.is_clear:
        caution = f"; {difference.n} seeds are few for that" if difference.n < FEW else ""
        return (
            f"{better} ends better than {worse} by {size} of {found.metric} (95 % interval "
            f"{shown(low)} to {shown(high)}, {seeds}, p = {shown_p(difference.p)})"
            f"{caution}{_diverged(found)}."
        )
    return (
        f"Not enough seeds to tell: {better} ends better than {worse} by {size} of {found.metric}, "
        f"but the 95 % interval reaches from {shown(low)} to {shown(high)} "
        f"({seeds}){_more(difference)}{_diverged(found)}."
    )


def _more(difference: Difference) -> str:
    if difference.more is None:
        return "; no number of seeds would tell them apart" if difference.mean == 0 else ""
    return f"; with this spread it would take about {difference.more} more"


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

"""Which experiments of a file can be compared, and the best of each against the best of all.

Losses on different data say nothing of each other, so experiments compete with those of the same
data alone. Where a file has one experiment only, its rows compete.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

from harness.report.bands import CurveOf
from harness.report.reaching import Reached, reaching
from harness.report.rows import Row
from harness.report.versus import Versus, best_row, rank, verdict
from harness.spec.metrics import METRICS

MAX_VERDICTS = 3
"""The winner against so many others; the table has them all."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """The row that speaks for ``name``, and when its runs come to the contest's target."""

    name: str
    row: Row
    reached: Reached


@dataclasses.dataclass(frozen=True)
class Contest:
    """Contenders on the same data, best first, and the first of them against those behind it.

    ``target`` is the loss that all of them come to: the mean with which the last one ends. NaN for
    a metric of which more is better.
    """

    contenders: tuple[Contender, ...]
    verdicts: tuple[Versus, ...]
    target: float


def contests(rows: Sequence[Row], curve_of: CurveOf, metric: str) -> list[Contest]:
    """A contest for each set of data, in the order of the rows; one needs two contenders."""
    by_data: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_data.setdefault(_data(row), []).append(row)
    sides = [_sides(members, metric) for members in by_data.values()]
    found = [_contest(each, curve_of, metric) for each in sides if each]
    return [contest for contest in found if len(contest.contenders) > 1]


def _data(row: Row) -> tuple[str, ...]:
    settings = sorted(row.settings.items())
    return tuple(f"{path}={value}" for path, value in settings if path.startswith("data."))


def _sides(rows: Sequence[Row], metric: str) -> dict[str, list[Row]]:
    """The rows of each experiment of which a run finished; each such row by itself where that is
    one experiment. Rows that diverged were tried too, and count among what a side chose from."""
    sides: dict[str, list[Row]] = {}
    for row in rows:
        sides.setdefault(row.experiment, []).append(row)
    sides = {name: tried for name, tried in sides.items() if any(r.finals(metric) for r in tried)}
    if len(sides) > 1:
        return sides
    return {row.name: [row] for tried in sides.values() for row in tried if row.finals(metric)}


def _contest(sides: dict[str, list[Row]], curve_of: CurveOf, metric: str) -> Contest:
    best = _distinct({name: best_row(rows, metric) for name, rows in sides.items()})
    ranked = sorted(best, key=lambda name: rank(best[name], metric))
    means = [statistics.fmean(row.finals(metric).values()) for row in best.values()]
    target = math.nan if METRICS[metric].more_is_better else max(means)
    contenders = [
        Contender(name, best[name], reaching(best[name].runs, curve_of, metric, target))
        for name in ranked
    ]
    first, *others = ((name, sides[name]) for name in ranked)
    verdicts = [verdict(first, other, metric) for other in others[:MAX_VERDICTS]]
    return Contest(tuple(contenders), tuple(verdicts), target)


def _distinct(best: dict[str, Row]) -> dict[str, Row]:
    """Without those whose runs all belong to another, under another name: the first one stays."""
    ids = {name: {run.record.run_id for run in row.runs} for name, row in best.items()}
    kept: dict[str, Row] = {}
    for name, row in best.items():
        larger = any(ids[name] < ids[other] for other in best)
        if not larger and all(ids[name] != ids[other] for other in kept):
            kept[name] = row
    return kept

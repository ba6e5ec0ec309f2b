"""The curves of rows: the mean over a group's seeds, between its lowest and its highest run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from harness.report.rows import Curve, Row
from harness.report.statistics import common_steps
from harness.spec.metrics import TRAIN_LOSS

CurveOf = Callable[[str, str], Curve]
"""A run id and a metric to the values by step."""


@dataclasses.dataclass(frozen=True)
class CurveBand:
    """What a row looks like over the steps: the mean, and the lowest and highest of its runs."""

    name: str
    mean: Curve
    low: Curve
    high: Curve


def bands(rows: Sequence[Row], curve_of: CurveOf, metric: str = TRAIN_LOSS) -> list[CurveBand]:
    """The curves of the rows, in their order; rows without a value are left out.

    A group's are over the steps that all of its runs have.
    """
    found = []
    for row in rows:
        curves = [curve_of(run.record.run_id, metric) for run in row.runs]
        steps = common_steps(curves)
        if steps:
            columns = {step: [curve[step] for curve in curves] for step in steps}
            mean = {step: math.fsum(values) / len(values) for step, values in columns.items()}
            low = {step: min(values) for step, values in columns.items()}
            high = {step: max(values) for step, values in columns.items()}
            found.append(CurveBand(row.name, mean, low, high))
    return found

"""The final value over one setting, such as the batch size, all others but the seeds alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from harness.report.families import Family, families
from harness.report.rows import Row
from harness.report.statistics import Interval, t_interval


@dataclasses.dataclass(frozen=True)
class VariedPoint:
    """The row of one value of the setting; ``final`` is None where no run of it finished."""

    value: float
    name: str
    final: Interval | None


def varied(rows: Sequence[Row], path: str, metric: str) -> list[Family[VariedPoint]]:
    """A family for each set of at least two values of the setting ``path``, which is a number."""

    def point(row: Row, value: float) -> VariedPoint:
        finals = list(row.finals(metric).values())
        return VariedPoint(value, row.name, t_interval(finals) if finals else None)

    return families(rows, path, point)

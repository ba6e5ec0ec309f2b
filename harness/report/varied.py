"""The final value over one setting, such as the batch size, all others but the seeds alike."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from harness.report.compare import telling_settings
from harness.report.rows import Row
from harness.report.statistics import Interval, t_interval


@dataclasses.dataclass(frozen=True)
class VariedPoint:
    """The row of one value of the setting; ``final`` is None where no run of it finished."""

    value: float
    name: str
    final: Interval | None


@dataclasses.dataclass(frozen=True)
class VariedCurve:
    """Rows of one experiment that differ in the setting alone, by ascending value.

    ``settings`` are those that tell this curve from the others.
    """

    experiment: str
    settings: Mapping[str, str]
    points: tuple[VariedPoint, ...]


def varied(rows: Sequence[Row], path: str, metric: str) -> list[VariedCurve]:
    """A curve for each set of at least two values of the setting ``path``, which is a number."""
    families: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        others = (f"{key}={value}" for key, value in sorted(row.settings.items()) if key != path)
        families.setdefault((row.experiment, *others), []).append(row)
    curves = []
    for members in families.values():
        points = [_point(row, path, metric) for row in members]
        points = sorted((p for p in points if p.value > 0), key=lambda point: point.value)
        if len({point.value for point in points}) > 1:
            curves.append((members[0], tuple(points)))
    shared = [{k: v for k, v in row.settings.items() if k != path} for row, _ in curves]
    telling = telling_settings(shared)
    return [
        VariedCurve(row.experiment, {key: own[key] for key in telling if own.get(key)}, points)
        for (row, points), own in zip(curves, shared, strict=True)
    ]


def _point(row: Row, path: str, metric: str) -> VariedPoint:
    finals = list(row.finals(metric).values())
    value = row.settings.get(path, "nan")
    return VariedPoint(
        float(value) if value.replace(".", "", 1).isdigit() else math.nan,
        row.name,
        t_interval(finals) if finals else None,
    )

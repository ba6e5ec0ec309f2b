"""How the values of a metric over several steps become one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

By = Literal["mean", "median", "min", "max"]

_REDUCTIONS: Mapping[By, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}


def reduced(values: Sequence[float], by: By) -> float:
    """At least one value.

    >>> reduced([1.0, 2.0, 6.0], "median")
    2.0
    """
    return float(_REDUCTIONS[by](values))

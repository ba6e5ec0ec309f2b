"""Means with intervals over seeds.

The interval is Student's t: mean +- t(n - 1, 0.975) * s / sqrt(n), with s the sample standard
deviation, which holds 95 % of the time where the values are near normal.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean over ``n`` values and its interval; low and high are NaN for a single value."""

    n: int
    mean: float
    low: float
    high: float


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The mean of finite values and its two-sided t interval; at least one value.

    >>> t_interval([1.0, 1.0, 1.0])
    Interval(n=3, mean=1.0, low=1.0, high=1.0)
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(len(values), mean, math.nan, math.nan)
    from scipy.special import stdtrit  # 0.4 s to import, and only groups of seeds need it

    quantile = float(stdtrit(len(values) - 1, 0.5 + confidence / 2))
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(len(values), mean, mean - half, mean + half)

"""Means with intervals over seeds.

The interval is Student's t: mean +- t(n - 1, 0.975) * s / sqrt(n), with s the sample standard
deviation, which holds 95 % of the time where the values are near normal.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

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
    half = _quantile(len(values), confidence) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(len(values), mean, mean - half, mean + half)


@dataclasses.dataclass(frozen=True)
class Band:
    """A mean curve with its interval at each step; what is no finite number is left out."""

    mean: Mapping[int, float]
    low: Mapping[int, float]
    high: Mapping[int, float]


def t_band(curves: Sequence[Mapping[int, float]], confidence: float = CONFIDENCE) -> Band:
    """`t_interval` at every step that all curves have, in ascending steps; two curves or more."""
    steps = sorted(set(curves[0]).intersection(*curves[1:]))
    values_KT = np.array([[curve[step] for step in steps] for curve in curves])
    n = len(curves)
    with np.errstate(over="ignore", invalid="ignore"):  # of losses near the largest number
        mean_T = values_KT.mean(axis=0)
        half_T = _quantile(n, confidence) * values_KT.std(axis=0, ddof=1) / math.sqrt(n)
        bounds = (mean_T, mean_T - half_T, mean_T + half_T)
    return Band(*(_finite(steps, bound.tolist()) for bound in bounds))


def _finite(steps: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    return {step: v for step, v in zip(steps, values, strict=True) if math.isfinite(v)}


def _quantile(n: int, confidence: float) -> float:
    from scipy.special import stdtrit  # 0.4 s to import, and only groups of seeds need it

    return float(stdtrit(n - 1, 0.5 + confidence / 2))

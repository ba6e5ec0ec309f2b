"""Means with intervals over seeds.

The default interval is Student's t: mean +- t(n - 1, 0.975) * s / sqrt(n), with s the sample
standard deviation, which holds 95 % of the time where the values are near normal. The bootstrap's
is the bias-corrected and accelerated one (Efron 1987, "Better bootstrap confidence intervals"),
which asks for no such shape, and for more seeds: of five it is too narrow.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 10_000
FEW = 3
"""Of fewer seeds an interval says little."""

Method = Literal["t", "bootstrap"]


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
    half = t_quantile(len(values) - 1, confidence) * statistics.stdev(values)
    half /= math.sqrt(len(values))
    return Interval(len(values), mean, mean - half, mean + half)


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """The mean of finite values and its BCa interval from 10,000 resamples of a fixed seed."""
    mean = statistics.fmean(values)
    if len(set(values)) < 2:
        edge = mean if len(values) > 1 else math.nan
        return Interval(len(values), mean, edge, edge)
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.asarray(values),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(len(values), mean, float(found.low), float(found.high))


INTERVALS: dict[Method, Callable[[Sequence[float]], Interval]] = {
    "t": t_interval,
    "bootstrap": bootstrap_interval,
}


@dataclasses.dataclass(frozen=True)
class Band:
    """A mean curve with its interval at each step; what is no finite number is left out."""

    mean: Mapping[int, float]
    low: Mapping[int, float]
    high: Mapping[int, float]


def t_band(curves: Sequence[Mapping[int, float]]) -> Band:
    """`t_interval` at every step that all curves have, in ascending steps; two curves or more."""
    steps = common_steps(curves)
    values_KT = np.array([[curve[step] for step in steps] for curve in curves])
    n = len(curves)
    with np.errstate(over="ignore", invalid="ignore"):  # of losses near the largest number
        mean_T = values_KT.mean(axis=0)
        half_T = t_quantile(n - 1) * values_KT.std(axis=0, ddof=1) / math.sqrt(n)
        bounds = (mean_T, mean_T - half_T, mean_T + half_T)
    return Band(*(_finite(steps, bound.tolist()) for bound in bounds))


def common_steps(curves: Sequence[Mapping[int, float]]) -> list[int]:
    """The steps that all curves have, ascending; of one curve or more.

    >>> common_steps([{1: 0.0, 2: 0.0}, {2: 0.0, 3: 0.0}])
    [2]
    """
    return sorted(set(curves[0]).intersection(*curves[1:]))


def _finite(steps: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    return {step: v for step, v in zip(steps, values, strict=True) if math.isfinite(v)}


def t_quantile(degrees: float, confidence: float = CONFIDENCE) -> float:
    """How many standard errors a two-sided t interval reaches to either side."""
    from scipy.special import stdtrit  # 0.4 s to import, and only groups of seeds need it

    return float(stdtrit(degrees, 0.5 + confidence / 2))

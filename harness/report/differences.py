"""The difference of two means over seeds: how large, how sure, and how many seeds more it takes.

Where both sides have the same seeds, the difference is taken seed by seed: what a seed does to
both, its weights and its batches, cancels. The interval is Student's t of the differences. Beside
it stands an exact permutation test: under the hypothesis of no difference each seed's sign might
as well be the other, so p is the share of all 2^n signings whose mean is as far from 0. Of n seeds
it is never below 2^(1 - n). Where the seeds are others, the interval is Welch's (1947), for
unequal variances.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Sequence

from harness.report.statistics import t_quantile

MAX_EXACT = 16
"""Seeds up to which all signings are counted, 65,536 of them; of more, as many are drawn."""
MAX_SEEDS = 10_000
CLOSE = 1e-9
"""Of the observed mean's size: sums in another order differ by as much."""

_Error = Callable[[int], tuple[float, float]]
"""With so many seeds more a side: the standard error, and its degrees of freedom."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """The mean of A less that of B.

    ``n`` are pairs where ``paired``, else the smaller side. ``low`` and ``high`` are the 95 %
    interval; ``p`` that of the t test; ``p_permutation`` of the sign test of the pairs, NaN where
    there are none; ``effect`` is the difference in standard deviations: of the differences where
    paired (Cohen's d_z), else of both sides pooled (Cohen's d). All but ``mean`` are NaN where one
    seed is all there is. ``more`` is how many seeds more a side would need for an interval that
    leaves out 0, if the spread stays what it is: 0 where this one does, None where no number does.
    """

    n: int
    paired: bool
    mean: float
    low: float
    high: float
    p: float
    p_permutation: float
    effect: float
    more: int | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Of values of the same seeds in the same order; at least one pair."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    n, mean = len(differences), statistics.fmean(differences)
    if n < 2:
        return _of_one(n, mean, paired=True)
    spread = statistics.stdev(differences)

    def error(more: int) -> tuple[float, float]:
        return spread / math.sqrt(n + more), n + more - 1

    return dataclasses.replace(
        _t_test(mean, error, n, paired=True),
        p_permutation=permutation_p(differences),
        effect=_ratio(mean, spread),
    )


def welch_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Of values whose seeds have nothing to do with each other; at least one a side."""
    n, mean = min(len(a), len(b)), statistics.fmean(a) - statistics.fmean(b)
    if n < 2:
        return _of_one(n, mean, paired=False)
    variances = [statistics.variance(side) for side in (a, b)]

    def error(more: int) -> tuple[float, float]:
        sizes = (len(a) + more, len(b) + more)
        squares = [variance / size for variance, size in zip(variances, sizes, strict=True)]
        total = sum(squares)
        weights = sum(s**2 / (size - 1) for s, size in zip(squares, sizes, strict=True))
        return math.sqrt(total), total**2 / weights if weights else sum(sizes) - 2

    return dataclasses.replace(
        _t_test(mean, error, n, paired=False), effect=_ratio(mean, math.sqrt(sum(variances) / 2))
    )


def permutation_p(differences: Sequence[float]) -> float:
    """The two-sided p of the sign-flip test; exact for at most 16 differences."""
    import numpy as np

    values = np.asarray(differences)
    if len(values) <= MAX_EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
    else:
        drawn = np.random.default_rng(0).integers(0, 2, (2**MAX_EXACT - 1, len(values)))
        signs = np.vstack([np.ones(len(values)), 2.0 * drawn - 1.0])
    seen = abs(float(values.mean()))
    means = np.abs(signs @ values) / len(values)
    return float(np.mean(means >= seen * (1 - CLOSE)))


def _t_test(mean: float, error: _Error, n: int, *, paired: bool) -> Difference:
    from scipy.special import stdtr

    size, degrees = error(0)
    half = _half_width(error, 0)
    p = 2 * float(stdtr(degrees, -abs(mean) / size)) if size else float(mean == 0)
    nan, more = math.nan, _more(mean, error, n)
    return Difference(n, paired, mean, mean - half, mean + half, p, nan, nan, more)


def _of_one(n: int, mean: float, *, paired: bool) -> Difference:
    nan = math.nan
    return Difference(n, paired, mean, nan, nan, nan, nan, nan, None)


def _ratio(mean: float, spread: float) -> float:
    if spread:
        return mean / spread
    return math.copysign(math.inf, mean) if mean else 0.0


def _half_width(error: _Error, more: int) -> float:
    size, degrees = error(more)
    return t_quantile(degrees) * size


def _more(mean: float, error: _Error, n: int) -> int | None:
    """Seeds beyond n at which the half width of the interval falls below the mean.

    The half width falls as seeds are added, so the number is found by halving.
    """

    def is_enough(more: int) -> bool:
        return _half_width(error, more) < abs(mean)

    if is_enough(0):
        return 0
    low, high = 0, max(MAX_SEEDS - n, 0)
    if mean == 0 or not is_enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high

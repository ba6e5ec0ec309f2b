"""A curve as one line of text, for a terminal."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence

BLOCKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
ASCII = "_.-=+*%#"
WIDTH = 60


@dataclasses.dataclass(frozen=True)
class Sparkline:
    """The line, and whether its height is the logarithm of the value."""

    text: str
    is_log: bool


def sparkline(values: Sequence[float], levels: str = BLOCKS, width: int = WIDTH) -> Sparkline:
    """The values, in order, as at most ``width`` characters: the mean of each stretch of them.

    Heights are logarithmic where every value is positive, as in `report.plots`.

    >>> sparkline([1.0, 10.0, 100.0, 1000.0], ASCII).text
    '_-*#'
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Sparkline("", is_log=False)
    is_log = min(finite) > 0
    heights = [math.log(value) if is_log else value for value in finite]
    num = min(width, len(heights))
    edges = [i * len(heights) // num for i in range(num + 1)]
    means = [statistics.fmean(heights[a:b]) for a, b in itertools.pairwise(edges)]
    low, spread = min(means), max(means) - min(means)
    top = len(levels) - 1
    ranks = [round((mean - low) / spread * top) if spread else 0 for mean in means]
    return Sparkline("".join(levels[rank] for rank in ranks), is_log)

"""The value of a trial: its metric reduced over the latest steps, or what a diverged one counts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from harness.spec.metrics import METRICS
from harness.spec.search import Reduce, SearchConfig

_BY: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}


def reduced(losses: Sequence[float], reduce: Reduce) -> float:
    """One value of the losses of steps 1 to ``len(losses)``, at least one.

    Before there are as many steps as `last` says, it is over those there are.
    """
    return float(_BY[reduce.by](losses[-reduce.last :]))


def final_values(
    config: SearchConfig, losses: Sequence[float], metrics: Mapping[str, float]
) -> list[float]:
    """The values of a finished trial, one for each metric; ``metrics`` are those of its last step.

    A metric that is not there was not finite, and counts as the worst.
    """
    worst = worst_values(config)
    return [
        reduced(losses, config.reduce)
        if METRICS[metric] == "every step"
        else metrics.get(metric, worst[i])
        for i, metric in enumerate(config.metric)
    ]


def worst_values(config: SearchConfig) -> list[float]:
    """What a diverged trial is told to have: infinity, or minus infinity where more is better.

    Samplers then know that the point is worse than every other, which is what the cliff of the
    learning rate is; left out, they would ask there again and again.
    """
    return [math.inf if way == "minimize" else -math.inf for way in config.direction]

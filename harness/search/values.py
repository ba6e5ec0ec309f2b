"""The value of a trial: its metric reduced over the latest steps, or what a diverged one counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.search.curves import Curves
from harness.spec.metrics import METRICS
from harness.spec.search import SearchConfig


def final_values(
    config: SearchConfig, curves: Curves, steps: int, metrics: Mapping[str, float]
) -> list[float]:
    """The values of a finished trial, one for each metric; ``metrics`` are those of its last step.

    A metric that is not there was not finite, and counts as the worst.
    """
    values = [
        metrics.get(metric)
        if METRICS[metric].recorded == "last step"
        else curves.value(metric, steps, config.reduce)
        for metric in config.metric
    ]
    pairs = zip(values, worst_values(config), strict=True)
    return [worst if value is None else value for value, worst in pairs]


def worst_values(config: SearchConfig) -> list[float]:
    """What a diverged trial is told to have: infinity, or minus infinity where more is better.

    Samplers then know that the point is worse than every other, which is what the cliff of the
    learning rate is; left out, they would ask there again and again.
    """
    return [math.inf if way == "minimize" else -math.inf for way in config.direction]

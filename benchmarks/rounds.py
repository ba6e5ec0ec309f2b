"""Timing on a machine where other things run: interleaved rounds, medians, fresh processes.

Two things that are compared are timed in turn, A B A B, so that what disturbs the machine meets
both; their ratio is that of the medians, beside the least and the greatest ratio of one round.
One round of each goes before, uncounted: it pays for imports and first pages.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from figures import Spread


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes; garbage of earlier calls is collected before, not during."""
    gc.collect()
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def spread_of(values: Sequence[float]) -> Spread:
    """The median of some rounds, and their extremes."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Seconds of A and of B, round by round."""

    a: tuple[float, ...]
    b: tuple[float, ...]

    def ratio(self) -> Spread:
        """A / B: of the medians; the extremes are those of single rounds."""
        single = [a / b for a, b in zip(self.a, self.b, strict=True)]
        value = statistics.median(self.a) / statistics.median(self.b)
        return Spread(value, min(single), max(single))

    def difference(self) -> Spread:
        """A - B, in seconds, as the median over the rounds."""
        return spread_of([a - b for a, b in zip(self.a, self.b, strict=True)])


def interleaved(a: Callable[[], object], b: Callable[[], object], rounds: int) -> Pairs:
    """Time `a` and `b` in turn, after one uncounted round."""
    timed = [(seconds(a), seconds(b)) for _ in range(rounds + 1)][1:]
    return Pairs(tuple(pair[0] for pair in timed), tuple(pair[1] for pair in timed))


def in_fresh_process(function: Callable[..., Any], *arguments: object) -> Any:
    """What the function returns in a new interpreter, whose memory is its own from the start."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(function, *arguments).result()

"""Dropout's factors, drawn anew from (seed, step, place) alone, and their use.

A generator that hands out one number after another would have to be advanced for each run by
itself, and saved with each checkpoint. A counter-based one (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") computes the number at any place from a key and a counter: Philox
4x32 with 10 rounds, whose key is the run's `seed.data` and whose counter holds the step and the
place of the number in the step. Nothing of it is state, and chunks, lanes and neighbours cannot
matter.

The order of places within a step: the sequences of the batch one after another; for each, its
embeddings (T * C numbers), then for each block the weights of attention (H * T * T), what
attention adds (T * C) and what the MLP adds (T * C). Four places share a counter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.train.stacked.cpu.compiling import compiled, inlined
from harness.train.stacked.cpu.matmul import ADD
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import W, fma

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and sqrt(3) - 1, in 32 bits
LOW = 0xFFFFFFFF


@inlined
def philox(counter: Any, key: Any) -> Any:
    """Four random words of 32 bits for a counter of four words and a key of two, as uint64."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    low = np.uint64(LOW)
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & low,
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & low,
        )
        k0, k1 = (k0 + np.uint64(WEYL[0])) & low, (k1 + np.uint64(WEYL[1])) & low
    return c0, c1, c2, c3


@compiled
def draw_kept(
    kept: Any, row: int, count: int, place: int, seeds: Any, steps: Any, keep: Any
) -> None:
    """Rows `row` to `row + count` of `kept`: 1 / keep with probability `keep`, else 0.

    `seeds` (W,) uint64, `steps` (W,) int64 and `keep` (W,) float64 are each lane's own; `place` is
    that of the first row, a multiple of 4.
    """
    low, half = np.uint64(LOW), np.uint64(32)
    for lane in range(W):
        key = (seeds[lane] & low, seeds[lane] >> half)
        step = np.uint64(steps[lane])
        threshold = np.uint64(keep[lane] * 4294967296.0)
        factor = np.float32(1.0 / keep[lane])
        for i in range(0, count, 4):
            counter = np.uint64((place + i) // 4)
            four = philox((counter & low, counter >> half, step & low, step >> half), key)
            for j in range(min(4, count - i)):
                kept[row + i + j, lane] = factor if four[j] < threshold else np.float32(0.0)


@compiled
def drop(x: Any, kept: Any, count: int) -> None:
    """x *= kept."""
    for i in range(count):
        store(x, i, load(x, i) * load(kept, i))


@compiled
def drop_add(y: Any, x: Any, kept: Any, count: int, mode: int) -> None:
    """y = x * kept, or y += x * kept with ADD."""
    for i in range(count):
        if mode == ADD:
            store(y, i, fma(load(x, i), load(kept, i), load(y, i)))
        else:
            store(y, i, load(x, i) * load(kept, i))

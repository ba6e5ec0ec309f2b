"""The exact GELU (Hendrycks & Gimpel 2016): h times the normal distribution function at h.

The forward pass computes the slope too, since both need exp(-h^2 / 2): the backward pass is then
one multiplication.
"""

from __future__ import annotations

import math
from typing import Any

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.functions import erf_given, exp_of_minus_square
from harness.train.stacked.cpu.vector import fma, load, splat, store

SQRT_HALF = math.sqrt(0.5)
DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


@compiled
def gelu(y: Any, h: Any, count: int) -> None:
    """y = gelu(h), and the slopes in the place of h; all (count, W)."""
    for i in range(count):
        x = load(h, i)
        u = x * splat(SQRT_HALF)
        e = exp_of_minus_square(u)
        below = fma(splat(0.5), erf_given(u, e), splat(0.5))  # the distribution function at x
        store(y, i, x * below)
        store(h, i, fma(x * splat(DENSITY_AT_0), e, below))


@compiled
def gelu_gradient(dy: Any, slope: Any, count: int) -> None:
    """The gradient by h, in the place of dy."""
    for i in range(count):
        store(dy, i, load(dy, i) * load(slope, i))

"""The exact GELU (Hendrycks & Gimpel 2016): x times the normal distribution function at x.

Layout: R rows of O numbers; y, h and slope (R * O, W), bias (O, W). The bias of the layer before is
added here, where the numbers pass by anyway.

The forward pass computes the slope too, since both need exp(-x^2 / 2): the backward pass is then
one multiplication.
"""

from __future__ import annotations

import math
from typing import Any

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.functions import exp_of_minus_half_square, normal_cdf
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import fma, splat

DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


@compiled
def gelu(y: Any, h: Any, bias: Any, R: int, O: int) -> None:  # noqa: E741
    """y = gelu(h + bias), and the slopes in the place of h."""
    for row in range(R):
        for o in range(O):
            i = row * O + o
            x = load(h, i) + load(bias, o)
            e = exp_of_minus_half_square(x)
            below = normal_cdf(x, e)
            store(y, i, x * below)
            store(h, i, fma(x * splat(DENSITY_AT_0), e, below))


@compiled
def gelu_gradient(dy: Any, dbias: Any, slope: Any, R: int, O: int) -> None:  # noqa: E741
    """The gradient by h, in the place of dy; its sum over the rows is added to dbias."""
    for row in range(R):
        for o in range(O):
            g = load(dy, row * O + o) * load(slope, row * O + o)
            store(dy, row * O + o, g)
            store(dbias, o, load(dbias, o) + g)

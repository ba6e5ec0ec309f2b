"""LayerNorm (Ba et al. 2016) of 16 runs at once, forward and backward, with torch's eps.

Layout: R rows of C channels; x, y, normed (R * C, W), weight and bias (C, W), inverse (R, W). The
forward pass keeps `normed`, the rows with mean 0 and variance 1, and `inverse`, one over their
standard deviations, for the backward pass.
"""

from __future__ import annotations

from typing import Any

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import fma, splat, sqrt

EPS = 1e-5


@compiled
def norm(y: Any, normed: Any, inverse: Any, x: Any, weight: Any, bias: Any, R: int, C: int) -> None:
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, by rows."""
    count = splat(C)
    for row in range(R):
        at = row * C
        total = splat(0.0)
        for c in range(C):
            total = total + load(x, at + c)
        mean = total / count
        squares = splat(0.0)
        for c in range(C):
            off = load(x, at + c) - mean
            squares = fma(off, off, squares)
        scale = splat(1.0) / sqrt(squares / count + splat(EPS))
        store(inverse, row, scale)
        for c in range(C):
            unit = (load(x, at + c) - mean) * scale
            store(normed, at + c, unit)
            store(y, at + c, fma(unit, load(weight, c), load(bias, c)))


@compiled
def norm_gradient(
    dx: Any,
    dweight: Any,
    dbias: Any,
    dy: Any,
    normed: Any,
    inverse: Any,
    weight: Any,
    R: int,
    C: int,
) -> None:
    """Add to dx, dweight and dbias the gradients by x, weight and bias.

    With g = dy * weight: dx = (g - mean(g) - normed * mean(g * normed)) * inverse.
    """
    count = splat(C)
    for row in range(R):
        at = row * C
        total, along = splat(0.0), splat(0.0)
        for c in range(C):
            d, unit = load(dy, at + c), load(normed, at + c)
            store(dweight, c, fma(d, unit, load(dweight, c)))
            store(dbias, c, d + load(dbias, c))
            g = d * load(weight, c)
            total = total + g
            along = fma(g, unit, along)
        mean, along, scale = total / count, along / count, load(inverse, row)
        for c in range(C):
            g = load(dy, at + c) * load(weight, c)
            rest = g - mean - load(normed, at + c) * along
            store(dx, at + c, fma(rest, scale, load(dx, at + c)))

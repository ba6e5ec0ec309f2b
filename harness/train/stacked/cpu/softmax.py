"""Causal softmax of square matrices of scores, and its gradient, of 16 runs at once.

Row t of a matrix (T, T) has t + 1 scores. Four rows are done together: their sums do not wait for
each other, and loops end a quarter as often (a sixth of attention's time at T = 16).

Beyond the diagonal zeros are stored as far as the tiles of a product reach (see `matmul`), to the
next multiple of 4; what is farther is neither read nor written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.train.stacked.cpu.compiling import inlined
from harness.train.stacked.cpu.functions import exp_up_to_0
from harness.train.stacked.cpu.rows import load, store
from harness.train.stacked.cpu.vector import fma, splat, where_less

if TYPE_CHECKING:
    from harness.train.stacked.cpu.vector import Vector


@inlined
def causal_softmax(w: Any, at: int, T: int, scale: float) -> None:
    """The scores of the matrix at row `at` of `w`, times `scale`, made weights in their place."""
    factor = splat(scale)
    t = 0
    while t + 4 <= T:
        _four_rows(w, at + t * T, t, T, factor)
        t += 4
    while t < T:
        _one_row(w, at + t * T, t, factor)
        t += 1


@inlined
def causal_softmax_gradient(d: Any, w: Any, at: int, T: int, scale: float) -> None:
    """The gradient by the scores, in the place of that by the weights `w`, both at row `at`.

    It is w * (d - sum(w * d)) * scale, row by row.
    """
    factor = splat(scale)
    t = 0
    while t + 4 <= T:
        _gradient_of_four_rows(d, w, at + t * T, t, T, factor)
        t += 4
    while t < T:
        _gradient_of_one_row(d, w, at + t * T, t, factor)
        t += 1


@inlined
def _one_row(w: Any, at: int, t: int, factor: Vector) -> None:
    largest = load(w, at)
    for s in range(1, t + 1):
        largest = _larger(largest, load(w, at + s))
    total = splat(0.0)
    for s in range(t + 1):
        total = _take_exp(w, at + s, largest, factor, total)
    inverse = splat(1.0) / total
    for s in range(t + 1):
        _multiply(w, at + s, inverse)


@inlined
def _four_rows(w: Any, at: int, t: int, T: int, factor: Vector) -> None:
    """Rows t to t + 3, of which the first begins at `at`."""
    a0, a1, a2, a3 = at, at + T, at + 2 * T, at + 3 * T
    d = t + 1  # the column after the first row's diagonal
    m0, m1, m2, m3 = load(w, a0), load(w, a1), load(w, a2), load(w, a3)
    for s in range(1, d):
        m0, m1 = _larger(m0, load(w, a0 + s)), _larger(m1, load(w, a1 + s))
        m2, m3 = _larger(m2, load(w, a2 + s)), _larger(m3, load(w, a3 + s))
    m1, m2, m3 = (
        _larger(m1, load(w, a1 + d)),
        _larger(m2, load(w, a2 + d)),
        _larger(m3, load(w, a3 + d)),
    )
    m2, m3 = _larger(m2, load(w, a2 + d + 1)), _larger(m3, load(w, a3 + d + 1))
    m3 = _larger(m3, load(w, a3 + d + 2))

    s0 = s1 = s2 = s3 = splat(0.0)
    for s in range(d):
        s0, s1 = _take_exp(w, a0 + s, m0, factor, s0), _take_exp(w, a1 + s, m1, factor, s1)
        s2, s3 = _take_exp(w, a2 + s, m2, factor, s2), _take_exp(w, a3 + s, m3, factor, s3)
    s1 = _take_exp(w, a1 + d, m1, factor, s1)
    s2 = _take_exp(w, a2 + d, m2, factor, s2)
    s3 = _take_exp(w, a3 + d, m3, factor, s3)
    s2 = _take_exp(w, a2 + d + 1, m2, factor, s2)
    s3 = _take_exp(w, a3 + d + 1, m3, factor, s3)
    s3 = _take_exp(w, a3 + d + 2, m3, factor, s3)

    _clear_above_diagonal(w, at, t, T)
    one = splat(1.0)
    i0, i1, i2, i3 = one / s0, one / s1, one / s2, one / s3
    for s in range(d + 3):
        _multiply(w, a0 + s, i0)
        _multiply(w, a1 + s, i1)
        _multiply(w, a2 + s, i2)
        _multiply(w, a3 + s, i3)


@inlined
def _clear_above_diagonal(w: Any, at: int, t: int, T: int) -> None:
    """Zeros where rows t to t + 3 have columns up to t + 3 but no scores."""
    zero, after = splat(0.0), at + t + 1
    store(w, after, zero)
    store(w, after + 1, zero)
    store(w, after + 2, zero)
    store(w, after + T + 1, zero)
    store(w, after + T + 2, zero)
    store(w, after + 2 * T + 2, zero)


@inlined
def _gradient_of_one_row(d: Any, w: Any, at: int, t: int, factor: Vector) -> None:
    total = splat(0.0)
    for s in range(t + 1):
        total = _along(d, w, at + s, total)
    for s in range(t + 1):
        _take_gradient(d, w, at + s, total, factor)


@inlined
def _gradient_of_four_rows(d: Any, w: Any, at: int, t: int, T: int, factor: Vector) -> None:
    """Rows t to t + 3; where there is no score the weight is 0, and so is the gradient."""
    _clear_above_diagonal(d, at, t, T)
    a0, a1, a2, a3 = at, at + T, at + 2 * T, at + 3 * T
    s0 = s1 = s2 = s3 = splat(0.0)
    for s in range(t + 4):
        s0, s1 = _along(d, w, a0 + s, s0), _along(d, w, a1 + s, s1)
        s2, s3 = _along(d, w, a2 + s, s2), _along(d, w, a3 + s, s3)
    for s in range(t + 4):
        _take_gradient(d, w, a0 + s, s0, factor)
        _take_gradient(d, w, a1 + s, s1, factor)
        _take_gradient(d, w, a2 + s, s2, factor)
        _take_gradient(d, w, a3 + s, s3, factor)


@inlined
def _larger(x: Vector, y: Vector) -> Vector:
    return where_less(x, y, y, x)


@inlined
def _take_exp(w: Any, at: int, largest: Vector, factor: Vector, total: Vector) -> Vector:
    """Put e^(score - largest) in a score's place; `total` and it."""
    e = exp_up_to_0((load(w, at) - largest) * factor)
    store(w, at, e)
    return total + e


@inlined
def _multiply(w: Any, at: int, factor: Vector) -> None:
    store(w, at, load(w, at) * factor)


@inlined
def _along(d: Any, w: Any, at: int, total: Vector) -> Vector:
    return fma(load(w, at), load(d, at), total)


@inlined
def _take_gradient(d: Any, w: Any, at: int, total: Vector, factor: Vector) -> None:
    store(d, at, load(w, at) * (load(d, at) - total) * factor)

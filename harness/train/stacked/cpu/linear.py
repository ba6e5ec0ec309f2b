"""A linear layer y = x W^T + b of 16 runs at once, forward and backward.

Layout: R rows (tokens), I and O inputs and outputs; x (R, I), y (R, O), weight (O, I), bias (O),
each an array whose last axis is the lane and whose other axes are flattened: (R * I, W) and so on.
"""

from __future__ import annotations

from typing import Any

from harness.train.stacked.cpu.compiling import compiled, inlined
from harness.train.stacked.cpu.matmul import ADD, ALL, flipped, matrix, product
from harness.train.stacked.cpu.rows import load, store


@inlined
def linear(y: Any, x: Any, weight: Any, sizes: tuple[int, int, int], mode: int) -> None:
    """y = x W^T, or y += x W^T with ADD; sizes is (R, I, O)."""
    R, I, O = sizes  # noqa: E741
    product(matrix(y, O), matrix(x, I), flipped(matrix(weight, I)), (R, O, I), mode, ALL)


@inlined
def linear_input_gradient(
    dx: Any, dy: Any, weight: Any, sizes: tuple[int, int, int], mode: int
) -> None:
    """dx = dy W, or dx += dy W with ADD."""
    R, I, O = sizes  # noqa: E741
    product(matrix(dx, I), matrix(dy, O), matrix(weight, I), (R, I, O), mode, ALL)


@inlined
def linear_weight_gradient(dweight: Any, dy: Any, x: Any, sizes: tuple[int, int, int]) -> None:
    """dW += dy^T x."""
    R, I, O = sizes  # noqa: E741
    product(matrix(dweight, I), flipped(matrix(dy, O)), matrix(x, I), (O, I, R), ADD, ALL)


@compiled
def add_bias(y: Any, bias: Any, R: int, O: int) -> None:  # noqa: E741
    """y += b in every row."""
    for row in range(R):
        for o in range(O):
            store(y, row * O + o, load(y, row * O + o) + load(bias, o))


@compiled
def bias_gradient(dbias: Any, dy: Any, R: int, O: int) -> None:  # noqa: E741
    """db += the sum of dy over the rows."""
    for row in range(R):
        for o in range(O):
            store(dbias, o, load(dbias, o) + load(dy, row * O + o))

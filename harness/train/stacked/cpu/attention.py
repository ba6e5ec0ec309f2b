"""Causal self-attention between the projections (Vaswani et al. 2017, section 3.2), of 16 runs.

Layout: N sequences of T tokens, H heads of size D, C = H * D; qkv (N, T, 3C) with query, key and
value side by side; weights (N, H, T, T); mixed (N, T, C); the lane last, other axes flattened.

Weights are softmax(q k^T / sqrt(D)) over the positions up to a token's own. The products skip what
is above the diagonal, in steps of their tiles, and find zeros in the rest of a tile.
"""

from __future__ import annotations

import math
from typing import Any

from harness.train.stacked.cpu.compiling import compiled, constant, inlined
from harness.train.stacked.cpu.matmul import (
    COLUMNS_UP_TO_ROW,
    K_FROM_ROW,
    K_UP_TO_ROW,
    ONE,
    SET,
    Matrix,
    flipped,
    product,
)
from harness.train.stacked.cpu.softmax import causal_softmax, causal_softmax_gradient

QUERY, KEY, VALUE = constant(0), constant(1), constant(2)


@inlined
def _head(array: Any, sequence: int, head: int, part: int, sizes: Any) -> Matrix:
    """The (T, D) matrix of one head in qkv."""
    _, T, H, D = sizes
    C = H * D
    return Matrix(array, sequence * T * 3 * C + part * C + head * D, 3 * C, ONE)


@inlined
def _mixed_head(array: Any, sequence: int, head: int, sizes: Any) -> Matrix:
    """The (T, D) matrix of one head in an array (N, T, C)."""
    _, T, H, D = sizes
    return Matrix(array, sequence * T * H * D + head * D, H * D, ONE)


@inlined
def _square(array: Any, sequence: int, head: int, sizes: Any) -> Matrix:
    """The (T, T) matrix of one head in an array (N, H, T, T)."""
    _, T, H, _ = sizes
    return Matrix(array, (sequence * H + head) * T * T, T, ONE)


@compiled
def attention_weights(weights: Any, qkv: Any, sizes: tuple[int, int, int, int]) -> None:
    """weights = softmax(q k^T / sqrt(D)), causal; sizes is (N, T, H, D)."""
    N, T, H, D = sizes
    scale = 1.0 / math.sqrt(D)
    for n in range(N):
        for h in range(H):
            q, k = _head(qkv, n, h, QUERY, sizes), _head(qkv, n, h, KEY, sizes)
            scores = _square(weights, n, h, sizes)
            product(scores, q, flipped(k), (T, T, D), SET, COLUMNS_UP_TO_ROW)
            causal_softmax(weights, scores.at, T, scale)


@compiled
def mix(mixed: Any, weights: Any, qkv: Any, sizes: tuple[int, int, int, int]) -> None:
    """mixed = weights times values."""
    N, T, H, D = sizes
    for n in range(N):
        for h in range(H):
            v, out = _head(qkv, n, h, VALUE, sizes), _mixed_head(mixed, n, h, sizes)
            product(out, _square(weights, n, h, sizes), v, (T, D, T), SET, K_UP_TO_ROW)


@compiled
def mix_gradient(
    dweights: Any, dqkv: Any, dmixed: Any, weights: Any, qkv: Any, sizes: tuple[int, int, int, int]
) -> None:
    """The gradients by weights, up to the diagonal, and by values, in their part of dqkv."""
    N, T, H, D = sizes
    for n in range(N):
        for h in range(H):
            dout = _mixed_head(dmixed, n, h, sizes)
            v, dv = _head(qkv, n, h, VALUE, sizes), _head(dqkv, n, h, VALUE, sizes)
            causal = _square(weights, n, h, sizes)
            dcausal = _square(dweights, n, h, sizes)
            product(dcausal, dout, flipped(v), (T, T, D), SET, COLUMNS_UP_TO_ROW)
            product(dv, flipped(causal), dout, (T, D, T), SET, K_FROM_ROW)


@compiled
def attention_weights_gradient(
    dqkv: Any, dweights: Any, weights: Any, qkv: Any, sizes: tuple[int, int, int, int]
) -> None:
    """The gradients by queries and keys, in their parts of dqkv; dweights is used up."""
    N, T, H, D = sizes
    scale = 1.0 / math.sqrt(D)
    for n in range(N):
        for h in range(H):
            dscores = _square(dweights, n, h, sizes)
            causal_softmax_gradient(dweights, weights, dscores.at, T, scale)
            q, dq = _head(qkv, n, h, QUERY, sizes), _head(dqkv, n, h, QUERY, sizes)
            k, dk = _head(qkv, n, h, KEY, sizes), _head(dqkv, n, h, KEY, sizes)
            product(dq, dscores, k, (T, D, T), SET, K_UP_TO_ROW)
            product(dk, flipped(dscores), q, (T, D, T), SET, K_FROM_ROW)

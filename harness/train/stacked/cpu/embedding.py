"""Token and position embeddings, and the cross-entropy of the tied head, of 16 runs at once.

Here alone lanes differ in what they read: each run has its own tokens, so that rows of the table
are fetched number by number.

Layout: ids (N, T + 1, W), N sequences of T tokens and the one after; x (N, T, C); table (V, C),
positions (S, C), logits (N, T, V); the lane last, other axes flattened but for those of ids.
"""

from __future__ import annotations

from typing import Any

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.functions import exp, log
from harness.train.stacked.cpu.vector import W, load, splat, store, where_less


@compiled
def embed(x: Any, table: Any, positions: Any, ids: Any, C: int) -> None:
    """x = the row of each token's id in the table, plus the row of its place."""
    N, T = ids.shape[0], ids.shape[1] - 1
    for n in range(N):
        for t in range(T):
            at = (n * T + t) * C
            for c in range(C):
                for lane in range(W):
                    x[at + c, lane] = table[ids[n, t, lane] * C + c, lane]
                store(x, at + c, load(x, at + c) + load(positions, t * C + c))


@compiled
def embed_gradient(dtable: Any, dpositions: Any, dx: Any, ids: Any, C: int) -> None:
    """Add the gradients by the rows that were used."""
    N, T = ids.shape[0], ids.shape[1] - 1
    for n in range(N):
        for t in range(T):
            at = (n * T + t) * C
            for c in range(C):
                store(dpositions, t * C + c, load(dpositions, t * C + c) + load(dx, at + c))
                for lane in range(W):
                    dtable[ids[n, t, lane] * C + c, lane] += dx[at + c, lane]


@compiled
def cross_entropy(loss: Any, logits: Any, ids: Any, V: int, num_tokens: int) -> None:
    """Add the sum of -log softmax(logits)[target] to loss (1, W); logits become their gradient.

    The gradient is that of the mean over `num_tokens`: (softmax - one-hot) / num_tokens.
    """
    N, T = ids.shape[0], ids.shape[1] - 1
    total, share = load(loss, 0), splat(1.0) / splat(num_tokens)
    for n in range(N):
        for t in range(T):
            at = (n * T + t) * V
            largest = load(logits, at)
            for v in range(1, V):
                logit = load(logits, at + v)
                largest = where_less(largest, logit, logit, largest)
            for lane in range(W):  # the row of `loss` is free until the end: hold the targets there
                loss[0, lane] = logits[at + ids[n, t + 1, lane], lane]
            target = load(loss, 0)
            sum_exp = splat(0.0)
            for v in range(V):
                e = exp(load(logits, at + v) - largest)
                sum_exp = sum_exp + e
                store(logits, at + v, e)
            total = total + (log(sum_exp) - (target - largest))
            factor = share / sum_exp
            for v in range(V):
                store(logits, at + v, load(logits, at + v) * factor)
            store(loss, 0, share)
            for lane in range(W):
                logits[at + ids[n, t + 1, lane], lane] -= loss[0, lane]
    store(loss, 0, total)

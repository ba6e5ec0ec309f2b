"""Token and position embeddings, and the cross-entropy of the tied head, of 16 runs at once.

Here alone lanes differ in what they read: each run has its own tokens, and so its own rows of the
table.

Layout: ids (N, T + 1, W), N sequences of T tokens and the one after; x (N, T, C); table (V, C),
positions (S, C), logits (N, T, V); the lane last, other axes flattened but for those of ids.
"""

from __future__ import annotations

from typing import Any

from harness.train.stacked.cpu.compiling import compiled
from harness.train.stacked.cpu.functions import exp_up_to_0, log
from harness.train.stacked.cpu.rows import load, load_ints, pick, put, store
from harness.train.stacked.cpu.vector import int_splat, splat, where_less


@compiled
def embed(x: Any, table: Any, positions: Any, ids: Any, C: int) -> None:
    """x = the row of each token's id in the table, plus the row of its place."""
    N, T = ids.shape[0], ids.shape[1] - 1
    for n in range(N):
        for t in range(T):
            at, row = (n * T + t) * C, load_ints(ids, n * (T + 1) + t) * int_splat(C)
            for c in range(C):
                entry = pick(table, row + int_splat(c))
                store(x, at + c, entry + load(positions, t * C + c))


@compiled
def embed_gradient(dtable: Any, dpositions: Any, dx: Any, ids: Any, C: int) -> None:
    """Add the gradients by the rows that were used."""
    N, T = ids.shape[0], ids.shape[1] - 1
    for n in range(N):
        for t in range(T):
            at, row = (n * T + t) * C, load_ints(ids, n * (T + 1) + t) * int_splat(C)
            for c in range(C):
                d = load(dx, at + c)
                store(dpositions, t * C + c, load(dpositions, t * C + c) + d)
                put(dtable, row + int_splat(c), pick(dtable, row + int_splat(c)) + d)


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
            target = int_splat(at) + load_ints(ids, n * (T + 1) + t + 1)
            target_logit = pick(logits, target)
            sum_exp = splat(0.0)
            for v in range(V):
                e = exp_up_to_0(load(logits, at + v) - largest)
                sum_exp = sum_exp + e
                store(logits, at + v, e)
            total = total + (log(sum_exp) - (target_logit - largest))
            factor = share / sum_exp
            for v in range(V):
                store(logits, at + v, load(logits, at + v) * factor)
            put(logits, target, pick(logits, target) - share)
    store(loss, 0, total)

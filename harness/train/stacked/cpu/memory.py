"""The arrays that a forward pass keeps for the backward pass, made once and used for every step.

A step goes through its batch in slices of a few sequences, whose gradients add up, so that these
arrays stay in the processor's second-level cache whatever the batch (with the whole batch of 16 at
once, C = 32 and T = 32 took 1.57 times as long). One set serves all runs of a thread.

Layout: N blocks, R the tokens of a slice, sequences of T, H heads; C, V as in the model; the lane
last. Arrays "per block" have the block first.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.train.stacked.cpu.vector import W
from harness.train.stacked.layout import Shape, num_weights

# A slice has at most so many tokens and bytes, or one sequence where that is more.
SLICE_TOKENS = 32
SLICE_BYTES = 2**20
# Weights and gradients beyond a second-level cache are fetched anew for every slice: then larger
# slices pay (3 % at C = 32, where smaller models lose up to 9 %).
CACHE_BYTES = 2**21
LARGE_SLICE_TOKENS = 64

Floats = npt.NDArray[np.float32]


class Memory(NamedTuple):
    """Arrays of float32; for two layers that share a width one comment."""

    x: Floats  # (R * C, W): the residual stream
    dx: Floats
    branch: Floats  # what attention or MLP add to it
    normed1: Floats  # per block (R * C, W); see `norm`
    normed2: Floats
    inverse1: Floats  # per block (R, W)
    inverse2: Floats
    normed: Floats  # (R * C, W), the last norm's
    inverse: Floats  # (R, W)
    input1: Floats  # per block (R * C, W): what the projections of attention see
    input2: Floats  # and the MLP
    output: Floats  # (R * C, W): what the head sees
    qkv: Floats  # per block (R * 3C, W)
    weights: Floats  # per block (R * H * T, W): attention's
    mixed: Floats  # per block (R * C, W)
    slope: Floats  # per block (R * 4C, W)
    hidden: Floats  # later the gradient by it
    dbranch: Floats  # (R * C, W)
    logits: Floats  # (R * V, W); its place is that of the next two, which come later
    dqkv: Floats  # (R * 3C, W)
    dweights: Floats  # (R * H * T, W)
    kept: Floats  # (R * C, W): dropout's factors after the embeddings; 0 rows without dropout
    kept_weights: Floats  # per block (R * H * T, W): on attention's weights
    kept_attention: Floats  # per block (R * C, W): on what attention adds
    kept_mlp: Floats  # per block (R * C, W): on what the MLP adds
    dropped: Floats  # per block (R * H * T, W): attention's weights times `kept_weights`
    loss: Floats  # (1, W)


def slice_sequences(shape: Shape) -> int:
    """How many sequences of a batch go through the model together."""
    T, vector_bytes = shape.seq_len, W * 4
    if 2 * num_weights(shape) * vector_bytes > CACHE_BYTES:
        return max(1, min(shape.batch_size, LARGE_SLICE_TOKENS // T))
    one = sum(math.prod(rows) for rows in _rows(shape, T).values()) * vector_bytes
    return max(1, min(shape.batch_size, SLICE_TOKENS // T, SLICE_BYTES // one))


def allocate(shape: Shape, *, dropout: bool) -> Memory:
    """The arrays for models of that shape."""
    R = slice_sequences(shape) * shape.seq_len
    made = {name: zeros(rows) for name, rows in _rows(shape, R, dropout=dropout).items()}
    shared = made.pop("shared")
    num_logits, num_qkv = R * shape.vocab_size, R * 3 * shape.embed_dim
    num_attended = R * shape.num_heads * shape.seq_len
    return Memory(
        **made,
        logits=shared[:num_logits],
        dqkv=shared[:num_qkv],
        dweights=shared[num_qkv : num_qkv + num_attended],
    )


def _rows(shape: Shape, R: int, *, dropout: bool = False) -> dict[str, tuple[int, ...]]:
    """The axes before the lane's of each array, for slices of R tokens."""
    C, V, H, T = shape.embed_dim, shape.vocab_size, shape.num_heads, shape.seq_len
    N = shape.num_layers
    widths = {
        **dict.fromkeys(("x", "dx", "branch", "normed", "output", "dbranch"), R * C),
        **dict.fromkeys(("normed1", "normed2", "input1", "input2", "mixed"), R * C),
        **dict.fromkeys(("inverse1", "inverse2", "inverse"), R),
        "weights": R * H * T,
        **dict.fromkeys(("slope", "hidden"), R * 4 * C),
        "qkv": R * 3 * C,
        **dict.fromkeys(("kept", "kept_attention", "kept_mlp"), R * C * dropout),
        **dict.fromkeys(("kept_weights", "dropped"), R * H * T * dropout),
        "shared": R * max(V, 3 * C + H * T),
        "loss": 1,
    }
    per_block = {
        *("normed1", "normed2", "inverse1", "inverse2", "input1", "input2", "qkv", "weights"),
        *("mixed", "slope", "hidden", "kept_weights", "kept_attention", "kept_mlp", "dropped"),
    }
    return {name: (N, rows) if name in per_block else (rows,) for name, rows in widths.items()}


def zeros(rows: tuple[int, ...]) -> Floats:
    """Zeros (*rows, W) that begin at a multiple of 64 bytes: a vector then lies in one line."""
    size = int(np.prod(rows)) * W
    buffer = np.zeros(size + 16, np.float32)
    start = -(buffer.ctypes.data // 4) % 16
    return buffer[start : start + size].reshape(*rows, W)

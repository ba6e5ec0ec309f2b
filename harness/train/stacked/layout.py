"""What runs must have in common to be trained in lock-step, and where each weight lies.

All weights of a run are one flat row, in the order of `GPT.parameters()`:

    token embedding (V, C), position embedding (S, C), then for each of N blocks
        norm1 weight, bias (C), query-key-value (3C, C), out (C, C),
        norm2 weight, bias (C), expand (4C, C), bias (4C), contract (C, 4C), bias (C),
    and the last norm's weight, bias (C)

with C channels, V symbols, S the longest context. The optimizer's state has the same layout.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.spec.run_config import RunConfig


class Shape(NamedTuple):
    """The numbers that decide the arithmetic of a step: runs of one shape can share vectors."""

    vocab_size: int  # V
    embed_dim: int  # C
    num_heads: int  # H
    num_layers: int  # N
    max_seq_len: int  # S
    batch_size: int  # B
    seq_len: int  # T


def shape_of(config: RunConfig) -> Shape:
    """The shape of a run whose `model.vocab_size` is filled in."""
    model, train = config.model, config.train
    assert model.vocab_size is not None
    return Shape(
        vocab_size=model.vocab_size,
        embed_dim=model.embed_dim,
        num_heads=model.num_heads,
        num_layers=model.num_layers,
        max_seq_len=model.max_seq_len,
        batch_size=train.batch_size,
        seq_len=train.seq_len,
    )


def block_shapes(C: int) -> list[tuple[int, ...]]:
    """The shapes of one block's weights, in order."""
    attention = [(C,), (C,), (3 * C, C), (C, C)]
    return [*attention, (C,), (C,), (4 * C, C), (4 * C,), (C, 4 * C), (C,)]


def weight_shapes(shape: Shape) -> list[tuple[int, ...]]:
    """The shapes of all weights, in the order of the flat row."""
    V, C, S = shape.vocab_size, shape.embed_dim, shape.max_seq_len
    return [(V, C), (S, C), *block_shapes(C) * shape.num_layers, (C,), (C,)]


def num_weights(shape: Shape) -> int:
    """The length of the flat row."""
    V, C, S = shape.vocab_size, shape.embed_dim, shape.max_seq_len
    return (V + S) * C + shape.num_layers * (12 * C * C + 9 * C) + 2 * C

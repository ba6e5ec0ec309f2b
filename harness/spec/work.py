"""The arithmetic of a training step, counted from the run config alone.

It decides between engines, which is part of a run's identity, so the count is of whole numbers and
knows nothing of the machine. A product of (m, k) and (k, n) counts 2 m k n forward and twice that
backward; GELU, LayerNorm, softmax and the optimizer are not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.spec.run_config import ModelConfig, TrainConfig


def step_flops(model: ModelConfig, train: TrainConfig) -> int:
    """Floating-point operations of one forward and backward pass over a batch.

    ``model.vocab_size`` must be resolved: the head's product is part of the work.

    >>> from harness.spec.run_config import ModelConfig, TrainConfig
    >>> model = ModelConfig(embed_dim=8, num_heads=2, num_layers=2, max_seq_len=64, vocab_size=4)
    >>> step_flops(model, TrainConfig(steps=200, batch_size=4, seq_len=8))
    350208
    """
    assert model.vocab_size is not None, "vocab_size is resolved before work is counted"
    C, N, V = model.embed_dim, model.num_layers, model.vocab_size
    B, T = train.batch_size, train.seq_len
    weights = 12 * N * C * C + V * C  # that every token is multiplied with
    attention = 2 * N * T * C  # scores and their use, over all T positions, masked or not
    return 6 * B * T * (weights + attention)

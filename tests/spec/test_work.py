"""The counted arithmetic of a step against what torch counts while it computes one."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from harness.gpt.model import GPT
from harness.spec.run_config import ModelConfig, TrainConfig
from harness.spec.work import step_flops


@pytest.mark.parametrize(
    ("C", "N", "V", "B", "T"), [(8, 2, 4, 4, 8), (16, 3, 65, 2, 16), (12, 1, 9, 1, 1)]
)
def test_torch_counts_the_same_products(C, N, V, B, T):
    config = ModelConfig(embed_dim=C, num_heads=2, num_layers=N, max_seq_len=16, vocab_size=V)
    model, ids = GPT.from_config(config), torch.zeros(B, T, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        _, loss = model(ids, ids)
        assert loss is not None
        loss.backward()
    train = TrainConfig(steps=1, batch_size=B, seq_len=T)
    assert step_flops(config, train) == counter.get_total_flops()

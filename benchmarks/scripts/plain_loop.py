"""Section 14.5's loop for the chapter's model, as a script of today writes it."""

from __future__ import annotations

from collections.abc import Callable

import torch

import harness

WORDS = ["I", "love", "AI", "!"]
STEPS, B, T = 200, 4, 8
PARAMS = {
    "embed_dim": 8,
    "num_heads": 2,
    "num_layers": 2,
    "max_seq_len": 64,
    "dropout": 0.0,
    "steps": STEPS,
    "batch_size": B,
    "seq_len": T,
    "optimizer": "adamw",
    "seed": 0,
}


def train(
    lr: float, on_loss: Callable[[int, float], object]
) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Train one model at `lr` on one thread, telling each step's loss."""
    torch.set_num_threads(1)
    data = torch.tensor([0, 1, 2, 3] * 64)
    harness.set_seed(0)
    model = harness.GPT(
        vocab_size=len(WORDS), embed_dim=8, num_heads=2, num_layers=2, max_seq_len=64
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    harness.set_seed(42)
    for step in range(1, STEPS + 1):
        x, y = harness.get_batch(data, B, T)
        optimizer.zero_grad()
        _, loss = model(x, y)
        loss.backward()
        optimizer.step()
        on_loss(step, loss.item())
    return model, optimizer

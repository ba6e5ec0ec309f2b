"""Text from a trained model: one token after another, each drawn from the model's distribution.

The autoregressive loop of nanoGPT and of the tutorial's chapter 15, with temperature and top-k
(Fan et al. 2018, section 5.1) as its two knobs.
"""

from __future__ import annotations

import math

import torch

from harness.gpt.evaluation import evaluating
from harness.gpt.model import GPT


def generate(
    model: GPT,
    prompt_ids: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> torch.Tensor:
    """Continue each prompt by `max_new_tokens` sampled tokens.

    A step looks at the last `max_seq_len` ids at most, and draws one `torch.multinomial` from the
    global generator of the model's device: `set_seed` before it makes the text reproducible.

    Args:
        model: dropout is off while sampling; its mode is put back afterwards.
        prompt_ids: (B, T) long, T at least 1.
        max_new_tokens: how many tokens to append, at least 0.
        temperature: divides the logits; towards 0 the likeliest token is always taken.
        top_k: draw among the k likeliest tokens only (ties with the k-th stay); None, or more
            than V, means all.

    Returns:
        (B, T + max_new_tokens) long, on the model's device; the prompt comes first.

    Raises:
        ValueError: an argument outside these ranges.

    >>> model = GPT(vocab_size=4, embed_dim=8, num_heads=2, num_layers=1, max_seq_len=16)
    >>> generate(model, torch.tensor([[0]]), max_new_tokens=5).shape
    torch.Size([1, 6])
    """
    _check(prompt_ids, max_new_tokens, temperature, top_k)
    ids = prompt_ids.to(model.token_embedding.weight.device)
    with evaluating(model):
        for _ in range(max_new_tokens):
            logits, _ = model(ids[:, -model.config.max_seq_len :])  # (B, T, V)
            probabilities = _distribution(logits[:, -1], temperature, top_k)
            ids = torch.cat([ids, torch.multinomial(probabilities, num_samples=1)], dim=1)
    return ids


def _check(
    prompt_ids: torch.Tensor, max_new_tokens: int, temperature: float, top_k: int | None
) -> None:
    if prompt_ids.ndim != 2 or prompt_ids.numel() == 0:
        shape = tuple(prompt_ids.shape)
        raise ValueError(f"prompt_ids must be (B, T) with at least one token, got shape {shape}")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be at least 0, got {max_new_tokens}")
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be greater than 0 and finite, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")


def _distribution(logits: torch.Tensor, temperature: float, top_k: int | None) -> torch.Tensor:
    """The probabilities (B, V) to draw from, given the logits (B, V) of one position."""
    # With the largest at 0, a temperature near 0 sends the others to -inf, never one to +inf.
    logits = logits - logits.amax(dim=-1, keepdim=True)
    logits = logits / max(temperature, torch.finfo(logits.dtype).tiny)
    if top_k is not None:
        kth = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -math.inf)
    return torch.softmax(logits, dim=-1)

"""Section 14.6: does the model predict the right next token after every prefix of the corpus?

A check of memorisation, not of generalisation: the prefixes are the ones it was trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from harness.gpt.evaluation import evaluating
from harness.gpt.model import GPT

CLEAR = 1e-3
"""Far above what the order of float32 sums changes in a logit: some 1e-6 of the largest."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One prefix of the corpus, the model's likeliest next token, and the one that follows."""

    prefix: tuple[int, ...]
    predicted: int
    expected: int

    @property
    def ok(self) -> bool:
        """Whether the prediction is right."""
        return self.predicted == self.expected


def next_token_rows(model: GPT, head: Sequence[int], seq_len: int) -> list[Row]:
    """One row for each L = 1..min(seq_len, len(data) - 1): argmax after data[:L], against data[L].

    The chapter takes one forward pass a prefix. Here all prefixes take one, since a position sees
    none that follow; only where the largest two logits are so close that another order of the
    sums could turn them, the prefix takes its own, as in the chapter. Dropout is off.

    Args:
        model: its mode is put back afterwards.
        head: the corpus's first min(seq_len + 1, len(data)) ids or more.
        seq_len: T of the training, at most the model's `max_seq_len`.
    """
    count = min(seq_len, len(head) - 1)
    ids = torch.tensor([head[:count]], device=model.token_embedding.weight.device)  # (1, L)
    with evaluating(model):
        logits = model(ids)[0][0]  # (L, V)
        predicted = logits.argmax(-1).tolist()
        for i in _undecided(logits):
            predicted[i] = int(model(ids[:, : i + 1])[0][0, -1].argmax())
    return [Row(tuple(head[: i + 1]), predicted[i], head[i + 1]) for i in range(count)]


def _undecided(logits: torch.Tensor) -> list[int]:
    """The rows of (L, V) whose largest logit is not larger than the next by CLEAR of the largest.

    A logit that is not finite leaves its row undecided.
    """
    best = logits.topk(min(2, logits.shape[1]), dim=-1).values  # (L, 1 or 2), descending
    clear = best[:, 0] - best[:, -1] > CLEAR * logits.abs().amax(-1)
    return [i for i, decided in enumerate(clear.tolist()) if not decided]


def accuracy(rows: Sequence[Row]) -> float:
    """The share of rows that are right; there is at least one."""
    return sum(row.ok for row in rows) / len(rows)

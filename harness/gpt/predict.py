"""Section 14.6: does the model predict the right next token after every prefix of the corpus?

A check of memorisation, not of generalisation: the prefixes are the ones it was trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from harness.gpt.evaluation import evaluating
from harness.gpt.model import GPT


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

    One forward pass a prefix, as in the chapter: with all prefixes in one pass the sums run in
    another order, and a tie of two logits could fall the other way. Dropout is off.

    Args:
        model: its mode is put back afterwards.
        head: the corpus's first min(seq_len + 1, len(data)) ids or more.
        seq_len: T of the training, at most the model's `max_seq_len`.
    """
    device = model.token_embedding.weight.device
    rows = []
    with evaluating(model):
        for length in range(1, min(seq_len, len(head) - 1) + 1):
            prefix = torch.tensor([head[:length]], device=device)  # (1, L)
            logits, _ = model(prefix)  # (1, L, V)
            predicted = int(logits[0, -1].argmax())
            rows.append(Row(tuple(head[:length]), predicted, head[length]))
    return rows


def accuracy(rows: Sequence[Row]) -> float:
    """The share of rows that are right; there is at least one."""
    return sum(row.ok for row in rows) / len(rows)

"""The metrics that every run records, and where: one line each.

Claims and searches name metrics; a metric that no run records is a mistake in the file. What is
recorded every step, or at evaluations, can be claimed at such a step, reduced over those steps, and
pruned by.
"""

from __future__ import annotations

from typing import Literal

METRICS: dict[str, Literal["every step", "evaluations", "last step"]] = {
    "train/loss": "every step",
    "val/loss": "evaluations",
    "train/perplexity": "last step",
    "eval/next_token_accuracy": "last step",
}

"""The metrics that every run records, and where: one line each.

Claims and searches name metrics; a metric that no run records is a mistake in the file. What is
recorded every step can be claimed at a step, reduced over steps, and pruned by.
"""

from __future__ import annotations

from typing import Literal

METRICS: dict[str, Literal["every step", "last step"]] = {
    "train/loss": "every step",
    "train/perplexity": "last step",
    "eval/next_token_accuracy": "last step",
}

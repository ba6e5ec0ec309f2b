"""The metrics that every run records, where, and what each is: one line each.

Claims and searches name metrics; a metric that no run records is a mistake in the file. What is
recorded every step, or at evaluations, can be claimed at such a step, reduced over those steps, and
pruned by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Literal

from harness.errors import UsageError, escape, nearest, show

TRAIN_LOSS = "train/loss"
VAL_LOSS = "val/loss"
TRAIN_PERPLEXITY = "train/perplexity"
NEXT_TOKEN_ACCURACY = "eval/next_token_accuracy"


@dataclasses.dataclass(frozen=True)
class Metric:
    """Where on the step axis a metric is recorded; whether it is a loss, in nats a token."""

    recorded: Literal["every step", "evaluations", "last step"]
    is_loss: bool = False
    more_is_better: bool = False


METRICS: Mapping[str, Metric] = {
    TRAIN_LOSS: Metric("every step", is_loss=True),
    VAL_LOSS: Metric("evaluations", is_loss=True),
    TRAIN_PERPLEXITY: Metric("last step"),
    NEXT_TOKEN_ACCURACY: Metric("last step", more_is_better=True),
}


def nearest_metric(word: str, known: Iterable[str] = METRICS) -> str | None:
    """The metric that ``word`` most likely stands for: the first that ends in it, or the nearest.

    >>> nearest_metric("loss"), nearest_metric("val/los")
    ('train/loss', 'val/loss')
    """
    names = list(known)
    ending = (name for name in names if name.endswith(f"/{word}"))
    return next(ending, None) or nearest(word, names)


def check_metric(
    metric: str, logged: Iterable[str] = (), *, nobody: str = "no run logs the metric"
) -> None:
    """Raises UsageError for a metric that is none of these, nor of ``logged``."""
    known = dict.fromkeys([*METRICS, *logged])
    if metric not in known:
        near = nearest_metric(metric, known)
        hint = f"; did you mean {escape(near)}?" if near else ""
        raise UsageError(f"{nobody} {show(metric)}{hint} ({', '.join(map(escape, known))})")

"""Which checkpoints of a run may go, by what its config asks to keep."""

from __future__ import annotations

from collections.abc import Mapping

from harness.spec.run_config import CheckpointConfig


def superseded(checkpoints: Mapping[int, float], config: CheckpointConfig) -> list[int]:
    """The steps whose checkpoints are neither among the newest nor among the best.

    ``checkpoints`` maps step to train/loss. Of equal losses the later step is the better one.

    >>> superseded({10: 0.3, 20: 0.1, 30: 0.2, 40: 0.4}, CheckpointConfig(keep_last=1, keep_best=1))
    [10, 30]
    """
    newest = sorted(checkpoints)[-config.keep_last :]
    best = sorted(checkpoints, key=lambda step: (checkpoints[step], -step))[: config.keep_best]
    return sorted(checkpoints.keys() - {*newest, *best})

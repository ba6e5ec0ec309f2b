"""Which checkpoints of a run may go, by what its config asks to keep.

A run that is stopped is saved where it is, beside the steps that ``every`` sets. Such a checkpoint
goes with the next regular one, so that a run leaves the same checkpoints whether it was stopped or
not.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.spec.run_config import CheckpointConfig


def superseded(checkpoints: Mapping[int, float], config: CheckpointConfig, steps: int) -> list[int]:
    """The steps whose checkpoints are neither among the newest nor among the best.

    ``checkpoints`` maps step to train/loss; ``steps`` is the run's last step. Of equal losses the
    later step is the better one.

    >>> keep = CheckpointConfig(keep_last=1, keep_best=1)
    >>> superseded({10: 0.3, 20: 0.1, 30: 0.2, 40: 0.4}, keep, 40)
    [10, 30]
    """
    if not checkpoints:
        return []
    every = config.every or 1
    regular = [step for step in checkpoints if step % every == 0 or step == steps]
    newest = {*sorted(regular)[-config.keep_last :], max(checkpoints)}
    best = sorted(regular, key=lambda step: (checkpoints[step], -step))[: config.keep_best]
    return sorted(checkpoints.keys() - {*newest, *best})

"""Which run configs the stacked engine can train.

Decided from the run config alone, without torch: the planner asks for every run of a sweep.
"""

from __future__ import annotations

from harness.spec.optimizers import SGD, Adam, AdamW
from harness.spec.run_config import RunConfig


def supports(config: RunConfig) -> bool:
    """Whether the stacked engine computes what `config` asks for; see `unsupported`."""
    return unsupported(config) is None


def unsupported(config: RunConfig) -> str | None:
    """The setting that keeps `config` from the stacked engine, as `path: value`, or None.

    It trains on the CPU, with AdamW, Adam and SGD in the form that torch uses there by default:
    without `amsgrad`, `maximize`, `foreach` and `fused`.
    """
    optimizer = config.optimizer
    if config.train.device != "cpu":
        return f"train.device: {config.train.device}"
    if not isinstance(optimizer, AdamW | Adam | SGD):
        return f"optimizer.name: {optimizer.name}"
    for switch in ("amsgrad", "maximize", "foreach", "fused"):
        if getattr(optimizer, switch, False):
            return f"optimizer.{switch}: true"
    return None

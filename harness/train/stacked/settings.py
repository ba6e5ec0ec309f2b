"""An optimizer's settings as the numbers that a lane takes.

Runs of one family share a vector: AdamW and Adam, which differ in two numbers, and SGD.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from harness.spec.optimizers import SGD, Adam, AdamW, OptimizerConfig

Family = Literal["adam", "sgd"]
NUM_MOMENTS: dict[Family, int] = {"adam": 2, "sgd": 1}


class Settings(NamedTuple):
    """One run's settings; the order is that of `cpu.optimizers`, for each family."""

    family: Family
    values: tuple[float, float, float, float, float, float]


# A lane without a run: a learning rate of 0, and nothing that divides by 0.
NOBODY: dict[Family, tuple[float, ...]] = {"adam": (0, 0, 0, 1, 0, 0), "sgd": (0, 0, 0, 0, 0, 0)}


def settings_of(config: OptimizerConfig) -> Settings:
    """The settings of an optimizer that `harness.spec.stacking.supports`."""
    if isinstance(config, SGD):
        nesterov = float(config.nesterov)
        momentum, dampening = config.momentum, config.dampening
        values = (config.lr, momentum, dampening, nesterov, 0.0, config.weight_decay)
        return Settings("sgd", values)
    assert isinstance(config, AdamW | Adam)
    decay = config.weight_decay
    decoupled, l2 = (decay, 0.0) if isinstance(config, AdamW) else (0.0, decay)
    return Settings("adam", (config.lr, *config.betas, config.eps, decoupled, l2))

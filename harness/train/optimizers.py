"""An optimizer's settings, as the sweep file has them, made into torch's optimizer."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from harness.spec.optimizers import OptimizerConfig

# By fixed names: no text of a file ever chooses an attribute of a module.
TORCH_CLASSES: dict[str, type[torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": torch.optim.SGD,
    "NAdam": torch.optim.NAdam,
    "RAdam": torch.optim.RAdam,
    "RMSprop": torch.optim.RMSprop,
    "Adagrad": torch.optim.Adagrad,
    "Adafactor": torch.optim.Adafactor,
}


def build_optimizer(
    parameters: Iterable[torch.nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """The torch optimizer over `parameters` that `config` describes, every argument given."""
    make = TORCH_CLASSES[config.torch_class]
    return make(parameters, **config.arguments())  # type: ignore[arg-type]

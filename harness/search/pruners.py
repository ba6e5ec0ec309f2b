"""Optuna's pruners as a search names them."""

from __future__ import annotations

import optuna

from harness.spec.pruners import Patient, PrunerConfig


def pruner_for(config: PrunerConfig) -> optuna.pruners.BasePruner:
    """The pruner that a search names, with the one that it wraps."""
    arguments = config.arguments()
    if isinstance(config, Patient):
        inner = config.wrapped
        arguments["wrapped_pruner"] = pruner_for(inner) if inner is not None else None
    pruner: optuna.pruners.BasePruner = getattr(optuna.pruners, config.optuna_class)(**arguments)
    return pruner

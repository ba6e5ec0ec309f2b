"""Optuna's pruners, and the steps at which trials report to them."""

from __future__ import annotations

import optuna

from harness.spec.metrics import METRICS
from harness.spec.pruners import Hyperband, Patient, PrunerConfig, SuccessiveHalving
from harness.spec.search import SearchConfig


def pruner_for(config: PrunerConfig) -> optuna.pruners.BasePruner:
    """The pruner that a search names, with the one that it wraps."""
    arguments = config.arguments()
    if isinstance(config, Patient):
        inner = config.wrapped
        arguments["wrapped_pruner"] = pruner_for(inner) if inner is not None else None
    pruner: optuna.pruners.BasePruner = getattr(optuna.pruners, config.optuna_class)(**arguments)
    return pruner


def report_steps(config: SearchConfig, num_steps: int) -> tuple[int, ...]:
    """The steps before the last of ``num_steps`` at which a trial reports, ascending.

    For successive halving and Hyperband these are the rungs, min_resource x reduction_factor^k,
    where they are known beforehand; else every `report_every` steps. Nothing is reported of
    several objectives, nor of a metric that the last step alone has.
    """
    if len(config.metric) > 1 or METRICS[config.metric[0]] != "every step":
        return ()
    pruner: PrunerConfig | None = config.pruner
    if isinstance(pruner, Patient):
        pruner = pruner.wrapped
    if isinstance(pruner, SuccessiveHalving) and pruner.min_resource != "auto":
        first = pruner.min_resource * pruner.reduction_factor**pruner.min_early_stopping_rate
        return _rungs(first, pruner.reduction_factor, num_steps)
    if isinstance(pruner, Hyperband):
        return _rungs(pruner.min_resource, pruner.reduction_factor, num_steps)
    return tuple(range(config.report_every, num_steps, config.report_every))


def _rungs(first: int, factor: int, num_steps: int) -> tuple[int, ...]:
    steps = []
    while first < num_steps:
        steps.append(first)
        first *= factor
    return tuple(steps)

"""Trials of a batch as runs: asked of the study in memory, checked against what is known before."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

import optuna

from harness.errors import SweepFileError
from harness.planning import plan_runs
from harness.search.batch import BatchTrial
from harness.search.context import Context
from harness.spec.constraints import Constraint
from harness.spec.distributions import Value
from harness.spec.run_config import RunConfig
from harness.spec.sweep_file import DeclaredRun, Search


def as_runs(
    context: Context, search: Search, asked: Sequence[tuple[optuna.Trial, dict[str, Value]]]
) -> list[BatchTrial]:
    """Trials with what is to be done about the run of each.

    One whose settings make no run, or break a constraint of the search, has none.
    """
    made = [BatchTrial(trial, None) for trial, _ in asked]
    declared: dict[int, DeclaredRun] = {}
    for place, (trial, point) in enumerate(asked):
        try:
            run = search.trial(trial.number, point)
        except SweepFileError as error:
            made[place].error = error.problems[0].message
            continue
        made[place].refused = _refusal(run.config, search.config.constraints)
        if not made[place].refused:
            declared[place] = run
    planned = plan_runs(
        context.sweep,
        declared.values(),
        context.stored,
        context.corpora,
        torch_version=importlib.metadata.version("torch"),
    )
    for place, run_plan in zip(declared, planned, strict=True):
        made[place].planned = run_plan
    return made


def _refusal(config: RunConfig, constraints: Sequence[Constraint]) -> str:
    """The first constraint that a trial breaks, with its number; empty where none."""
    train = config.train
    quantities = {
        "params": config.model.num_parameters(),
        "tokens": train.steps * train.batch_size * train.seq_len,
    }
    for constraint in constraints:
        value = quantities[constraint.quantity]
        if not constraint.holds(value):
            wanted = f"{constraint.operator} {constraint.bound:,}"
            return f"{constraint.quantity} is {value:,}, and must be {wanted}"
    return ""

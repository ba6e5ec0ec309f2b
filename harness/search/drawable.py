"""A copy of a study that holds only what can be drawn.

All plots are drawn from one copy, so that they show the same trials while others still run. What
cannot stand on an axis is not in it: a trial whose value is infinite (it diverged) counts as pruned
there, which leaves its curve to be drawn and its value not.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

LARGEST = 1e200
"""What is larger stands for infinity, and what is closer to 0 than its inverse for 0: matplotlib
multiplies the limits of an axis, and divides by them."""


def drawable_copy(study: optuna.Study) -> optuna.Study:
    """The trials of `study` under their numbers, in memory."""
    copy = optuna.create_study(directions=study.directions)
    copy.add_trials(map(_drawable, study.get_trials(deepcopy=False)))
    return copy


def has_diverged(trial: FrozenTrial) -> bool:
    """Whether a complete trial came to a value that no axis can hold."""
    return trial.state == TrialState.COMPLETE and not all(map(_fits, trial.values))


def _drawable(trial: FrozenTrial) -> FrozenTrial:
    diverged = has_diverged(trial)
    complete = trial.state == TrialState.COMPLETE and not diverged
    curve = trial.intermediate_values
    return optuna.trial.create_trial(
        state=TrialState.PRUNED if diverged else trial.state,
        values=[_not_tiny(value) for value in trial.values] if complete else None,
        params={name: _plain(value) for name, value in trial.params.items()},
        distributions={name: _plain_choices(d) for name, d in trial.distributions.items()},
        intermediate_values={s: _not_tiny(v) for s, v in curve.items() if _fits(v)},
        constraints=trial.constraints,
    )


def _fits(value: float) -> bool:
    return abs(value) <= LARGEST  # not so for inf and nan


def _not_tiny(value: float) -> float:
    return value if abs(value) >= 1 / LARGEST else 0.0


def _plain_choices(distribution: BaseDistribution) -> BaseDistribution:
    if isinstance(distribution, CategoricalDistribution):
        return CategoricalDistribution([_plain(choice) for choice in distribution.choices])
    return distribution


def _plain(value: Any) -> Any:
    """A choice that is a list stands as its text: Optuna looks choices up by their hash."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

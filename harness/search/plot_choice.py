"""Which plots a search has enough trials for, and what each needs to be told.

Optuna raises, warns or draws an empty frame when a plot lacks something, so that is looked up here
before anything is drawn.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from harness.search.drawable import drawable_copy


@dataclasses.dataclass(frozen=True)
class Plot:
    """One plot, as either of Optuna's two sets of functions can draw it."""

    file: str
    """Name of the picture, without its ending."""
    heading: str
    reading: str
    """How to read it, in one sentence."""
    function: str
    """In `optuna.visualization` and in `optuna.visualization.matplotlib`."""
    study: optuna.Study
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    log_axes: str = ""
    """Those of the axes `x` and `y` that hold values and are to be logarithmic."""


@dataclasses.dataclass(frozen=True)
class _Objective:
    """One of the values that a study seeks, and how the plots about it end."""

    index: int
    name: str
    maximized: bool
    values: tuple[float, ...]
    alone: bool
    """The study has no other objective."""

    @property
    def suffix(self) -> str:
        return "" if self.alone else f"_{self.index}"

    @property
    def log_axes(self) -> str:
        return "y" if wants_log(self.values) else ""

    def value(self, trial: FrozenTrial) -> float:
        return float(trial.values[self.index])

    def loss(self, trial: FrozenTrial) -> float:
        """Lower is better, which Optuna's importances take for granted of a target."""
        return -self.value(trial) if self.maximized else self.value(trial)

    def magnitude(self, trial: FrozenTrial) -> float:
        return math.log10(self.value(trial))


def plots_of(study: optuna.Study) -> list[Plot]:
    """The plots that `study` has enough trials for, in the order of the page."""
    copy = drawable_copy(study)
    trials = copy.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    objectives = _objectives(study, trials)
    plots = [*_front(copy, objectives)] if len(objectives) > 1 else [*_history(copy, objectives[0])]
    parameters = sorted({name for trial in trials for name in trial.params})
    for objective in objectives:
        plots += _about_parameters(copy, objective, parameters)
    return plots if len(objectives) > 1 else [*plots, *_intermediate(copy, objectives[0])]


def wants_log(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis shows `values` better: all positive, over more than a decade."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > 10


def _objectives(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[_Objective]:
    count = len(study.directions)
    names = study.metric_names or (
        ["value"] if count == 1 else [f"objective {index}" for index in range(count)]
    )
    return [
        _Objective(
            index,
            names[index],
            direction == StudyDirection.MAXIMIZE,
            tuple(trial.values[index] for trial in trials),
            alone=count == 1,
        )
        for index, direction in enumerate(study.directions)
    ]


def _history(study: optuna.Study, objective: _Objective) -> Iterator[Plot]:
    if objective.values:
        better = "higher" if objective.maximized else "lower"
        yield Plot(
            "optimization_history",
            "Optimization history",
            f"Each dot is a complete trial, in the order they started, and {better} is better; "
            "the line is the best value so far.",
            "plot_optimization_history",
            study,
            {"target_name": objective.name},
            objective.log_axes,
        )


def _front(study: optuna.Study, objectives: Sequence[_Objective]) -> Iterator[Plot]:
    if len(objectives) <= 3 and objectives[0].values:  # a picture has no more than three axes
        logs = "".join(
            axis
            for axis, objective in zip("xy", objectives, strict=False)
            if len(objectives) == 2 and wants_log(objective.values)
        )
        yield Plot(
            "pareto_front",
            "Pareto front",
            "Each dot is a complete trial; the red ones are those that no other trial matches in "
            "every objective and beats in one.",
            "plot_pareto_front",
            study,
            {"target_names": [objective.name for objective in objectives]},
            logs,
        )


def _about_parameters(
    study: optuna.Study, objective: _Objective, parameters: Sequence[str]
) -> Iterator[Plot]:
    if parameters:
        yield _slice(study, objective, parameters)
    if len(parameters) > 1:
        yield _parallel(study, objective, parameters)
        if len(set(objective.values)) > 1:
            yield _importances(study, objective)


def _slice(study: optuna.Study, objective: _Objective, parameters: Sequence[str]) -> Plot:
    what = parameters[0] if len(parameters) == 1 else "Each parameter"
    return Plot(
        f"slice{objective.suffix}",
        f"{what} against {objective.name}",
        "Each dot is a complete trial, and darker ones came later: look for where the "
        f"{'highest' if objective.maximized else 'lowest'} lie.",
        "plot_slice",
        study,
        {"target": objective.value, "target_name": objective.name},
        objective.log_axes,
    )


def _parallel(study: optuna.Study, objective: _Objective, parameters: Sequence[str]) -> Plot:
    log = bool(objective.log_axes)
    target = objective.magnitude if log else None if objective.alone else objective.value
    name = f"log10 {objective.name}" if log else objective.name
    dark = "higher" if target is None and objective.maximized else "lower"
    return Plot(
        f"parallel_coordinate{objective.suffix}",
        f"Parameters together, by {objective.name}",
        "Each line is a complete trial that crosses every axis at the value it had there, and "
        f"darker lines came to {dark} values: look for where these run together.",
        "plot_parallel_coordinate",
        study,
        {"params": list(parameters), "target": target, "target_name": name},
    )


def _importances(study: optuna.Study, objective: _Objective) -> Plot:
    return Plot(
        f"param_importances{objective.suffix}",
        f"Importance of each parameter for {objective.name}",
        "The longer a bar, the more this parameter decided which trials came out among the best "
        "tenth; all bars together make 1.",
        "plot_param_importances",
        study,
        {"target": None if objective.alone else objective.loss, "target_name": objective.name},
    )


def _intermediate(study: optuna.Study, objective: _Objective) -> Iterator[Plot]:
    shown = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    trials = study.get_trials(deepcopy=False, states=shown)
    values = [value for trial in trials for value in trial.intermediate_values.values()]
    if values:
        yield Plot(
            "intermediate_values",
            f"{objective.name} on the way",
            "Each line is a trial as it trained; one that ends early was pruned, diverged or "
            "still runs.",
            "plot_intermediate_values",
            study,
            log_axes="y" if wants_log(values) else "",
        )

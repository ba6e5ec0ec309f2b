"""The trials of a study as results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from harness.search.result import TrialResult
from harness.search.space import encode
from harness.search.study_log import ERROR, RUN_ID, STATE
from harness.spec.distributions import Choices, Value
from harness.spec.space import Space

_STATE_OF = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def trial_results(space: Space, trials: Sequence[FrozenTrial]) -> tuple[TrialResult, ...]:
    """The trials that ended, by number."""
    return tuple(
        TrialResult(
            number=trial.number,
            state=str(trial.user_attrs.get(STATE, _STATE_OF[trial.state])),
            params=point_of(space, trial.params),
            values=tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
            reports=dict(sorted(trial.intermediate_values.items())),
            run_id=trial.user_attrs.get(RUN_ID),
            message=str(trial.user_attrs.get(ERROR, "")),
        )
        for trial in trials
        if trial.state.is_finished()
    )


def point_of(space: Space, params: Mapping[str, Any]) -> dict[str, Value]:
    """Optuna's parameters as a point, dotted path to value, in the order of the space."""
    point: dict[str, Value] = {}
    for parameter in space.parameters:
        if parameter.name not in params:
            continue
        value = params[parameter.name]
        if isinstance(parameter.values, Choices):
            decoded = {encode(choice): choice for choice in parameter.values.choices}
            value = decoded.get(value, value)
        point[parameter.path] = value
    return point

"""The study in memory in which everything is decided, and how it is rebuilt from the log.

Optuna's pruners and some samplers keep what they know in the trials. A batch that was cut off in
the middle of telling has left some of that in the database and some not, so the batch is played
again in memory from the state before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.errors import StoreError
from harness.search.grid import grid_points
from harness.search.pruners import pruner_for
from harness.search.samplers import KEEPS_STATE, sampler_for
from harness.search.space import suggest, to_params
from harness.search.study_log import RUNG, asked_with
from harness.spec.distributions import Value
from harness.spec.samplers import Grid
from harness.spec.search import SearchConfig


class StudyInMemory:
    """A study that is asked in the order of the trials' numbers."""

    def __init__(self, name: str, config: SearchConfig) -> None:
        self.config = config
        self._storage = optuna.storages.InMemoryStorage()
        self.study = optuna.create_study(
            study_name=name,  # Hyperband's brackets hang on it
            storage=self._storage,
            directions=[StudyDirection[way.upper()] for way in config.direction],
            pruner=pruner_for(config.pruner),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        grid = isinstance(config.sampler, Grid)
        self._grid = grid_points(config.space, config.sampler.seed) if grid else None

    @property
    def num_trials(self) -> int:
        """Trials asked so far, which is the number of the next."""
        return len(self.study.get_trials(deepcopy=False))

    @property
    def capacity(self) -> int | None:
        """The most trials there can be: of a grid all its points, after those enqueued."""
        return None if self._grid is None else len(self.config.enqueue) + len(self._grid)

    def ask(self) -> tuple[optuna.Trial, dict[str, Value]]:
        """The next trial with its point."""
        number, space = self.num_trials, self.config.space
        self.study.sampler = sampler_for(self.config.sampler, number)
        first_of_grid = len(self.config.enqueue)
        if number < first_of_grid:
            self.study.enqueue_trial(to_params(space, self.config.enqueue[number]))
        elif self._grid is not None:
            self.study.enqueue_trial(to_params(space, self._grid[number - first_of_grid]))
        trial = self.study.ask()
        assert trial.number == number
        return trial, suggest(trial, space)

    def frozen(self, number: int) -> FrozenTrial:
        """A trial as it is now."""
        return self.study.get_trials(deepcopy=False)[number]

    def take(self, logged: Sequence[FrozenTrial]) -> None:
        """Take in finished trials of the log, the first ones of the study, in order."""
        if self.config.sampler.name in KEEPS_STATE:
            self._ask_again(logged)
            return
        for trial in logged:
            self.study.add_trial(_copy(trial))

    def _ask_again(self, logged: Sequence[FrozenTrial]) -> None:
        """Ask for the trials as they were asked, batch by batch, and tell how they ended."""
        waiting: list[tuple[optuna.Trial, FrozenTrial]] = []
        for known in logged:
            asked = asked_with(known)
            if asked is None:
                self.study.add_trial(_copy(known))
                continue
            trial, _ = self.ask()
            check_same(self.study.study_name, known, trial.params)
            waiting.append((trial, known))
            if known.number == asked.numbers[-1] or known is logged[-1]:
                for trial, told in waiting:
                    self._tell_again(trial, told)
                waiting = []

    def _tell_again(self, trial: optuna.Trial, known: FrozenTrial) -> None:
        for step, value in sorted(known.intermediate_values.items()):
            trial.report(value, step)
        for key, value in _kept(known).items():
            self._storage.set_trial_system_attr(trial._trial_id, key, value)
        complete = known.state == TrialState.COMPLETE
        self.study.tell(trial, known.values if complete else None, known.state)


def check_same(study: str, known: FrozenTrial, params: Mapping[str, object]) -> None:
    """Raises StoreError where a trial of the log is not what the sampler gives."""
    if dict(known.params) != dict(params):
        raise StoreError(
            f"study {study}: trial {known.number} has {known.params}, and the sampler now gives "
            f"{dict(params)}: it was begun with another version of Optuna. Delete the study, or "
            "go on with that version"
        )


def _kept(trial: FrozenTrial) -> dict[str, Any]:
    """What successive halving keeps of a trial."""
    return {key: value for key, value in trial.system_attrs.items() if key.startswith(RUNG)}


def _copy(trial: FrozenTrial) -> FrozenTrial:
    """A finished trial for a study in memory, with what pruners keep of it and nothing else."""
    return create_trial(
        state=trial.state,
        values=trial.values,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=_kept(trial),
        intermediate_values=trial.intermediate_values,
    )

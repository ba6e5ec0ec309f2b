"""A study in a database: Optuna's own storage, written so that any tool for Optuna reads it.

Trials are logged when they are asked, report at their rungs, and are told at the end of their
batch. A trial carries the batch that it was asked in, which a call that finds it RUNNING redoes.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from harness.search.storage import close_storage, open_storage, open_to_read, told
from harness.search.storage_file import wait_until_free
from harness.search.storage_url import StorageUrl

BATCH = "harness.batch"
RUN_ID = "harness.run_id"
STATE = "harness.state"
ERROR = "harness.error"
RUNG = "completed_rung_"  # what successive halving keeps of a trial


@dataclasses.dataclass(frozen=True)
class Asked:
    """The trials that were asked together: the number of the first, and how many."""

    first: int
    size: int

    @property
    def numbers(self) -> range:
        """The trials' numbers."""
        return range(self.first, self.first + self.size)


class StudyLog:
    """One study of a storage.

    Raises StoreError where the database cannot be opened, read or written.
    """

    def __init__(
        self, storage: optuna.storages.RDBStorage, where: StorageUrl, study: optuna.Study
    ) -> None:
        self.where, self.study, self.name = where, study, study.study_name
        self._storage = storage
        self._id = storage.get_study_id_from_name(self.name)

    @classmethod
    def open(
        cls,
        where: StorageUrl,
        name: str,
        directions: Sequence[str],
        metrics: Sequence[str],
        attrs: Mapping[str, str],
    ) -> StudyLog:
        """The study of that name, made where it is not there; ``attrs`` describe it to people."""
        storage = open_storage(where)
        with told(where, "open the study"):
            study = optuna.create_study(
                study_name=name,
                storage=storage,
                directions=[StudyDirection[way.upper()] for way in directions],
                load_if_exists=True,
            )
            known = study.user_attrs
            for key, value in attrs.items():
                if known.get(key) != value:
                    study.set_user_attr(key, value)
            if study.metric_names is None:
                study.set_metric_names(list(metrics))
            return cls(storage, where, study)

    @classmethod
    def existing(cls, where: StorageUrl, name: str) -> StudyLog | None:
        """The study of that name where there is one, to be read: nothing is made or written."""
        storage = open_to_read(where)
        if storage is None:
            return None
        with told(where, "open the study"):
            try:
                return cls(storage, where, optuna.load_study(study_name=name, storage=storage))
            except KeyError:
                close_storage(storage)
                return None

    def trials(self) -> list[FrozenTrial]:
        """All trials by number."""
        with told(self.where, "read the trials"):
            found = self._storage.get_all_trials(self._id)
        return sorted(found, key=lambda trial: trial.number)

    def begin(self, trials: Sequence[optuna.Trial], asked: Asked) -> list[FrozenTrial]:
        """Log trials of a study in memory as RUNNING, in order; as they are here."""
        logged = []
        with told(self.where, "log the trials"):
            if self.where.file is not None:
                wait_until_free(self.where.file)
            for trial in trials:
                template = FrozenTrial(
                    number=-1,
                    trial_id=-1,
                    state=TrialState.RUNNING,
                    value=None,
                    datetime_start=datetime.datetime.now(),
                    datetime_complete=None,
                    params=dict(trial.params),
                    distributions=dict(trial.distributions),
                    user_attrs={BATCH: f"{asked.first}+{asked.size}"},
                    system_attrs={},
                    intermediate_values={},
                )
                made = self._storage.create_new_trial(self._id, template_trial=template)
                logged.append(self._storage.get_trial(made))
        return logged

    def report(self, logged: FrozenTrial, step: int, value: float) -> None:
        """Log what a trial reported at a step, unless that is there."""
        if not logged.state.is_finished() and step not in logged.intermediate_values:
            with told(self.where, "log a report"):
                self._storage.set_trial_intermediate_value(logged._trial_id, step, value)

    def finish(
        self, logged: FrozenTrial, trial: FrozenTrial, attrs: Mapping[str, str]
    ) -> FrozenTrial:
        """Log how a trial of the study in memory ended, unless that is there; as it is here then.

        ``attrs`` are the user's.
        """
        if logged.state.is_finished():
            return logged
        trial_id = logged._trial_id
        with told(self.where, "log the end of a trial"):
            for key, value in attrs.items():
                self._storage.set_trial_user_attr(trial_id, key, value)
            for key, value in trial.system_attrs.items():
                if key.startswith(RUNG):
                    self._storage.set_trial_system_attr(trial_id, key, value)
            self._storage.set_trial_state_values(trial_id, trial.state, trial.values)
            return self._storage.get_trial(trial_id)

    def give_up(self, logged: FrozenTrial) -> FrozenTrial:
        """Fail an unfinished trial that another program left; as it is then."""
        with told(self.where, "fail a trial"):
            self._storage.set_trial_state_values(logged._trial_id, TrialState.FAIL)
            return self._storage.get_trial(logged._trial_id)

    def close(self) -> None:
        """Let go of the database."""
        close_storage(self._storage)


def asked_with(trial: FrozenTrial) -> Asked | None:
    """The batch that a trial was asked in; None for a trial that we did not ask."""
    first, _, size = str(trial.user_attrs.get(BATCH, "")).partition("+")
    return Asked(int(first), int(size)) if first.isdecimal() and size.isdecimal() else None

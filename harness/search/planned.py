"""What a call would do for the searches of a sweep, and why; nothing is made or written.

A search is finished when its study has all its trials and the store their parent. Otherwise the
reason says what stood in the way, in the words of runs: no trial yet (`new`), none yet of what the
search is now (`changed`), or some (`unfinished`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.planning import Corpora, Reason
from harness.search.context import study_name
from harness.search.grid import num_points
from harness.search.parents import covers, current_parent
from harness.search.result import SearchResult
from harness.search.storage_url import StorageUrl, storage_url
from harness.spec.samplers import Grid
from harness.spec.search import SearchConfig
from harness.spec.sweep_file import Search, Sweep
from harness.tracking import keys
from harness.tracking.read import StoredRun

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclasses.dataclass(frozen=True)
class PlannedSearch:
    """A search with what is to be done about it.

    ``result`` is what earlier calls left, its claims not checked. ``num_trials`` is how many
    trials the study has after the call, ``num_to_do`` how many of them have not ended. ``engines``
    are those that its trials may be trained by.
    """

    search: Search
    result: SearchResult
    num_trials: int
    num_to_do: int
    reason: Reason
    engines: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left, of trials or of their record."""
        return self.reason == "finished"


@dataclasses.dataclass
class Planner:
    """What is known before: ``stored`` are all records of the store."""

    sweep: Sweep
    corpora: Corpora
    stored: Sequence[StoredRun]
    state_dir: Path

    def plan(self, search: Search) -> PlannedSearch:
        """The plan of one search. Raises StoreError where its storage cannot be read."""
        study = study_name(self, search)
        where = storage_url(self.state_dir, search.config.storage)
        result, num_open, num_asked = _read(search, study, where)
        parent = current_parent(self.stored, study)
        total = max(num_asked, _num_wanted(search.config))
        to_do = num_open + total - num_asked
        reason: Reason = "unfinished"
        if not num_asked:
            reason = "changed" if self._has_another(search, study) else "new"
        elif not to_do and covers(parent, total):
            reason = "finished"
        return PlannedSearch(
            search,
            dataclasses.replace(result, run_id=parent.run_id if parent else None),
            num_trials=total,
            num_to_do=to_do,
            reason=reason,
            engines=_engines(search),
        )

    def _has_another(self, search: Search, study: str) -> bool:
        """Whether the search's name was recorded with another study."""
        return any(
            run.kind == "search"
            and (run.sweep, run.name) == (self.sweep.name, search.name)
            and run.tags.get(keys.STUDY) != study
            for run in self.stored
        )


def _read(search: Search, study: str, where: StorageUrl) -> tuple[SearchResult, int, int]:
    """What a study holds: the trials that ended, how many are open, and how many were asked.

    A trial of another program that has not ended is not open: the call gives it up.
    """
    empty = SearchResult(search.name, study, str(where), search.config.direction, ())
    if not where.may_hold_studies():
        return empty, 0, 0
    from harness.search.quiet import quiet  # Optuna takes a second to import
    from harness.search.reading import trial_results
    from harness.search.study_log import StudyLog

    with quiet():
        log = StudyLog.existing(where, study)
        if log is None:
            return empty, 0, 0
        try:
            trials = log.trials()
        finally:
            log.close()
    ended = trial_results(search.config.space, trials)
    return dataclasses.replace(empty, trials=ended), *_count(trials)


def _count(trials: Sequence[FrozenTrial]) -> tuple[int, int]:
    """How many trials are open, and how many were asked: an open batch is asked as a whole."""
    from harness.search.study_log import asked_with

    opened = [
        (trial.number, asked)
        for trial in trials
        if not trial.state.is_finished() and (asked := asked_with(trial)) is not None
    ]
    if not opened:
        return 0, len(trials)
    batch = opened[0][1].numbers
    missing = sum(1 for number in batch if number >= len(trials))
    return len(opened) + missing, len(trials) + missing


def _num_wanted(config: SearchConfig) -> int:
    """The trials that a search is to have; of a grid no more than its points and those enqueued."""
    if not isinstance(config.sampler, Grid):
        return config.n_trials
    enqueued = min(len(config.enqueue), config.n_trials)
    return enqueued + num_points(config.space, config.n_trials - enqueued)


def _engines(search: Search) -> tuple[str, ...]:
    """The engines at the ends of the space: `auto` may take another for a larger model."""
    points = (probe.point for probe in search.config.probes())
    return tuple(dict.fromkeys(search.resolve(point)[0].engine for point in points))

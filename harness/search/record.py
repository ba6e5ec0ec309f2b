"""A search as a run of MLflow: the parent of its trials' runs, with the best one's curve.

It begins before the first trial, so that trials stand under it from the start, and is written
when the search is done. What MLflow holds of a run is not changed later: when a later call adds
trials, a new parent takes the place of the old one, and the trials' runs are put under it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.search.curves import Curves
from harness.search.parents import covers, current_parent
from harness.search.result import STATES, SearchResult, best_text
from harness.search.study_log import StudyLog
from harness.spec.names import compact
from harness.spec.sweep_file import Search
from harness.tracking import keys
from harness.tracking.read import StoredRun
from harness.tracking.record import Outcome, RunToRecord
from harness.tracking.recorder import Recorder

PLOTS = "plots"
BEST_TRIAL = "best.trial"  # a param, written at the end


class SearchRecord:
    """The parent run of one search in the store.

    ``stored`` are the store's records; of several parents of the study the newest is gone on with.
    """

    def __init__(
        self,
        recorder: Recorder,
        sweep_name: str,
        search: Search,
        study: str,
        stored: Sequence[StoredRun],
    ) -> None:
        self.recorder, self.sweep_name = recorder, sweep_name
        self.search, self.study = search, study
        self._known = current_parent(stored, study)
        self._has_ended = False
        self.run_id = ""

    def covers(self, num_trials: int) -> bool:
        """Whether the store has the parent of just so many trials, finished."""
        return covers(self._known, num_trials)

    def keep(self) -> None:
        """Leave the parent as it is: it covers all trials."""
        assert self._known is not None
        self.run_id = self._known.run_id

    def begin(self) -> str:
        """Begin the parent, or go on with one that was cut off; its run id."""
        cut_off = self._known is not None and not self._known.is_done
        # What a call wrote of its best trial and was killed then is not changed: see above.
        if cut_off and self._known is not None and BEST_TRIAL not in self._known.params:
            self.run_id = self.recorder.resume(self._known.run_id, self._to_record())
        else:
            self.run_id = self.recorder.begin(self._to_record())
        return self.run_id

    def end(
        self,
        result: SearchResult,
        log: StudyLog,
        curves: Curves,
        trials: Sequence[StoredRun],
    ) -> None:
        """Write the best trial's curves, the counts and the plots, and end the parent.

        ``trials`` are the records that trials were trained in, in this call or before.
        """
        self.recorder.add_points(self.run_id, keys.BEST_VALUE, best_so_far(result))
        self.recorder.add_steps(self.run_id, enumerate(curves.losses, 1))
        self.recorder.add_points(self.run_id, keys.VAL_LOSS, curves.evaluations.items())
        self.recorder.add_params(self.run_id, _best_params(result))
        from harness.search.plots import write_plots  # plotly and matplotlib take half a second

        with tempfile.TemporaryDirectory() as folder:
            title = f"{self.sweep_name}: {self.search.name}"
            if write_plots(log.study, Path(folder), title):
                self.recorder.add_folder(self.run_id, Path(folder), PLOTS)
        counts = {f"trials.{state}": str(result.states.get(state, 0)) for state in STATES}
        self.recorder.add_params(self.run_id, counts)
        words = _in_words(self.search, result)
        note = "\n\n".join(filter(None, (self.search.description, words)))
        tags = {keys.NUM_TRIALS: str(len(result.trials)), keys.NOTE: note}
        if result.best is not None and result.best.run_id is not None:
            tags[keys.BEST_RUN] = result.best.run_id
        self.recorder.end(self.run_id, Outcome("finished", tags=tags))
        self._has_ended = True
        for run in trials:
            if run.tags.get(keys.PARENT_RUN_ID) != self.run_id:
                self.recorder.set_tag(run.run_id, keys.PARENT_RUN_ID, self.run_id)
        if self._known is not None and self._known.run_id != self.run_id:
            self.recorder.supersede(self._known.run_id, self.run_id)

    def give_up(self) -> None:
        """End a parent whose search was stopped: it is gone on with by the next call.

        One that has ended stays so: a signal that came meanwhile was held back until then.
        """
        if not self._has_ended:
            self.recorder.end(self.run_id, Outcome("killed"))

    def _to_record(self) -> RunToRecord:
        search, config = self.search, self.search.config
        base = {
            path: value
            for path, value in search.base.flat().items()
            if path not in config.space.paths
        }
        settings = {
            "search.metric": " ".join(config.metric),
            "search.direction": " ".join(config.direction),
            "search.sampler": config.sampler.model_dump_json(),
            "search.pruner": config.pruner.model_dump_json(),
            "search.parallel": str(config.parallel),
            "search.study": self.study,
        }
        return RunToRecord(
            name=search.name,
            sweep=self.sweep_name,
            experiment=search.name,
            kind="search",
            params={**base, **settings},
            tags={keys.STUDY: self.study},
            description=search.description,
        )


def _in_words(search: Search, result: SearchResult) -> str:
    """What the search is and came to, as Markdown: MLflow shows it above the record."""
    config = search.config
    aims = [f"{way} `{m}`" for way, m in zip(config.direction, config.metric, strict=True)]
    varied = ", ".join(f"`{path}`" for path in config.space.paths)
    ended = ", ".join(f"{count} {state}" for state, count in result.states.items())
    best = best_text(result)
    return (
        f"Search by {config.sampler.name} over {varied}, to {' and '.join(aims)}: "
        f"{len(result.trials)} trials ({ended})." + (f" Best: {best}." if best else "")
    )


def best_so_far(result: SearchResult) -> list[tuple[int, float]]:
    """The best value of one metric among the trials up to each, by trial number."""
    if len(result.directions) > 1:
        return []
    better = min if result.directions[0] == "minimize" else max
    found: list[tuple[int, float]] = []
    for trial in result.trials:
        if trial.is_finite:
            best = better(trial.values[0], found[-1][1]) if found else trial.values[0]
            found.append((trial.number, best))
    return found


def _best_params(result: SearchResult) -> dict[str, str]:
    best = result.best
    if best is None:
        return {}
    shown = {
        f"best.{path}": value if isinstance(value, str) else compact(value)
        for path, value in best.params.items()
    }
    return {**shown, "best.value": f"{best.values[0]:.17g}", BEST_TRIAL: str(best.number)}

"""The trials of searches, and their best ones, as runs to be compared.

A trial whose settings the store has is not trained: the record of another name shows it, and it
belongs to the search all the same.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from harness.comparison.source import Source
from harness.report.rows import ComparedRun
from harness.search.parents import of_study
from harness.spec.names import is_trial_name, trial_name
from harness.tracking import keys
from harness.tracking.read import StoredRun


def best_trials(
    records: Sequence[StoredRun], studies: Container[str] | None = None
) -> list[ComparedRun]:
    """A row for each search, of the store or of some studies: its best trial's run."""
    runs = {record.run_id: record for record in records}
    return [
        ComparedRun(f"{parent.name} (best)", parent.experiment, best, row=parent.run_id)
        for parent in _search_parents(records)
        if studies is None or parent.tags.get(keys.STUDY) in studies
        if (best := runs.get(parent.tags.get(keys.BEST_RUN, ""))) is not None
    ]


def declared_trials(source: Source) -> list[ComparedRun]:
    """Every trial of a sweep file's searches, as a run of the search.

    The study knows them all; those that have not ended, or of which the study is lost, are known
    by their records alone.
    """
    records = {record.run_id: record for record in source.records}
    compared = []
    for found in source.searches:
        search, names = found.search.name, dict[str, str]()
        for trial in found.result.trials:
            if trial.run_id is not None:
                names.setdefault(trial.run_id, trial_name(search, trial.number))
        for run in of_study(source.records, found.result.study, "run"):
            names.setdefault(run.run_id, run.name)
        compared += [
            ComparedRun(name, search, records[run_id], row=run_id)
            for run_id, name in names.items()
            if run_id in records  # a study may outlive the store
        ]
    return compared


def all_trials(records: Sequence[StoredRun]) -> list[ComparedRun]:
    """Every trial of the store's searches, as a run of the search: each run once, also where the
    search was changed and its older studies have parents of their own."""
    compared: dict[tuple[str, str, str], ComparedRun] = {}
    for parent in _search_parents(records):
        for run in records:
            name = _name_as_trial(run, parent)
            if name is not None:
                key = (parent.sweep, parent.name, run.run_id)
                compared.setdefault(key, ComparedRun(name, parent.name, run, row=run.run_id))
    return list(compared.values())


def _name_as_trial(run: StoredRun, parent: StoredRun) -> str | None:
    """What a run is called as a trial of a search; None where it is none."""
    if run.kind != "run":
        return None
    if run.tags.get(keys.STUDY) == parent.tags.get(keys.STUDY, ""):
        return run.name
    names = (alias.run for alias in run.aliases if alias.sweep == parent.sweep)
    return next((name for name in names if is_trial_name(name, parent.name)), None)


def _search_parents(records: Sequence[StoredRun]) -> list[StoredRun]:
    return [each for each in records if each.kind == "search" and each.superseded_by is None]

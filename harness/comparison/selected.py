"""What of a sweep file, or of a store, is compared: its rows, and how their curves are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from harness.errors import NothingMatched, UsageError, nearest, show
from harness.report.rows import ComparedRun, Curve, Row, rows_of, with_seed_groups
from harness.search.parents import of_study
from harness.spec.load import load_sweep
from harness.sweep import plan_sweep
from harness.tracking import keys
from harness.tracking.read import StoredRun, find_runs, histories
from harness.tracking.store import Store, open_store


class Curves:
    """A metric's values by step, of runs that are read all at once, when the first is asked for."""

    def __init__(self, store: Store, run_ids: Sequence[str]) -> None:
        self.store, self.run_ids = store, run_ids
        self._known: dict[str, dict[str, dict[int, float]]] = {}

    def __call__(self, run_id: str, metric: str) -> Curve:
        """Of one of the runs."""
        if metric not in self._known:
            self._known[metric] = histories(self.store, self.run_ids, metric)
        return self._known[metric].get(run_id, {})


@dataclasses.dataclass(frozen=True)
class Selected:
    """The rows with their curves, and the names that are declared but not in the store yet."""

    rows: tuple[Row, ...]
    curve_of: Curves
    missing: tuple[str, ...] = ()

    def named(self, name: str) -> tuple[Row, ...]:
        """The rows that a name means: a row's own, or those of an experiment.

        Raises UsageError where it means none.
        """
        found = [row for row in self.rows if row.name == name]
        found = found or [row for row in self.rows if row.experiment == name]
        if found:
            return tuple(found)
        known = {each for row in self.rows for each in (row.name, row.experiment)}
        near = nearest(name, known)
        hint = f"; did you mean {show(near)}?" if near else ""
        experiments = ", ".join(dict.fromkeys(show(row.experiment) for row in self.rows))
        raise UsageError(f"no row is called {show(name)}{hint} (experiments: {experiments})")


def select(file: str | Path | None, tracking_uri: str | None, *, trials: bool = False) -> Selected:
    """What of a sweep file, or of the whole store, is there to be compared.

    Of a search that is its best trial's run; with ``trials`` every trial instead. Raises
    StoreError where there is no store, NothingMatched where there is no run in it.
    """
    sweep = load_sweep(file) if file is not None else None
    store = open_store(tracking_uri, create=False)
    records = find_runs(store)
    missing: tuple[str, ...] = ()
    if sweep is None:
        runs = _all_runs(records)
    else:
        planned = plan_sweep(sweep, tracking_uri=tracking_uri)
        missing = tuple(run.name for run in planned if run.stored is None)
        runs = [
            ComparedRun(
                run.name,
                run.declared.experiment,
                run.stored,
                run.declared.group if run.declared.seed_index is not None else None,
            )
            for run in planned
            if run.stored is not None
        ]
    name = sweep.name if sweep is not None else None
    runs += _trials(records, name) if trials else _searches(records, name)
    if not runs:
        raise NothingMatched("none of the runs is in the store yet: run `harness run FILE` first")
    ids = list(dict.fromkeys(run.record.run_id for run in runs))
    return Selected(tuple(rows_of(with_seed_groups(runs))), Curves(store, ids), missing)


def _all_runs(records: Sequence[StoredRun]) -> list[ComparedRun]:
    """Every run that is not superseded, under its own name, each group of seeds whole.

    A group's parent lists its members: a seed that another name trained first belongs to the group
    and stands in a row of its own too. Sweeps of one store may use a name twice, and so does a run
    whose settings were changed.
    """
    runs = {r.run_id: r for r in records if r.kind == "run" and r.superseded_by is None}
    compared, grouped = [], set()
    for parent in records:
        if parent.kind == "group" and parent.superseded_by is None:
            ids = parent.tags.get(keys.MEMBER_RUNS, "").split()
            members = [runs[run_id] for run_id in ids if run_id in runs]
            compared += [
                ComparedRun(run.name, parent.experiment, run, parent.name, parent.run_id)
                for run in members
            ]
            grouped |= {r.run_id for r in members if _is_under(r, parent)}
    alone = [
        run for run in runs.values() if run.run_id not in grouped and keys.TRIAL not in run.tags
    ]
    return compared + [ComparedRun(run.name, run.experiment, run, row=run.run_id) for run in alone]


def _searches(records: Sequence[StoredRun], sweep: str | None) -> list[ComparedRun]:
    """A row for each search, of the store or of one sweep: its best trial's run."""
    runs = {record.run_id: record for record in records}
    return [
        ComparedRun(f"{parent.name} (best)", parent.experiment, best, row=parent.run_id)
        for parent in _search_parents(records, sweep)
        if (best := runs.get(parent.tags.get(keys.BEST_RUN, ""))) is not None
    ]


def _trials(records: Sequence[StoredRun], sweep: str | None) -> list[ComparedRun]:
    """Every trial of the searches, of the store or of one sweep, as a run of the search."""
    return [
        ComparedRun(run.name, parent.name, run, row=run.run_id)
        for parent in _search_parents(records, sweep)
        for run in of_study(records, parent.tags.get(keys.STUDY, ""), "run")
    ]


def _search_parents(records: Sequence[StoredRun], sweep: str | None) -> list[StoredRun]:
    return [
        record
        for record in records
        if record.kind == "search" and record.superseded_by is None
        if sweep is None or record.sweep == sweep
    ]


def _is_under(run: StoredRun, parent: StoredRun) -> bool:
    return run.tags.get(keys.PARENT_RUN_ID) == parent.run_id

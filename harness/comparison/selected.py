"""What of a sweep file, or of a store, is compared: its rows, and how their curves are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from harness.comparison.source import Curves, Source
from harness.comparison.trials import all_trials, best_trials, declared_trials
from harness.errors import NothingMatched, UsageError, nearest, show
from harness.report.rows import ComparedRun, Row, rows_of, with_seed_groups
from harness.tracking import keys
from harness.tracking.read import StoredRun


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


def select(source: Source, *, trials: bool = False) -> Selected:
    """What of a sweep file, or of the whole store, is there to be compared.

    Of a search that is its best trial's run; with ``trials`` every trial instead. Raises
    NothingMatched where there is no run of it.
    """
    sweep, records = source.sweep, source.records
    if sweep is None:
        runs = _all_runs(records)
        runs += all_trials(records) if trials else best_trials(records)
    else:
        runs = _declared_runs(source)
        runs += declared_trials(source) if trials else best_trials(records, source.studies())
    if not runs:
        raise NothingMatched("none of the runs is in the store yet: run `harness run FILE` first")
    rows = rows_of(with_seed_groups(runs, by_sweep=sweep is None))
    missing = tuple(run.name for run in source.runs if run.stored is None)
    return Selected(tuple(rows), source.curves.among(run_ids(rows)), missing)


def run_ids(rows: Iterable[Row]) -> list[str]:
    """The ids of the runs of some rows."""
    return [run.record.run_id for row in rows for run in row.runs]


def _declared_runs(source: Source) -> list[ComparedRun]:
    """The runs of a sweep file that are in the store, each under its own name."""
    return [
        ComparedRun(
            run.name,
            run.declared.experiment,
            run.stored,
            run.declared.group if run.declared.seed_index is not None else None,
        )
        for run in source.runs
        if run.stored is not None
    ]


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


def _is_under(run: StoredRun, parent: StoredRun) -> bool:
    return run.tags.get(keys.PARENT_RUN_ID) == parent.run_id

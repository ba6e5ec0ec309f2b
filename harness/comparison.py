"""The comparison of a sweep's runs, or of everything in a store: from a file to a DataFrame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import NothingMatched, UsageError, nearest, show
from harness.report.compare import ComparedRun, Curve, CurveBand, bands, table
from harness.spec.load import load_sweep
from harness.spec.metrics import METRICS
from harness.sweep import plan_sweep
from harness.tracking import keys
from harness.tracking.read import StoredRun, find_runs, history
from harness.tracking.store import Store, open_store

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The ranked table, the curves of its rows, and the names declared but not in the store."""

    frame: DataFrame
    bands: list[CurveBand]
    metric: str
    missing: tuple[str, ...] = ()


def compare(
    file: str | Path | None = None,
    *,
    tracking_uri: str | None = None,
    metric: str = keys.TRAIN_LOSS,
    at: Sequence[int] = (),
) -> DataFrame:
    """The runs of a sweep file, or all of the store, as a ranked DataFrame.

    The columns are those of `harness.report.compare`; ``at`` adds one for each step.

    Raises StoreError where there is no store, NothingMatched where there is no run in it.
    """
    return comparison(file, tracking_uri=tracking_uri, metric=metric, at=at).frame


def comparison(
    file: str | Path | None = None,
    *,
    tracking_uri: str | None = None,
    metric: str = keys.TRAIN_LOSS,
    at: Sequence[int] = (),
) -> Comparison:
    """`compare` with the curves behind the table."""
    _check_metric(metric, at)
    sweep = load_sweep(file) if file is not None else None
    store = open_store(tracking_uri, create=False)
    missing: tuple[str, ...] = ()
    if sweep is None:
        runs = _all_runs(find_runs(store))
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
        runs += _searches(find_runs(store), sweep.name)
    if not runs:
        raise NothingMatched("none of the runs is in the store yet: run `harness run FILE` first")
    curve_of = _curves(store)
    frame = table(runs, curve_of, metric=metric, steps=at)
    return Comparison(frame, bands(runs, curve_of, metric), metric, missing)


def _check_metric(metric: str, at: Sequence[int]) -> None:
    if metric not in METRICS:
        near = nearest(metric, METRICS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"no run logs the metric {show(metric)}{hint} ({', '.join(METRICS)})")
    for step in at:
        if step < 1:
            raise UsageError(f"--at {step}: steps count from 1")


def _all_runs(records: Sequence[StoredRun]) -> list[ComparedRun]:
    """Every run that is not superseded, under its own name, each group of seeds whole, and of each
    search the best trial.

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
    compared += [ComparedRun(run.name, run.experiment, run, row=run.run_id) for run in alone]
    return compared + _searches(records)


def _searches(records: Sequence[StoredRun], sweep: str | None = None) -> list[ComparedRun]:
    """A row for each search, of the store or of one sweep: its best trial's run."""
    runs = {record.run_id: record for record in records}
    return [
        ComparedRun(f"{parent.name} (best)", parent.experiment, best, row=parent.run_id)
        for parent in records
        if parent.kind == "search" and parent.superseded_by is None
        if sweep is None or parent.sweep == sweep
        if (best := runs.get(parent.tags.get(keys.BEST_RUN, ""))) is not None
    ]


def _is_under(run: StoredRun, parent: StoredRun) -> bool:
    return run.tags.get(keys.PARENT_RUN_ID) == parent.run_id


def _curves(store: Store) -> Callable[[str, str], Curve]:
    known: dict[tuple[str, str], Curve] = {}

    def curve_of(run_id: str, metric: str) -> Curve:
        key = (run_id, metric)
        if key not in known:
            known[key] = history(store, run_id, metric)
        return known[key]

    return curve_of

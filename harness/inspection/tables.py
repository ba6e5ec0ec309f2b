"""Runs, and their metrics by step, as tidy DataFrames.

A row of `history_frame` is one value of one metric, in these columns:

    sweep     the sweep that the run belongs to
    name      the run's name there
    run_id    its id
    metric    the metric's name
    step      the optimizer step, from 1 (of `search/best_value` the trial's number, from 0)
    value     the metric's value

A row of `runs_frame` is one record. Its columns are `RUN_COLUMNS`, which mean what the keys of
`harness ls --json` mean, then one for the last value of each metric, then one for each setting
under its dotted path: numbers where all of them are, else text. What is not there is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.inspection.listing import number, to_json
from harness.spec.metrics import TRAIN_LOSS, check_metric
from harness.tracking.read import StoredRun, all_histories, find_runs
from harness.tracking.resolve import choose_run
from harness.tracking.store import Store, open_store

if TYPE_CHECKING:
    from pandas import DataFrame

HISTORY_COLUMNS = ("sweep", "name", "run_id", "metric", "step", "value")
RUN_COLUMNS = (
    *("name", "sweep", "experiment", "kind", "run_id", "status", "fingerprint", "engine"),
    *("claims", "started", "ended", "seconds", "n_runs", "n_trials", "best_value", "trial"),
    *("study", "parent_run_id", "superseded_by", "error"),
)
WHOLE = frozenset({"n_runs", "n_trials", "trial"})
REAL = frozenset({"seconds", "best_value"})


def history(
    run_or_runs: str | Sequence[str],
    metric: str | Sequence[str] = TRAIN_LOSS,
    *,
    tracking_uri: str | None = None,
) -> DataFrame:
    """A metric of one run or of several, step by step, or several metrics; see `HISTORY_COLUMNS`.

    Runs are given by their names, ids or beginnings of ids.

    >>> harness.history("adamw").value.min()  # doctest: +SKIP

    Raises UsageError for a name that no run bears and for a metric that none of the runs has,
    StoreError where there is no store.
    """
    store = open_store(tracking_uri, create=False)
    names = [run_or_runs] if isinstance(run_or_runs, str) else run_or_runs
    stored = find_runs(store)
    runs = [choose_run(stored, name) for name in names]
    return history_frame(store, runs, [metric] if isinstance(metric, str) else metric)


def history_frame(
    store: Store, runs: Sequence[StoredRun], metrics: Sequence[str] = ()
) -> DataFrame:
    """The values of some metrics, or of all, of the runs in their order; by metric and step."""
    import numpy as np
    import pandas as pd

    logged = [name for run in runs for name in run.metrics]
    for name in metrics:
        check_metric(name, logged, nobody="none of the runs has the metric")
    owners: list[tuple[str, str, str, str]] = []
    lengths: list[int] = []
    steps: list[int] = []
    values: list[float] = []
    for run in runs:
        curves = all_histories(store, run)
        for metric in metrics or sorted(curves):
            curve = curves.get(metric, {})
            owners.append((run.sweep, run.name, run.run_id, metric))
            lengths.append(len(curve))
            steps += curve.keys()
            values += curve.values()
    columns = list(zip(*owners, strict=True)) or [()] * 4
    frame = pd.DataFrame(
        {
            name: np.repeat(np.array(column, dtype=object), lengths)
            for name, column in zip(HISTORY_COLUMNS, columns, strict=False)
        },
        dtype="string",
    )
    frame["step"] = np.array(steps, dtype="int64")
    frame["value"] = np.array(values, dtype="float64")
    return frame


def runs_frame(runs: Sequence[StoredRun], within: Mapping[str, int]) -> DataFrame:
    """The records as rows, in their order; ``within`` is what `listing.numbers_within` gave."""
    import pandas as pd

    told = [to_json(run, within.get(run.run_id)) for run in runs]
    columns: dict[str, Any] = {
        name: pd.Series([row[name] for row in told], dtype=_dtype(name)) for name in RUN_COLUMNS
    }
    for metric in sorted({metric for run in runs for metric in run.metrics} - columns.keys()):
        values = [run.metrics.get(metric) for run in runs]
        columns[metric] = pd.Series(values, dtype="float64")
    for path in dict.fromkeys(path for run in runs for path in run.params):
        if path not in columns:
            columns[path] = _setting([run.params.get(path) for run in runs])
    return pd.DataFrame(columns)


def _dtype(name: str) -> str:
    return "Int64" if name in WHOLE else "float64" if name in REAL else "string"


def _setting(texts: Sequence[str | None]) -> Any:
    """A setting's values as numbers, whole ones as such, where all that are there are numbers."""
    import pandas as pd

    numbers = [number(text) for text in texts]
    if any((text is None) != (value is None) for text, value in zip(texts, numbers, strict=True)):
        return pd.Series(texts, dtype="string")
    whole = all(value is None or isinstance(value, int) for value in numbers)
    fits = all(value is None or abs(value) < 2**63 for value in numbers)
    return pd.Series(numbers, dtype="Int64" if whole and fits else "float64")

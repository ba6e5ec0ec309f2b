"""Records as rows: what `harness ls` shows of each, and in which order.

`COLUMNS` says what each column is and how it is read off a record; a new one is a line there. A
row can be sorted by any of them, by a setting's dotted path, and by a metric.
"""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import UsageError, nearest, show
from harness.spec.metrics import METRICS
from harness.spec.settings import SETTINGS
from harness.tracking import keys
from harness.tracking.read import StoredRun

Value = str | float | int | None
BEST = "best."  # in front of the params that say what a search found


def best_value(run: StoredRun) -> float | None:
    """The value of a search's best trial, None without one."""
    value = number(run.params.get(f"{BEST}value"))
    return None if value is None else float(value)


def best_point(run: StoredRun) -> dict[str, Value]:
    """The settings of a search's best trial."""
    return {
        path.removeprefix(BEST): value if (parsed := number(value)) is None else parsed
        for path, value in run.params.items()
        if path.startswith(BEST) and path not in (f"{BEST}value", f"{BEST}trial")
    }


def best_text(run: StoredRun) -> str:
    """A search's best value and where it was found, in a line; empty without one."""
    value = best_value(run)
    if value is None:
        return ""
    point = best_point(run).items()
    shown = [f"{path}={v:.4g}" if isinstance(v, float) else f"{path}={v}" for path, v in point]
    return f"{value:.4g} at {', '.join(shown)}"


def number(text: str | None) -> int | float | None:
    """The finite number that a setting's text is, None for any other text."""
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


COLUMNS: Mapping[str, Callable[[StoredRun], Value]] = {
    "name": lambda run: run.name,
    "sweep": lambda run: run.sweep,
    "experiment": lambda run: run.experiment,
    "kind": lambda run: run.kind,
    "state": lambda run: run.state,
    "engine": lambda run: run.engine,
    "loss": lambda run: run.metrics.get(keys.TRAIN_LOSS),
    "claims": lambda run: claims(run),
    "best": best_value,
    "started": lambda run: run.start_time,
    "took": lambda run: run.seconds,
    "id": lambda run: run.run_id,
}


def claims(run: StoredRun) -> str | None:
    """`passed` or `failed`; None for a run about which nothing is claimed."""
    verdict = run.tags.get(keys.EXPECT)
    return None if verdict == keys.EXPECT_NONE else verdict


def value_of(run: StoredRun, column: str) -> Value:
    """What a row holds in a column, which may be a setting's path or a metric too."""
    if column in COLUMNS:
        return COLUMNS[column](run)
    if column in run.metrics:
        return run.metrics[column]
    text = run.params.get(column)
    return text if (parsed := number(text)) is None else parsed


def check_column(column: str, runs: Sequence[StoredRun]) -> None:
    """Raises UsageError for a column that there is not, nor a setting or a metric of that name."""
    known = {*COLUMNS, *SETTINGS, *METRICS}
    if column in known or any(column in run.params or column in run.metrics for run in runs):
        return
    near = nearest(column, known)
    hint = f"; did you mean {near}?" if near else ""
    raise UsageError(
        f"no column, setting or metric is called {show(column)}{hint} (columns: "
        f"{', '.join(COLUMNS)})"
    )


def ordered(
    runs: Sequence[StoredRun], column: str | None = None, *, reverse: bool = False
) -> list[StoredRun]:
    """The rows in ascending order of a column, else the newest first; ``reverse`` turns that.

    What has no value stands last either way. Raises UsageError for an unknown column.
    """
    if column is None:
        return sorted(runs, key=lambda run: run.start_time, reverse=not reverse)
    check_column(column, runs)
    keyed = [(_order(value_of(run, column)), run) for run in runs]
    there = [(key, run) for key, run in keyed if key is not None]
    there.sort(key=lambda pair: pair[0], reverse=reverse)
    return [run for _, run in there] + [run for key, run in keyed if key is None]


def _order(value: Value) -> tuple[bool, float, str] | None:
    """Numbers before text, and None where there is nothing to order by."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def numbers_within(runs: Sequence[StoredRun]) -> dict[str, int]:
    """How many runs each group has, and trials each search, by run id; ``runs``: the store's."""
    found = {}
    trials = Counter(run.tags.get(keys.STUDY) for run in runs if keys.TRIAL in run.tags)
    for run in runs:
        if run.kind == "group":
            found[run.run_id] = len(run.tags.get(keys.MEMBER_RUNS, "").split())
        elif run.kind == "search":  # the tag is written at the search's end
            counted = trials[run.tags.get(keys.STUDY)]
            found[run.run_id] = int(number(run.tags.get(keys.NUM_TRIALS)) or counted)
    return found


def to_json(run: StoredRun, num_within: int | None) -> dict[str, Any]:
    """A record as `--json` prints it; what is not finite, or not there, is null."""
    return {
        "name": run.name,
        "aliases": [{"sweep": alias.sweep, "name": alias.run} for alias in run.aliases],
        "sweep": run.sweep,
        "experiment": run.experiment,
        "kind": run.kind,
        "run_id": run.run_id,
        "status": run.state,
        "fingerprint": run.fingerprint,
        "engine": run.engine,
        "final_loss": finite(run.metrics.get(keys.TRAIN_LOSS)),
        "claims": claims(run),
        "metrics": {key: finite(value) for key, value in run.metrics.items()},
        "settings": dict(run.params),
        "started": iso_time(run.start_time),
        "ended": iso_time(run.end_time),
        "seconds": run.seconds,
        "n_runs": num_within if run.kind == "group" else None,
        "n_trials": num_within if run.kind == "search" else None,
        "best_value": best_value(run),
        "best_params": best_point(run),
        "best_run_id": run.tags.get(keys.BEST_RUN),
        "trial": number(run.tags.get(keys.TRIAL)),
        "study": run.tags.get(keys.STUDY),
        "parent_run_id": run.tags.get(keys.PARENT_RUN_ID),
        "superseded_by": run.superseded_by,
        "error": run.tags.get(keys.ERROR),
    }


def finite(value: float | None) -> float | None:
    """The value where it is finite, as JSON can say it."""
    return value if value is not None and math.isfinite(value) else None


def iso_time(milliseconds: int | None) -> str | None:
    """A time as `2026-01-02T03:04:05.678Z`."""
    if milliseconds is None:
        return None
    time = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"

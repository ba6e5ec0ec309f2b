"""Runs side by side: one row a run, or one row a group of seeds, ranked by their final value.

The table is a DataFrame with these columns, always in this order:

    name            the run's name, or the group's
    experiment      the experiment that it belongs to
    state           of the run; of a group `finished` when all of it is, else what the others are
    n               runs in the row
    final           the metric at the last step; of a group the mean over those that finished
    low, high       the 95 % t interval of a group's mean; NaN for a single run
    step N          the metric at step N, for each step asked for (of a group the mean)
    perplexity      exp(final), where the metric is a loss
    <dotted path>   one column for each setting in which rows differ, as text
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.report.statistics import t_interval
from harness.tracking.read import StoredRun

if TYPE_CHECKING:
    from pandas import DataFrame

Curve = Mapping[int, float]
HIGHER_IS_BETTER = frozenset({"eval/next_token_accuracy"})
LOSSES = frozenset({"train/loss", "val/loss"})
_NOT_SETTINGS = ("train.log_every", "checkpoint.")  # they decide no number


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """A run under the name it is compared by; ``group`` is its group's name where it has seeds.

    ``row`` tells rows of one name apart, as a store may hold them; runs of a group share it.
    """

    name: str
    experiment: str
    record: StoredRun
    group: str | None = None
    row: str = ""


@dataclasses.dataclass(frozen=True)
class CurveBand:
    """What a row looks like over the steps: the mean, and the lowest and highest of its runs."""

    name: str
    mean: Curve
    low: Curve
    high: Curve


def grouped(runs: Sequence[ComparedRun]) -> list[tuple[str, list[ComparedRun]]]:
    """The rows' names and their runs, in order."""
    rows: dict[tuple[str, str], list[ComparedRun]] = {}
    for run in runs:
        rows.setdefault((run.group or run.name, run.row), []).append(run)
    return [(name, members) for (name, _), members in rows.items()]


def table(
    runs: Sequence[ComparedRun],
    curve_of: Callable[[str, str], Curve],
    *,
    metric: str = "train/loss",
    steps: Sequence[int] = (),
) -> DataFrame:
    """The comparison as a DataFrame, best first; ``curve_of`` maps run id and metric to values."""
    import pandas as pd  # 0.8 s; only what makes a table needs it

    rows = [_row(name, members, curve_of, metric, steps) for name, members in grouped(runs)]
    settings = _differing_settings([members for _, members in grouped(runs)])
    columns = ["name", "experiment", "state", "n", "final", "low", "high"]
    columns += [f"step {step}" for step in steps]
    columns += ["perplexity"] if metric in LOSSES else []
    frame = pd.DataFrame(rows, columns=columns)
    for path, values in settings.items():
        frame[path] = values
    ascending = metric not in HIGHER_IS_BETTER
    ranked = frame.sort_values("final", ascending=ascending, na_position="last", kind="stable")
    return ranked.reset_index(drop=True)


def bands(
    runs: Sequence[ComparedRun], curve_of: Callable[[str, str], Curve], metric: str = "train/loss"
) -> list[CurveBand]:
    """The curves of the rows, in the order of the runs; rows without a value are left out."""
    found = []
    for name, members in grouped(runs):
        curves = [curve_of(run.record.run_id, metric) for run in members]
        steps = sorted(set(curves[0]).intersection(*curves[1:]))
        if steps:
            columns = {step: [curve[step] for curve in curves] for step in steps}
            mean = {step: math.fsum(values) / len(values) for step, values in columns.items()}
            low = {step: min(values) for step, values in columns.items()}
            high = {step: max(values) for step, values in columns.items()}
            found.append(CurveBand(name, mean, low, high))
    return found


def to_json_rows(frame: DataFrame) -> list[dict[str, Any]]:
    """The rows as `--json` prints them; what is not finite is null."""
    rows = frame.to_dict(orient="records")
    return [{str(key): _json_value(value) for key, value in row.items()} for row in rows]


def _row(
    name: str,
    members: Sequence[ComparedRun],
    curve_of: Callable[[str, str], Curve],
    metric: str,
    steps: Sequence[int],
) -> dict[str, Any]:
    finished = [run for run in members if run.record.state == "finished"]
    curves = [curve_of(run.record.run_id, metric) for run in finished]
    finals = [curve[max(curve)] for curve in curves if curve]
    states = list(dict.fromkeys(run.record.state for run in members))
    row: dict[str, Any] = {
        "name": name,
        "experiment": members[0].experiment,
        "state": ", ".join(states),
        "n": len(members),
        **_interval_cells(finals),
    }
    for step in steps:
        values = [curve[step] for curve in curves if step in curve]
        row[f"step {step}"] = sum(values) / len(values) if values else math.nan
    row["perplexity"] = math.exp(row["final"]) if row["final"] < 700 else math.nan
    return row


def _interval_cells(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {"final": math.nan, "low": math.nan, "high": math.nan}
    interval = t_interval(values)
    return {"final": interval.mean, "low": interval.low, "high": interval.high}


def _differing_settings(rows: Sequence[Sequence[ComparedRun]]) -> dict[str, list[str]]:
    """The values of the telling settings, a column each; in a group only what it shares."""
    shared = [_shared_params([run.record.params for run in members]) for members in rows]
    return {path: [params.get(path, "") for params in shared] for path in telling_settings(shared)}


def telling_settings(
    all_params: Sequence[Mapping[str, str]], *, first: Iterable[str] = ()
) -> list[str]:
    """The settings of which at least two rows that have them differ, those in ``first`` leading.

    A setting that one optimizer has and the other lacks tells nothing beyond the optimizer's name.
    """
    paths = dict.fromkeys([*first, *(path for params in all_params for path in params)])
    return [
        path
        for path in paths
        if not path.startswith(_NOT_SETTINGS)
        and len({params[path] for params in all_params if path in params}) > 1
    ]


def _shared_params(all_params: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = all_params
    return {
        path: value for path, value in first.items() if all(o.get(path) == value for o in others)
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return json.loads(json.dumps(value, default=lambda number: number.item()))

"""Runs side by side: one row a run, or one row a group of seeds, ranked by their final value.

The table is a DataFrame with these columns, always in this order:

    name            the run's name, or the group's
    experiment      the experiment that it belongs to
    state           of the run; of a group `finished` when all of it is, else what the others are
    n               runs in the row
    final           the metric at the last step; of a group the mean over those that finished
    low, high       the 95 % interval of a group's mean; NaN for a single run
    median          over a group's runs that finished; NaN for a single run
    best, worst     the ends of these, by what is better of the metric; NaN for a single run
    diverged        runs of the row whose loss became NaN or infinite: in no mean
    step N          the metric at step N, for each step asked for (of a group the mean)
    perplexity      exp(final), where the metric is a loss
    <dotted path>   one column for each setting in which rows differ, as text
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.report.bands import CurveOf
from harness.report.rows import Row
from harness.report.settings import telling_settings
from harness.report.statistics import FEW, INTERVALS, Method
from harness.spec.metrics import METRICS, TRAIN_LOSS

if TYPE_CHECKING:
    from pandas import DataFrame

_COLUMNS = ("name", "experiment", "state", "n", "final", "low", "high", "median", "best", "worst")


def table(
    rows: Sequence[Row],
    curve_of: CurveOf,
    *,
    metric: str = TRAIN_LOSS,
    steps: Sequence[int] = (),
    method: Method = "t",
) -> DataFrame:
    """The comparison as a DataFrame, best first; curves are asked for where ``steps`` are."""
    import pandas as pd  # 0.8 s; only what makes a table needs it

    cells = [_cells(row, curve_of, metric, steps, method) for row in rows]
    columns = [*_COLUMNS, "diverged", *(f"step {step}" for step in steps)]
    columns += ["perplexity"] if METRICS[metric].is_loss else []
    frame = pd.DataFrame(cells, columns=columns)
    shared = [row.settings for row in rows]
    settings = {path: [each.get(path, "") for each in shared] for path in telling_settings(shared)}
    frame = pd.concat([frame, pd.DataFrame(settings, index=frame.index)], axis=1)
    ascending = not METRICS[metric].more_is_better
    ranked = frame.sort_values("final", ascending=ascending, na_position="last", kind="stable")
    return ranked.reset_index(drop=True)


def warnings_of(rows: Sequence[Row], metric: str = TRAIN_LOSS) -> list[str]:
    """What a reader should know before believing the intervals."""
    few = [row.name for row in rows if len(row.runs) > 1 and 0 < len(row.finals(metric)) < FEW]
    if not few:
        return []
    named = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
    return [f"{named}: fewer than {FEW} seeds finished, and so an interval says little"]


def to_json_rows(frame: DataFrame) -> list[dict[str, Any]]:
    """The rows as `--json` prints them; what is not finite is null."""
    rows = frame.to_dict(orient="records")
    return [{str(key): json_value(value) for key, value in row.items()} for row in rows]


def json_value(value: Any) -> Any:
    """A value as JSON has it; what is not finite is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return json.loads(json.dumps(value, default=lambda number: number.item()))


def _cells(
    row: Row, curve_of: CurveOf, metric: str, steps: Sequence[int], method: Method
) -> dict[str, Any]:
    finals = list(row.finals(metric).values())
    cells: dict[str, Any] = {
        "name": row.name,
        "experiment": row.experiment,
        "state": ", ".join(dict.fromkeys(run.record.state for run in row.runs)),
        "n": len(row.runs),
        **_final_cells(finals, metric, method),
        "diverged": row.num_diverged,
    }
    if steps:
        finished = [run for run in row.runs if run.record.state == "finished"]
        curves = [curve_of(run.record.run_id, metric) for run in finished]
        for step in steps:
            values = [curve[step] for curve in curves if step in curve]
            cells[f"step {step}"] = statistics.fmean(values) if values else math.nan
    cells["perplexity"] = math.exp(cells["final"]) if cells["final"] < 700 else math.nan
    return cells


def _final_cells(finals: Sequence[float], metric: str, method: Method) -> dict[str, float]:
    cells = dict.fromkeys(("final", "low", "high", "median", "best", "worst"), math.nan)
    if not finals:
        return cells
    interval = INTERVALS[method](finals)
    cells |= {"final": interval.mean, "low": interval.low, "high": interval.high}
    if len(finals) > 1:
        ends = (min(finals), max(finals))
        best, worst = reversed(ends) if METRICS[metric].more_is_better else ends
        cells |= {"median": statistics.median(finals), "best": best, "worst": worst}
    return cells

"""One experiment, row or search against another: `harness compare FILE --versus A B`."""

from __future__ import annotations

import math
from pathlib import Path

from harness.comparison.selected import Selected, run_ids, select
from harness.comparison.source import open_source
from harness.errors import UsageError
from harness.report import versus as report
from harness.report.rows import Row
from harness.report.versus import Versus, best_row
from harness.spec.metrics import check_metric
from harness.tracking import keys


def versus(
    file: str | Path | None,
    a: str,
    b: str,
    *,
    tracking_uri: str | None = None,
    metric: str = keys.TRAIN_LOSS,
    target: float | None = None,
) -> Versus:
    """Compare two rows, or the best of two experiments; names are those of the table.

    ``target`` is the loss to be reached; see `harness.report.versus`.

    >>> harness.versus("experiments.yaml", "adamw", "sgd").sentence  # doctest: +SKIP

    Raises UsageError for a name that means no row and for two that mean the same runs, StoreError,
    NothingMatched.
    """
    check_metric(metric)
    selected = select(open_source(file, tracking_uri))
    return versus_of(selected, a, b, metric=metric, target=target)


def versus_of(
    selected: Selected, a: str, b: str, *, metric: str, target: float | None = None
) -> Versus:
    """`versus` of what was selected before."""
    if target is not None and not math.isfinite(target):
        raise UsageError(f"--target {target}: must be a finite number")
    rows_a, rows_b = selected.named(a), selected.named(b)
    if a == b:
        raise UsageError(f"--versus {a} {b}: must be two")
    best_a, best_b = best_row(rows_a, metric), best_row(rows_b, metric)
    if set(run_ids([best_a])) == set(run_ids([best_b])):
        raise UsageError(f"--versus {a} {b}: must be two, both are {_named(best_a)}")
    return report.versus((a, rows_a), (b, rows_b), selected.curve_of, metric=metric, target=target)


def _named(row: Row) -> str:
    count = len(row.runs)
    return f"the {count} runs of {row.name}" if count > 1 else f"the run {row.name}"

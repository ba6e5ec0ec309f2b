"""Final loss over the learning rate, from a matrix or from searches: `compare --sensitivity`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison.selected import Selected, run_ids, select
from harness.comparison.source import Source, open_source
from harness.errors import NothingMatched, UsageError
from harness.report.sensitivity import LrCurve, lr_curves, lr_families, to_rows
from harness.spec.metrics import METRICS, check_metric
from harness.tracking import keys

if TYPE_CHECKING:
    from pandas import DataFrame


def sensitivity(
    file: str | Path | None = None,
    *,
    tracking_uri: str | None = None,
    metric: str = keys.TRAIN_LOSS,
    between: tuple[float, float] | None = None,
) -> DataFrame:
    """A row for each set of runs, or of trials, that differ in `optimizer.lr` alone.

    The columns are `name`, the settings that tell the rows apart, `lrs` (how many learning rates),
    `from` and `to` (their range), `optimum` with `optimum_low` and `optimum_high`, `edge` (the end
    of the range that it is, if any), `best` (the loss there), `cliff` and `sensitivity`;
    `harness.report.sensitivity` says what they mean.

    Raises UsageError for a metric that is no loss and for a range that is none, NothingMatched
    where there are no two learning rates to compare, StoreError.
    """
    check_metric(metric)
    source = open_source(file, tracking_uri)
    return to_frame(sensitivity_curves(source, metric=metric, between=between))


def to_frame(curves: Sequence[LrCurve]) -> DataFrame:
    """The curves as `sensitivity` gives them."""
    import pandas as pd

    return pd.DataFrame(to_rows(curves))


def sensitivity_curves(
    source: Source, *, metric: str, between: tuple[float, float] | None = None
) -> list[LrCurve]:
    """`sensitivity` with the points of each curve."""
    if not METRICS[metric].is_loss:
        losses = " or ".join(name for name, about in METRICS.items() if about.is_loss)
        raise UsageError(f"--sensitivity is about a loss: {losses}, got {metric}")
    if between is not None and not 0 < between[0] < between[1]:
        raise UsageError(
            f"--between {between[0]:g} {between[1]:g}: must be two learning rates, the lower first"
        )
    curves = curves_of(select(source, trials=True), metric=metric, between=between)
    if not curves:
        raise NothingMatched(
            "no two runs that finished differ in optimizer.lr alone: sweep it in a matrix or in a "
            "search"
        )
    return curves


def curves_of(
    selected: Selected, *, metric: str, between: tuple[float, float] | None = None
) -> list[LrCurve]:
    """The curves of rows with all trials; none where no two learning rates are to be compared."""
    swept = [row for family in lr_families(selected.rows, between) for row in family.points]
    curve_of = selected.curve_of.among(run_ids(swept))  # others' trials may be thousands
    return lr_curves(swept, curve_of, metric=metric, between=between)

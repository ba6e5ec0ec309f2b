"""The comparison of a sweep's runs, or of everything in a store, as a DataFrame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison.selected import Selected, select
from harness.comparison.source import Source, open_source
from harness.errors import UsageError
from harness.report.bands import CurveBand, bands
from harness.report.compare import table, warnings_of
from harness.report.statistics import Method
from harness.spec.metrics import check_metric
from harness.tracking import keys

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The ranked table, what it was made of, and what a reader should know of it."""

    frame: DataFrame
    source: Source
    selected: Selected
    metric: str
    warnings: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that are declared but not in the store yet."""
        return self.selected.missing

    def bands(self) -> list[CurveBand]:
        """The curves of the rows, in the order of the file."""
        return bands(self.selected.rows, self.selected.curve_of, self.metric)


def compare(
    file: str | Path | None = None,
    *,
    tracking_uri: str | None = None,
    metric: str = keys.TRAIN_LOSS,
    at: Sequence[int] = (),
    method: Method = "t",
) -> DataFrame:
    """The runs of a sweep file, or all of the store, as a ranked DataFrame.

    The columns are those of `harness.report.compare`; ``at`` adds one for each step. The intervals
    are Student's t, or the bootstrap's.

    Raises StoreError where there is no store, NothingMatched where there is no run in it.
    """
    return comparison(file, tracking_uri=tracking_uri, metric=metric, at=at, method=method).frame


def comparison(
    file: str | Path | None = None,
    *,
    tracking_uri: str | None = None,
    metric: str = keys.TRAIN_LOSS,
    at: Sequence[int] = (),
    method: Method = "t",
) -> Comparison:
    """`compare` with what is behind the table."""
    check_metric(metric)
    for step in at:
        if step < 1:
            raise UsageError(f"--at {step}: steps count from 1")
    return comparison_of(open_source(file, tracking_uri), metric=metric, at=at, method=method)


def comparison_of(
    source: Source, *, metric: str, at: Sequence[int] = (), method: Method = "t"
) -> Comparison:
    """`comparison` of what was opened before."""
    selected, steps = select(source), list(dict.fromkeys(at))
    frame = table(selected.rows, selected.curve_of, metric=metric, steps=steps, method=method)
    warnings = [*warnings_of(selected.rows, metric), *_without_values(frame, steps, metric)]
    return Comparison(frame, source, selected, metric, tuple(warnings))


def _without_values(frame: DataFrame, steps: Sequence[int], metric: str) -> Iterator[str]:
    """What to say of the steps at which no row has a value: their columns are not printed."""
    for step in steps:
        if not frame[f"step {step}"].notna().any():
            yield f"--at {step}: no run has a {metric} at step {step:,}"

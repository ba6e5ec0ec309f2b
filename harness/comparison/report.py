"""A sweep file and its store to what a report tells: `harness report FILE`."""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.comparison.checked import checked_claims
from harness.comparison.compare import comparison_of
from harness.comparison.selected import select
from harness.comparison.sensitivity import curves_of
from harness.comparison.source import Source
from harness.report.contests import contests
from harness.report.page.content import Environment, Report
from harness.report.page.markdown import markdown_of
from harness.report.page.styles import Styles
from harness.report.plots import curves_figure, write_png
from harness.report.rows import ComparedRun
from harness.report.varied import varied
from harness.spec.load import load_sweep
from harness.spec.metrics import METRICS, check_metric
from harness.tracking import keys
from harness.tracking.environment import titled_facts
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.report_run import log_report
from harness.tracking.server import server_url
from harness.tracking.store import Store
from harness.tracking.told import redacted

UI_PORT = 5000
"""Where `harness ui` serves when nobody says."""


@dataclasses.dataclass(frozen=True)
class Gathered:
    """The report, and the store that it may be logged in."""

    report: Report
    store: Store


def gather(
    file: str | Path, *, tracking_uri: str | None = None, metric: str = keys.TRAIN_LOSS
) -> Gathered:
    """Everything that the store knows of a sweep file.

    Raises UsageError for an unknown metric, StoreError where there is no store, NothingMatched
    where none of the file's runs is in it.
    """
    check_metric(metric)
    sweep = load_sweep(file)
    source = Source(sweep, tracking_uri)
    made, every = comparison_of(source, metric=metric), select(source, trials=True)
    rows, curve_of, store = made.selected.rows, made.selected.curve_of, source.store
    runs = [run for row in every.rows for run in row.runs]
    names = [*(e.name for e in sweep.experiments), *(s.name for s in sweep.searches)]
    report = Report(
        sweep=sweep.name,
        description=sweep.description,
        file=str(file),
        metric=metric,
        made=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M UTC}",
        store=redacted(store.uri),
        ui=redacted(server_url(store, UI_PORT)),
        experiments=names,
        contests=contests(rows, curve_of, metric),
        claims=checked_claims(sweep, source.runs, source.searches, source.curves),
        frame=made.frame,
        warnings=made.warnings,
        bands=made.bands(),
        experiment_of={row.name: row.experiment for row in rows},
        lr_curves=curves_of(every, metric=metric) if METRICS[metric].is_loss else [],
        batch_curves=varied(rows, "train.batch_size", metric),
        runs=runs,
        missing=made.missing,
        environments=_environments(runs),
    )
    return Gathered(report, store)


def log_files(gathered: Gathered, page: str) -> str:
    """Keep the page in the sweep's MLflow experiment, with its Markdown and the best curves as a
    picture; the id of the run that holds them. Raises StoreError when that cannot be written."""
    report = gathered.report
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report.html").write_text(page, encoding="utf-8")
        (folder / "report.md").write_text(markdown_of(report), encoding="utf-8")
        bands = report.best_bands()
        styles = Styles(report.experiments, report.experiment_of)
        lines = styles.rows([band.name for band in bands])
        write_png(curves_figure(bands, report.metric, lines), folder / "curves.png")
        experiment_id = ensure_mlflow_experiment(gathered.store, report.sweep)
        return log_report(gathered.store, experiment_id, report.sweep, folder)


def _environments(runs: Sequence[ComparedRun]) -> list[Environment]:
    """The distinct ones, that of most runs first."""
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    for record in {run.record.run_id: run.record for run in runs}.values():
        facts = tuple(titled_facts(record.tags).items())
        counts[facts] = counts.get(facts, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return [Environment(count, dict(facts)) for facts, count in ranked]

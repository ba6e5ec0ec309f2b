"""`harness export [NAME]...`: runs and their metrics by step, as CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.files import check_folder
from harness.cli.options import (
    Engines,
    Kinds,
    Names,
    States,
    Sweeps,
    TrackingUri,
    WithSuperseded,
    WithTrials,
)
from harness.errors import UsageError, counted


def export(
    names: Names = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="PATH", help="Write a row a run, to .csv or .parquet."),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history", metavar="PATH", help="Write a row a step and metric, to .csv or .parquet."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Only this metric in the history; repeatable."),
    ] = None,
    sweep: Sweeps = None,
    state: States = None,
    kind: Kinds = None,
    engine: Engines = None,
    trials: WithTrials = False,
    all_: WithSuperseded = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Write the runs of the store, oldest first, or their curves, for other programs to read."""
    with reporting():
        from harness.report.table_file import write_table, writer_of

        if runs is None and history is None:
            raise UsageError("say what to write: --runs PATH, --history PATH or both")
        for flag, path in (("--runs", runs), ("--history", history)):
            check_folder(flag, path)
            if path is not None:
                writer_of(path)

        from harness.inspection.listing import numbers_within
        from harness.inspection.selection import Selection, select
        from harness.inspection.tables import history_frame, runs_frame
        from harness.tracking.read import find_runs
        from harness.tracking.store import open_store

        asked = (names, sweep, state, kind, engine)
        selection = Selection.of(*asked, with_trials=trials, with_superseded=all_)
        store = open_store(tracking_uri, create=False)
        found = find_runs(store)
        chosen = select(found, selection)
        if runs is not None:
            write_table(runs_frame(chosen, numbers_within(found)), runs)
            print(f"{runs}: {counted(len(chosen), 'row')}")
        if history is not None:
            frame = history_frame(store, chosen, metric or ())
            write_table(frame, history)
            print(f"{history}: {counted(len(frame), 'row')}")

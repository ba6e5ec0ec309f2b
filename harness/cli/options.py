"""Arguments and flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file.", show_default=False)]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="The MLflow store; by default mlruns/mlflow.db here.",
        show_default=False,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="GLOB", help="Only what this matches; repeatable."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; repeatable."),
]
MaxRuns = Annotated[
    int, typer.Option("--max-runs", min=1, help="The most runs a file may declare.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        max=1024,
        help="Processes that train; by default one a core where that saves time, else this one.",
        show_default=False,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Train runs again that are done; searches go on.")
]
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's name or id, or a checkpoint's path.", show_default=False
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Globs of names of runs, searches or experiments; all without one.",
        show_default=False,
    ),
]
Sweeps = Annotated[
    list[str] | None,
    typer.Option("--sweep", metavar="GLOB", help="Only of these sweeps; repeatable."),
]
States = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        help="Only running, finished, diverged, pruned, failed or killed; repeatable.",
    ),
]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="Only run, group or search; repeatable.")
]
Engines = Annotated[
    list[str] | None, typer.Option("--engine", help="Only bare, plain or stacked; repeatable.")
]
WithTrials = Annotated[bool, typer.Option("--trials", help="The trials of searches too.")]
WithSuperseded = Annotated[
    bool, typer.Option("--all", help="Records that a newer one replaced too.")
]

"""`harness run FILE`: train what is missing, check every claim, print one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.files import check_folder
from harness.cli.options import AsJson, File, Force, Jobs, MaxRuns, Only, Set, TrackingUri
from harness.spec.limits import MAX_RUNS

if TYPE_CHECKING:
    from harness.spec.sweep_file import Sweep


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be done; write nothing.")
]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="Start nothing after a run that failed.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for another sweep on this store to end.")]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write the claims as a JUnit file.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only what needs attention.")]


def run(
    file: File,
    only: Only = None,
    set_: Set = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    force: Force = False,
    fail_fast: FailFast = False,
    wait: Wait = False,
    junit: Junit = None,
    max_runs: MaxRuns = MAX_RUNS,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train every run of a sweep that is not done, check every claim, print one table.

    Exit code 0 when all is well, 1 when a run failed, 2 for a mistake in the call or the file,
    3 when a claim does not hold, 4 when nothing matched, 130 or 143 when stopped.
    """
    with reporting(as_json=as_json):
        from harness.spec.load import load_sweep

        check_folder("--junit", junit)
        sweep = load_sweep(file, overrides=set_ or (), only=only or (), max_runs=max_runs)
        if dry_run:
            _dry_run(sweep, only or [], force, jobs, tracking_uri, as_json, quiet)
            return
        from harness.cli.junit import write_junit
        from harness.cli.progress import progress_for
        from harness.cli.summary import print_summary
        from harness.sweep import run_sweep

        with progress_for(quiet=quiet or as_json) as observer:
            result = run_sweep(
                sweep,
                tracking_uri=tracking_uri,
                only=only or (),
                jobs=jobs,
                force=force,
                fail_fast=fail_fast,
                wait=wait,
                observer=observer,
            )
        if junit is not None:
            write_junit(junit, sweep.name, result)
        if as_json:
            print(json.dumps(result.to_json()))
        else:
            print_summary(result, quiet=quiet)
        raise typer.Exit(result.exit_code)


def _dry_run(
    sweep: Sweep,
    only: list[str],
    force: bool,
    jobs: int | None,
    uri: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """The plan, in the form of a result where `--json` wants one: every status is `planned`."""
    from harness.cli import planned_searches
    from harness.cli.plan import print_plan
    from harness.results import RunResult
    from harness.sweep import SweepPlan

    planned = SweepPlan(sweep, tracking_uri=uri, only=only)
    runs, searches = planned.runs(force=force), planned.searches()
    planned_searches.note_forced(searches, force=force)
    if as_json:
        results = [
            RunResult(run, run.stored.run_id if run.stored else None, "planned", None)
            for run in runs
        ]
        shown = {
            "runs": [result.to_json() for result in results],
            "searches": [planned_searches.to_json(search) for search in searches],
        }
        print(json.dumps(shown))
    elif not quiet:
        print_plan(runs, searches, jobs)

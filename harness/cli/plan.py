"""`harness plan FILE`: what `run` would do, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.errors import reporting
from harness.cli.options import AsJson, File, Force, Jobs, MaxRuns, Only, Set, TrackingUri
from harness.errors import counted
from harness.spec.limits import MAX_RUNS

if TYPE_CHECKING:
    from harness.planning import PlannedRun
    from harness.search.planned import PlannedSearch


def plan(
    file: File,
    only: Only = None,
    set_: Set = None,
    jobs: Jobs = None,
    force: Force = False,
    max_runs: MaxRuns = MAX_RUNS,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Show what `run` would do: runs with fingerprint, engine, stack and reason, and searches.

    Writes nothing.
    """
    with reporting(as_json=as_json):
        from harness.spec.load import load_sweep

        sweep = load_sweep(file, overrides=set_ or (), only=only or (), max_runs=max_runs)
        from harness.cli import planned_searches
        from harness.sweep import SweepPlan

        planned = SweepPlan(sweep, tracking_uri=tracking_uri, only=only or ())
        runs, searches = planned.runs(force=force), planned.searches()
        planned_searches.note_forced(searches, force=force)
        if as_json:
            stacks = stack_numbers(runs, jobs)
            shown = [{**to_json(run), "stack": stacks.get(run.name)} for run in runs]
            sought = [planned_searches.to_json(search) for search in searches]
            print(json.dumps({"runs": shown, "searches": sought}))
        else:
            print_plan(runs, searches, jobs)


def to_json(run: PlannedRun) -> dict[str, Any]:
    """A planned run as `--json` prints it: the keys of a run's result, not yet trained."""
    from harness.results import RunResult

    state = run.stored.state if run.is_done and run.stored else "planned"
    run_id = run.stored.run_id if run.stored else None
    return {**RunResult(run, run_id, state, None).to_json(), "owner": run.owner}


def stack_numbers(runs: Sequence[PlannedRun], jobs: int | None = None) -> dict[str, int]:
    """The stack, from 1, of each run that `run` with as many jobs would train by `stacked`."""
    from harness.jobs import default_jobs
    from harness.stacks import form_stacks

    to_train = [run for run in runs if run.is_trained]
    stacks = form_stacks(to_train, jobs or default_jobs(to_train))
    together = [stack for stack in stacks if stack[0].engine == "stacked"]
    return {run.name: number for number, stack in enumerate(together, 1) for run in stack}


def print_plan(
    runs: Sequence[PlannedRun], searches: Sequence[PlannedSearch], jobs: int | None = None
) -> None:
    """The plan as a table of runs and one of searches, each with its sum in a line."""
    from harness.cli.planned_searches import print_searches

    if runs or not searches:
        _print_runs(runs, jobs)
    if runs and searches:
        print()
    if searches:
        print_searches(searches)


def _print_runs(runs: Sequence[PlannedRun], jobs: int | None) -> None:
    from harness.cli.tables import print_table

    stacks = stack_numbers(runs, jobs)
    rows = [
        [
            run.name,
            run.fingerprint,
            f"{run.engine} (stack {stacks[run.name]})" if run.name in stacks else run.engine,
            f"{run.reason} (shares {run.owner})" if run.owner else run.reason,
        ]
        for run in runs
    ]
    print_table(["run", "fingerprint", "engine", "reason"], rows)
    print(_sum(runs))


def _sum(runs: Sequence[PlannedRun]) -> str:
    """The plan in a line: what is to be trained and why, what is done, what is shared."""

    reasons = Counter(run.reason for run in runs if run.is_trained)
    to_train = f"{sum(reasons.values()):,} to train"
    if reasons:
        to_train += f" ({', '.join(f'{n:,} {reason}' for reason, n in reasons.items())})"
    done = sum(1 for run in runs if run.is_done)
    shared = sum(1 for run in runs if run.owner and not run.is_done)
    parts = [to_train, f"{done:,} already done", *([f"{shared:,} shared"] if shared else [])]
    return f"{counted(len(runs), 'run')}: {', '.join(parts)}"

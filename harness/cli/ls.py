"""`harness ls [NAME]...`: the runs, groups and searches in the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.clock import duration, local_time
from harness.cli.errors import reporting
from harness.cli.options import (
    AsJson,
    Engines,
    Kinds,
    Names,
    States,
    Sweeps,
    TrackingUri,
    WithSuperseded,
    WithTrials,
)
from harness.errors import counted

if TYPE_CHECKING:
    from harness.tracking.read import StoredRun

ID_LENGTH = 8  # of an id's beginning, where that names one run of those shown


def ls(
    names: Names = None,
    sweep: Sweeps = None,
    state: States = None,
    kind: Kinds = None,
    engine: Engines = None,
    trials: WithTrials = False,
    all_: WithSuperseded = False,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="COLUMN", help="Ascending by a column, a setting or a metric."
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="Turn the order.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="The first N rows only.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", metavar="PATH", help="A setting or a metric too."),
    ] = None,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """List what the store holds, the newest first."""
    with reporting(as_json=as_json):
        from harness.inspection.listing import check_column, numbers_within, ordered, to_json
        from harness.inspection.selection import Selection, select
        from harness.tracking.read import find_runs
        from harness.tracking.store import open_store

        asked = (names, sweep, state, kind, engine)
        selection = Selection.of(*asked, with_trials=trials, with_superseded=all_)
        found = find_runs(open_store(tracking_uri, create=False))
        matching = ordered(select(found, selection), sort, reverse=reverse)
        for path in column or ():
            check_column(path, matching)
        shown, within = matching[:limit], numbers_within(found)
        if as_json:
            print(json.dumps({"runs": [to_json(run, within.get(run.run_id)) for run in shown]}))
        else:
            _print_rows(shown, within, column or ())
            hidden = sum(1 for run in found if selection.takes(run)) - len(matching)
            print(_sum(matching, shown, hidden))


def _print_rows(
    runs: Sequence[StoredRun], within: dict[str, int], more_columns: Sequence[str]
) -> None:
    """The columns that say something of these rows, then those asked for."""
    from harness.cli.tables import print_table
    from harness.inspection.listing import best_text, claims, value_of
    from harness.report.formats import cell

    several_sweeps = len({run.sweep for run in runs}) > 1
    columns = {
        "name": [run.name for run in runs],
        "sweep": [run.sweep if several_sweeps else "" for run in runs],
        "kind": ["" if run.kind == "run" else _kind(run, within) for run in runs],
        "state": [state_text(run) for run in runs],
        "engine": [run.engine or "" for run in runs],
        "loss": [cell(value_of(run, "loss")) for run in runs],
        "claims": [claims(run) or "" for run in runs],
        "best": [best_text(run) for run in runs],
        **{path: [cell(value_of(run, path)) for run in runs] for path in more_columns},
        "started": [local_time(run.start_time) for run in runs],
        "took": [duration(run.seconds) for run in runs],
        "id": _short_ids(runs),
    }
    shown = [head for head, cells in columns.items() if any(cells) or head in more_columns]
    rows = list(zip(*(columns[head] for head in shown), strict=True))
    numbers = {"loss", "took", *more_columns}
    print_table(shown, rows, right=[i for i, head in enumerate(shown) if head in numbers])


def _kind(run: StoredRun, within: dict[str, int]) -> str:
    noun = "trials" if run.kind == "search" else "runs"
    return f"{run.kind} of {within[run.run_id]} {noun}"


def state_text(run: StoredRun) -> str:
    """A record's state, with the step at which it diverged, and whether it was replaced."""
    from harness.tracking import keys

    at = run.tags.get(keys.DIVERGED_AT)
    state = f"{run.state} at step {at}" if at is not None else run.state
    return state if run.superseded_by is None else f"{state} (replaced)"


def _short_ids(runs: Sequence[StoredRun]) -> list[str]:
    short = {run.run_id[:ID_LENGTH] for run in runs}
    length = ID_LENGTH if len(short) == len(runs) else None
    return [run.run_id[:length] for run in runs]


def _sum(matching: Sequence[StoredRun], shown: Sequence[StoredRun], hidden: int) -> str:
    """`7 runs, 2 searches; 128 hidden (--trials, --all)`."""

    parts = []
    for kind in ("run", "group", "search"):
        number = sum(1 for run in matching if run.kind == kind)
        if number:
            parts.append(counted(number, kind))
    text = ", ".join(parts)
    if len(shown) < len(matching):
        text = f"the first {len(shown):,} of {text}"
    return f"{text}; {hidden:,} hidden (--trials, --all)" if hidden else text

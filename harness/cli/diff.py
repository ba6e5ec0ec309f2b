"""`harness diff A B`: in what two runs differ, and the first step where their losses part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.options import AsJson, TrackingUri
from harness.errors import escape
from harness.spec.metrics import TRAIN_LOSS

if TYPE_CHECKING:
    from harness.inspection.difference import Difference, Parting

_HELP = "A run's name or id, or the id's beginning."


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_HELP, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help=_HELP, show_default=False)],
    metric: Annotated[
        str, typer.Option("--metric", help="Whose curves are compared.")
    ] = TRAIN_LOSS,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Say what differs between two runs; exit code 0 whether anything does or not."""
    with reporting(as_json=as_json):
        from harness.inspection.difference import difference
        from harness.tracking.store import open_store

        found = difference(open_store(tracking_uri, create=False), a, b, metric)
        if as_json:
            print(json.dumps(found.to_json()))
        elif found.a.run_id == found.b.run_id:
            print(escape(f"{a} and {b} are one run: {found.a.run_id}"))
        else:
            _print(found)


def _print(found: Difference) -> None:
    from harness.cli.tables import print_table

    rows = [
        [part, path, _shown(a), _shown(b)]
        for part in ("settings", "environment", "data", "code")
        for path, (a, b) in getattr(found, part).items()
    ]
    if rows:
        print_table(["", "differs", _label(found, "a"), _label(found, "b")], rows)
    else:
        print("settings, environment, data and code are the same")
    if found.same_fingerprint:
        print(f"the fingerprint is the same: {found.a.fingerprint}")
    print(escape(parting_text(found.parting)))


def _label(found: Difference, side: str) -> str:
    """The name, with the id's beginning where both have one name."""
    run = getattr(found, side)
    return f"{run.name} ({run.run_id[:8]})" if found.a.name == found.b.name else run.name


def _shown(value: str | None) -> str:
    return "-" if value is None else value


def parting_text(parting: Parting) -> str:
    """Where two curves part, in a sentence."""
    metric = parting.metric
    if not parting.num_common:
        have = f"{parting.num_a:,} and {parting.num_b:,}"
        return f"{metric}: the runs have no step in common ({have} steps)"
    if parting.first_step is None:
        over = f"over all {parting.num_common:,} common steps"
        text = f"{metric}: the same bit for bit {over}"
        if parting.num_a != parting.num_b:
            text += f" ({parting.num_a:,} and {parting.num_b:,} steps)"
        return text
    apart = f"{parting.a:.17g} and {parting.b:.17g}"
    if parting.last_equal is None:
        return f"{metric}: differs from step {parting.first_step:,} on: {apart}"
    same = f"the same bit for bit up to step {parting.last_equal:,}"
    return f"{metric}: {same}, parts at step {parting.first_step:,}: {apart}"

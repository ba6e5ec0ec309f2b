"""`harness show RUN`: everything about one run, group or search."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.clock import duration, local_time
from harness.cli.errors import reporting
from harness.cli.options import AsJson, TrackingUri
from harness.errors import escape, show

if TYPE_CHECKING:
    from harness.inspection.details import Details

MAX_MEMBERS = 20

StoredName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's name or id, or the id's beginning.", show_default=False
    ),
]


def show_run(run: StoredName, tracking_uri: TrackingUri = None, as_json: AsJson = False) -> None:
    """Show what a run was, how it went, and where its files are."""
    with reporting(as_json=as_json):
        from harness.inspection.details import details
        from harness.tracking.store import open_store

        found = details(open_store(tracking_uri, create=False), run)
        if as_json:
            print(json.dumps(found.to_json()))
            return
        _print_pairs(_head(found))
        _print_losses(found)
        _print_section("metrics", _metrics(found))
        _print_section("settings", found.chosen)
        _print_section("settings left at their defaults", found.defaults)
        _print_section("search", _search_settings(found))
        _print_section("environment", {**found.environment, **found.code})
        _print_section("tags", found.tags)
        _print_members(found)


def _head(found: Details) -> Iterator[tuple[str, str]]:
    """What there is to say in a line each; what is empty is not said."""
    from harness.cli.ls import state_text
    from harness.inspection.listing import best_text, claims
    from harness.tracking import keys

    record = found.record
    yield record.kind, record.name
    yield "also called", ", ".join(f"{alias.run} (sweep {alias.sweep})" for alias in record.aliases)
    yield "id", record.run_id
    yield "sweep", record.sweep
    yield "experiment", record.experiment if record.experiment != record.name else ""
    yield "description", found.description
    yield "state", state_text(record)
    yield "error", record.tags.get(keys.ERROR, "")
    yield "traceback", found.traceback or ""
    yield "replaced by", record.superseded_by or ""
    yield "claims", claims(record) or ""
    yield "best", best_text(record)
    yield "trials", ", ".join(f"{n} {state}" for state, n in found.trial_states.items())
    yield "engine", record.engine or ""
    yield "started", local_time(record.start_time)
    yield "took", duration(record.seconds)
    yield "fingerprint", record.fingerprint or ""
    yield "trial", record.tags.get(keys.TRIAL, "")
    yield "study", record.tags.get(keys.STUDY, "")
    yield "part of", f"{found.parent.name} ({found.parent.run_id})" if found.parent else ""
    if found.dataset is not None:
        data = found.dataset
        yield "dataset", f"{data.name}, from {data.source}, digest {data.digest}"
    yield "checkpoints", ", ".join(found.checkpoints)


def _print_losses(found: Details) -> None:
    """The curve in a line, in letters that the output can show."""
    from harness.report.formats import cell
    from harness.report.sparkline import ASCII, BLOCKS, sparkline

    if not found.losses:
        return
    losses = list(found.losses.values())
    line = sparkline(losses, BLOCKS if _can_show(BLOCKS) else ASCII)
    scale = ", logarithmic" if line.is_log else ""
    last = max(found.losses)
    print(f"\nloss over {last:,} steps{scale}")
    print(f"  {cell(losses[0])} {line.text} {cell(losses[-1])}")


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _metrics(found: Details) -> dict[str, str]:
    return {metric: f"{value:.6g}" for metric, value in found.record.metrics.items()}


def _search_settings(found: Details) -> dict[str, str]:
    """What the head does not say already."""
    said = ("best.", "trials.", "search.study")
    return {path: text for path, text in found.found.items() if not path.startswith(said)}


def _print_section(title: str, values: Mapping[str, str]) -> None:
    if values:
        print(f"\n{title}")
        _print_pairs(((f"  {key}", text) for key, text in values.items()))


def _print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    shown = [(escape(key), escape(text)) for key, text in pairs if text]
    width = max(len(key) for key, _ in shown)
    for key, text in shown:
        print(f"{key:<{width}}  {text}")


def _print_members(found: Details) -> None:
    from harness.cli.ls import state_text
    from harness.cli.tables import print_table
    from harness.report.formats import cell
    from harness.tracking import keys

    if not found.members:
        return
    print()
    rows = [
        [run.name, state_text(run), cell(run.metrics.get(keys.TRAIN_LOSS)), run.run_id]
        for run in found.members[:MAX_MEMBERS]
    ]
    head = "run" if found.record.kind == "group" else "trial"
    print_table([head, "state", "loss", "id"], rows, right=[2])
    more = len(found.members) - MAX_MEMBERS
    if more > 0:
        glob = show(f"{found.record.name}/*")
        print(f"and {more:,} more: harness ls {glob} --trials")

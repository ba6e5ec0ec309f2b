"""From what a user types to one run: a name, an id, or the beginning of an id."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError, escape, nearest, show
from harness.tracking.read import StoredRun, find_runs
from harness.tracking.store import Store

MIN_PREFIX = 4
MAX_LISTED = 5


def resolve_run(store: Store, text: str) -> StoredRun:
    """The run that `text` names; of several of that name, the newest finished one.

    Names under which other sweeps share a run count too. Raises UsageError, with the nearest
    name, when there is none, and with the candidates when a prefix fits several ids.
    """
    return choose_run(find_runs(store), text)


def choose_run(runs: Sequence[StoredRun], text: str) -> StoredRun:
    """`resolve_run` among records that are read already: all of a store."""
    named = [run for run in runs if text in run.names]
    if named:
        return max(named, key=_preference)
    found = [run for run in runs if run.run_id.startswith(text)] if len(text) >= MIN_PREFIX else []
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{run.run_id} ({run.name})" for run in found[:MAX_LISTED])
        more = ", ..." if len(found) > MAX_LISTED else ""
        raise UsageError(f"{show(text)} begins the ids of {len(found)} runs: {listed}{more}")
    raise UsageError(
        f"no run is called {show(text)}, and no run's id begins so (at least {MIN_PREFIX} "
        f"characters){_hint(runs, text)}"
    )


def _hint(runs: Sequence[StoredRun], text: str) -> str:
    if any(run.experiment == text for run in runs):
        return f"; it is an experiment, whose runs `harness ls {escape(text)}` lists"
    near = nearest(text, {name for run in runs for name in run.names})
    return f"; did you mean {show(near)}?" if near else ""


def _preference(run: StoredRun) -> tuple[bool, bool, bool, int]:
    return run.kind == "run", run.is_done, run.superseded_by is None, run.start_time

"""The checkpoints that an unfinished run can go on from.

A checkpoint is published after the losses up to its step, and its evaluations, were given to be
written. Those of a short run may wait for more then, and a kill loses them (see `rows`). So of a
run whose stored values have a gap, only checkpoints before the gap are offered. Whether their files
are whole is found out by who loads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.spec.records import SavedCheckpoint
from harness.tracking import artifacts
from harness.tracking.read import get_run
from harness.tracking.store import Store


def saved_checkpoints(
    store: Store, run_id: str, losses: Mapping[int, float], missing: Sequence[int] = ()
) -> tuple[SavedCheckpoint, ...]:
    """A run's checkpoints with all their values stored, the newest first, on this machine.

    ``losses`` are the stored ones by step; ``missing`` are the steps of evaluations that are not
    stored, ascending. Raises StoreError.
    """
    uri = get_run(store, run_id).artifact_uri
    steps = {artifacts.step_of(name): name for name in artifacts.names(store, uri)}
    last = next((step for step in range(len(losses) + 1) if step + 1 not in losses), 0)
    if missing:
        last = min(last, missing[0] - 1)
    return tuple(
        SavedCheckpoint(artifacts.fetch(store, run_id, uri, steps[step]), step, losses[step])
        for step in sorted(steps, reverse=True)
        if 1 <= step <= last
    )

"""Which records of a store are a study's: the runs of its trials, and the parents above them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.tracking import keys
from harness.tracking.read import StoredRun


def of_study(recorded: Sequence[StoredRun], study: str, kind: keys.Kind) -> list[StoredRun]:
    """The records of a study: of kind `run` its trials', of kind `search` its parents."""
    return [run for run in recorded if run.kind == kind and run.tags.get(keys.STUDY) == study]


def current_parent(recorded: Sequence[StoredRun], study: str) -> StoredRun | None:
    """The parent that a call goes on with: the newest that no other took the place of."""
    parents = [run for run in of_study(recorded, study, "search") if run.superseded_by is None]
    return parents[-1] if parents else None


def covers(parent: StoredRun | None, num_trials: int) -> bool:
    """Whether it is the finished parent of just so many trials."""
    return (
        parent is not None
        and parent.is_done
        and parent.tags.get(keys.NUM_TRIALS) == str(num_trials)
    )

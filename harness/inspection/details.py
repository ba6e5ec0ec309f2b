"""Everything that a store holds about one run, group or search."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from harness.inspection.listing import finite, number, numbers_within, to_json
from harness.search.parents import of_study
from harness.spec.defaults import default_settings
from harness.spec.settings import SETTINGS
from harness.tracking import keys
from harness.tracking.environment import CODE, ENVIRONMENT, facts_of
from harness.tracking.read import (
    StoredRun,
    checkpoints,
    dataset_of,
    find_runs,
    history,
    traceback_place,
)
from harness.tracking.record import DatasetInput
from harness.tracking.resolve import choose_run
from harness.tracking.store import Store

TRIAL_STATES = "trials."  # in front of a search's params that count its trials


@dataclasses.dataclass(frozen=True)
class Details:
    """A record with what belongs to it.

    ``chosen`` are the settings that differ from their defaults or have none, ``defaults`` the
    others, ``found`` what a search says of itself. ``members`` are a group's runs or a search's
    trials, by their starts. ``losses`` are `train/loss` by step.
    """

    record: StoredRun
    chosen: Mapping[str, str]
    defaults: Mapping[str, str]
    found: Mapping[str, str]
    dataset: DatasetInput | None
    checkpoints: Sequence[str]
    traceback: str | None
    parent: StoredRun | None
    members: Sequence[StoredRun]
    num_within: int | None
    losses: Mapping[int, float]

    @property
    def environment(self) -> dict[str, str]:
        """Where it was made, of what is known."""
        return facts_of(self.record.tags, ENVIRONMENT)

    @property
    def code(self) -> dict[str, str]:
        """The commit of the working directory, and whether files were changed since."""
        return facts_of(self.record.tags, CODE)

    @property
    def tags(self) -> dict[str, str]:
        """The tags that the sweep file gave it."""
        tags = self.record.tags.items()
        return {key: text for key, text in tags if not key.startswith(("harness.", "mlflow."))}

    @property
    def description(self) -> str:
        """What the sweep file says it is for."""
        return self.record.tags.get(keys.NOTE, "")

    @property
    def trial_states(self) -> dict[str, int]:
        """How many trials of a search ended how."""
        counts = {
            path.removeprefix(TRIAL_STATES): int(number(text) or 0)
            for path, text in self.found.items()
            if path.startswith(TRIAL_STATES)
        }
        return {state: count for state, count in counts.items() if count}

    def to_json(self) -> dict[str, Any]:
        """As `show --json` prints it: the keys of `ls --json`, and more."""
        parent = self.parent
        return {
            **to_json(self.record, self.num_within),
            "description": self.description,
            "tags": self.tags,
            "chosen_settings": dict(self.chosen),
            "environment": self.environment,
            "git_commit": self.code.get("git_commit"),
            "git_dirty": self.code.get("git_dirty") == "true" if self.code else None,
            "dataset": dataclasses.asdict(self.dataset) if self.dataset else None,
            "checkpoints": list(self.checkpoints),
            "traceback": self.traceback,
            "diverged_at": number(self.record.tags.get(keys.DIVERGED_AT)),
            "parent": {"name": parent.name, "run_id": parent.run_id} if parent else None,
            "members": [
                {
                    "name": run.name,
                    "run_id": run.run_id,
                    "status": run.state,
                    "final_loss": finite(run.metrics.get(keys.TRAIN_LOSS)),
                }
                for run in self.members
            ],
            "trial_states": self.trial_states,
        }


def details(store: Store, name: str) -> Details:
    """All about the run that ``name`` names; raises UsageError where none is meant."""
    runs = find_runs(store)
    record = choose_run(runs, name)
    by_id = {run.run_id: run for run in runs}
    known = default_settings(record.params.get("optimizer.name"))
    settings = {path: text for path, text in record.params.items() if path in SETTINGS}
    return Details(
        record=record,
        chosen={path: text for path, text in settings.items() if known.get(path) != text},
        defaults={path: text for path, text in settings.items() if known.get(path) == text},
        found={path: text for path, text in record.params.items() if path not in SETTINGS},
        dataset=dataset_of(store, record.run_id),
        checkpoints=checkpoints(store, record.run_id),
        traceback=traceback_place(store, record),
        parent=by_id.get(record.tags.get(keys.PARENT_RUN_ID, "")),
        members=_members(record, runs),
        num_within=numbers_within(runs).get(record.run_id),
        losses=history(store, record.run_id),
    )


def _members(record: StoredRun, runs: Sequence[StoredRun]) -> list[StoredRun]:
    if record.kind == "group":
        ids = record.tags.get(keys.MEMBER_RUNS, "").split()
        return [run for run in runs if run.run_id in ids]
    if record.kind == "search":
        return of_study(runs, record.tags.get(keys.STUDY, ""), "run")
    return []

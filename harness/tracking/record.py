"""What is recorded of a run, as frozen values that cross the border into this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.tracking import keys


@dataclass(frozen=True)
class DatasetInput:
    """The corpus a run trains on: what it is called, its digest (hex), and where it came from."""

    name: str
    digest: str
    source: str


@dataclass(frozen=True)
class RunToRecord:
    """A run, a group of seeds or a search as it begins; only a run has a fingerprint."""

    name: str
    sweep: str
    experiment: str
    kind: keys.Kind = "run"
    fingerprint: str | None = None
    group: str | None = None
    engine: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    dataset: DatasetInput | None = None
    parent_run_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its last metrics, recorded at `step`, and a traceback when it failed."""

    state: keys.EndState
    metrics: Mapping[str, float] = field(default_factory=dict)
    step: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    traceback_text: str | None = None


def tags_of(run: RunToRecord) -> dict[str, str]:
    """The tags that say what a run is, before those that say how it went."""
    optional = {
        keys.FINGERPRINT: run.fingerprint,
        keys.GROUP: run.group,
        keys.ENGINE: run.engine,
        keys.PARENT_RUN_ID: run.parent_run_id,
        keys.NOTE: run.description or None,
    }
    return {
        keys.RUN_NAME: run.name,
        keys.KIND: run.kind,
        keys.SWEEP: run.sweep,
        keys.EXPERIMENT: run.experiment,
        keys.RECORD_VERSION: keys.THIS_RECORD_VERSION,
        keys.STATE: keys.RUNNING,
        keys.ALIASES: "[]",
        **{key: value for key, value in optional.items() if value is not None},
        **run.tags,
    }

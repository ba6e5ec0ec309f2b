"""The two ways that a run's rows reach the store, and which one a store gets.

Through MLflow's client a run of 200 steps takes four calls (create_run with all tags, log_inputs,
one log_batch with params and metrics, set_terminated) and 44 ms, of which nine tenths are Python.
A local store whose tables are known gets the rows that these calls write, directly: see `rows`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from harness.tracking import keys
from harness.tracking.mlflow_api import (
    Dataset,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from harness.tracking.mlflow_api import (
    DatasetInput as MlflowDatasetInput,
)
from harness.tracking.patience import ServerAway
from harness.tracking.record import DatasetInput
from harness.tracking.store import Store
from harness.tracking.told import told

MAX_METRICS = 1000
MAX_PARAMS_OR_TAGS = 100
# In characters; MLflow cuts longer values without a word.
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_DATASET_NAME = 500
MAX_DIGEST = 36
CUT = "...(cut)"

_Request = tuple[list[Metric], list[Param], list[RunTag]]


class Point(NamedTuple):
    """One value of a metric; the time is in milliseconds since 1970."""

    metric: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class Batch:
    """What is written of a run at once; values are within MLflow's limits, and finite."""

    points: Sequence[Point] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    dataset: DatasetInput | None = None


class Writer(Protocol):
    """Writes runs of one MLflow experiment; each method raises StoreError when it cannot."""

    def create(self, start_ms: int, tags: Mapping[str, str]) -> tuple[str, str]:
        """A new run that is RUNNING: its id, and the URI of its artifacts."""

    def write(self, run_id: str, batch: Batch) -> None:
        """Add to a run; tags last, so that whoever sees them sees all of it."""

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """Give a run its last status."""

    def batched(self) -> AbstractContextManager[None]:
        """A block in which what is written may wait for more of it, and for `commit`."""

    def look_up(self) -> None:
        """Write what has waited long enough; ask it often."""

    def commit(self) -> None:
        """Return when all that was written is in the store."""


class ClientWriter:
    """Writes through MLflow's client, to a store of any kind."""

    def __init__(self, store: Store, experiment_id: str) -> None:
        self._store, self._experiment_id = store, experiment_id

    def create(self, start_ms: int, tags: Mapping[str, str]) -> tuple[str, str]:
        """See `Writer`."""
        name = tags[keys.RUN_NAME]
        with told(self._store.uri, f"begin the run {name}"):
            try:
                created = self._store.client.create_run(
                    self._experiment_id, start_time=start_ms, tags=dict(tags), run_name=name
                )
            except ServerAway as error:
                if error.is_over:
                    raise
                found = self._made(start_ms, tags)
                if found is None:
                    return self.create(start_ms, tags)
                created = found
        return str(created.info.run_id), str(created.info.artifact_uri)

    def _made(self, start_ms: int, tags: Mapping[str, str]) -> Run | None:
        """The run that a server made whose answer did not arrive: the writer begins at most one a
        millisecond."""
        found = self._store.client.search_runs(
            [self._experiment_id],
            f"attributes.start_time = {start_ms} and tags.`{keys.WRITER}` = '{tags[keys.WRITER]}'",
        )
        return found[0] if found else None

    def write(self, run_id: str, batch: Batch) -> None:
        """See `Writer`."""
        client = self._store.client
        with told(self._store.uri, f"write the run {run_id}"):
            if batch.dataset is not None:
                client.log_inputs(run_id, datasets=[_mlflow_dataset(batch.dataset)])
            for request in _requests(batch):
                client.log_batch(run_id, *request, synchronous=True)

    def end(self, run_id: str, status: str, end_ms: int) -> None:
        """See `Writer`."""
        with told(self._store.uri, f"end the run {run_id}"):
            self._store.client.set_terminated(run_id, status, end_ms)

    def batched(self) -> AbstractContextManager[None]:
        """See `Writer`; nothing waits."""
        return contextlib.nullcontext()

    def look_up(self) -> None:
        """See `Writer`; nothing waits."""

    def commit(self) -> None:
        """See `Writer`; nothing waits."""


def clip(value: str, limit: int) -> str:
    """`value`, cut to `limit` characters with a mark at the end that says so."""
    return value if len(value) <= limit else value[: limit - len(CUT)] + CUT


def dataset_row(dataset: DatasetInput) -> tuple[str, str, str]:
    """Name, digest and source as MLflow keeps them.

    The digest is cut to MLflow's 36 characters: 144 bits of it, still no two corpora alike.
    """
    source = json.dumps({"uri": dataset.source})
    return clip(dataset.name, MAX_DATASET_NAME), dataset.digest[:MAX_DIGEST], source


def _mlflow_dataset(dataset: DatasetInput) -> MlflowDatasetInput:
    name, digest, source = dataset_row(dataset)
    entity = Dataset(name=name, digest=digest, source_type="local", source=source)
    return MlflowDatasetInput(entity, [InputTag(keys.CONTEXT, keys.TRAINING)])


def _requests(batch: Batch) -> list[_Request]:
    """Requests within MLflow's limits (1,000 entities, of which 100 params and 100 tags); the
    tags go with the last, and a run of usual size is one request."""
    metrics = [Metric(*point) for point in batch.points]
    params = [Param(key, value) for key, value in batch.params.items()]
    tags = [RunTag(key, value) for key, value in batch.tags.items()]
    assert len(tags) <= MAX_PARAMS_OR_TAGS
    if len(metrics) + len(params) + len(tags) <= MAX_METRICS and len(params) <= MAX_PARAMS_OR_TAGS:
        return [(metrics, params, tags)] if metrics or params or tags else []
    requests: list[_Request] = []
    for i in range(0, len(params), MAX_PARAMS_OR_TAGS):
        requests.append(([], params[i : i + MAX_PARAMS_OR_TAGS], []))
    for i in range(0, len(metrics), MAX_METRICS):
        requests.append((metrics[i : i + MAX_METRICS], [], []))
    return [*requests, ([], [], tags)] if tags else requests

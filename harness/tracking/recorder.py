"""The only writer of runs: few calls, replays that leave no trace, statuses set by hand.

A run of 200 steps costs four client calls (create_run with all tags, one log_batch with params
and metrics, log_inputs, set_terminated): 32 ms, against 500 ms and more with `log_metric` a step.
Losses wait here until 1,000 have come (MLflow's limit a request) or 2 s have passed, so curves are
live.

The timestamp of every point is the run's start plus its step in milliseconds. MLflow drops a
metric that it has already, only if key, value, step *and* timestamp are equal; with timestamps
that the run and the step decide, a run that is resumed may log its last steps again, and nothing
is doubled. The price is that MLflow's time axis is not the real one.

MLflow would leave RUNNING behind a kill and FINISHED behind an exception, so every end is told by
the caller. The tag `harness.state` is written after all metrics and before the status: a run that
has an end state has everything.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import StoreError
from harness.tracking import artifacts, keys
from harness.tracking.environment import writer_id
from harness.tracking.mlflow_api import (
    Dataset,
    InputTag,
    Metric,
    Param,
    RunTag,
    told,
)
from harness.tracking.mlflow_api import (
    DatasetInput as MlflowDatasetInput,
)
from harness.tracking.record import DatasetInput, Outcome, RunToRecord, tags_of
from harness.tracking.store import Store

MAX_METRICS = 1000
MAX_PARAMS_OR_TAGS = 100
FLUSH_INTERVAL_S = 2.0
# MLflow's limits in characters; it cuts longer values without a word.
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_DIGEST = 36
CUT = "...(cut)"

_Batch = tuple[list[Metric], list[Param], list[RunTag]]


@dataclass
class _OpenRun:
    """What a run that is being written still owes the store."""

    start_ms: int
    artifact_uri: str
    params: list[Param]
    dataset: DatasetInput | None
    points: list[Metric] = field(default_factory=list)
    flushed_at: float = field(default_factory=time.monotonic)


class Recorder:
    """Writes runs of one MLflow experiment; every method raises StoreError when it cannot.

    `environment` is what `environment_tags` gave. One process writes, from one thread.
    """

    def __init__(self, store: Store, experiment_id: str, environment: Mapping[str, str]) -> None:
        self._store = store
        self._experiment_id = experiment_id
        self._environment = {**environment, keys.WRITER: writer_id(store.state_dir)}
        self._open: dict[str, _OpenRun] = {}

    def begin(self, run: RunToRecord) -> str:
        """Start a new run and return its id; its params follow with the first losses."""
        start_ms = int(time.time() * 1000)
        tags = _clipped({**tags_of(run), **self._environment}, MAX_TAG)
        with told(self._store.uri, f"begin the run {run.name}"):
            created = self._store.client.create_run(
                self._experiment_id, start_time=start_ms, tags=tags, run_name=tags[keys.RUN_NAME]
            )
        params = [Param(key, value) for key, value in _clipped(run.params, MAX_PARAM).items()]
        run_id = str(created.info.run_id)
        self._open[run_id] = _OpenRun(start_ms, created.info.artifact_uri, params, run.dataset)
        return run_id

    def resume(self, run_id: str, run: RunToRecord | None = None) -> str:
        """Go on with a run that was begun before, here or in a process that died.

        Its end, if it had one, is taken back. With `run`, what a kill kept from being written
        (params, dataset) is written now; params that are there stay, for MLflow's are immutable.
        """
        with told(self._store.uri, f"resume the run {run_id}"):
            client = self._store.client
            found = client.get_run(run_id)
            known = found.data.params
            client.update_run(run_id, status="RUNNING")
            if keys.ERROR in found.data.tags:
                client.delete_tag(run_id, keys.ERROR)
            tags = {**self._environment, keys.STATE: keys.RUNNING}
            client.log_batch(run_id, tags=_run_tags(tags), synchronous=True)
        params = _clipped(run.params, MAX_PARAM) if run else {}
        self._open[run_id] = _OpenRun(
            int(found.info.start_time),
            found.info.artifact_uri,
            [Param(key, value) for key, value in params.items() if key not in known],
            run.dataset if run else None,
        )
        return run_id

    def add_steps(self, run_id: str, losses: Iterable[tuple[int, float]]) -> None:
        """Add (step, loss) pairs of `train/loss`; a loss that is not finite is left out."""
        self.add_points(run_id, keys.TRAIN_LOSS, losses)

    def add_points(self, run_id: str, metric: str, points: Iterable[tuple[int, float]]) -> None:
        """Add (step, value) pairs of any metric; written with the others."""
        run = self._open[run_id]
        for step, value in points:
            if math.isfinite(value):
                run.points.append(Metric(metric, float(value), run.start_ms + step, step))
        waited = time.monotonic() - run.flushed_at
        if len(run.points) >= MAX_METRICS or waited >= FLUSH_INTERVAL_S:
            self.flush(run_id)

    def set_group_curve(self, run_id: str, means: Mapping[int, float]) -> None:
        """Give a parent the `train/loss` curve of its own (step to value), in ascending steps."""
        self.add_steps(run_id, sorted(means.items()))

    def flush(self, run_id: str) -> None:
        """Write everything that waits for this run."""
        self._write(run_id, {})

    def end(self, run_id: str, outcome: Outcome) -> None:
        """Write the last metrics, the state and the status; the run is closed here after."""
        tags = {**outcome.tags, keys.STATE: outcome.state}
        if outcome.traceback_text:
            tags[keys.ERROR] = outcome.traceback_text.strip().rpartition("\n")[2]
            with told(self._store.uri, "keep the traceback"):
                self._store.client.log_text(run_id, outcome.traceback_text, keys.TRACEBACK_FILE)
        run = self._open[run_id]
        for key, value in outcome.metrics.items():
            if math.isfinite(value):
                point = Metric(key, float(value), run.start_ms + outcome.step, outcome.step)
                run.points.append(point)
        self._write(run_id, tags)
        with told(self._store.uri, f"end the run {run_id}"):
            status = keys.STATUS_OF_STATE[outcome.state]
            self._store.client.set_terminated(run_id, status)
        del self._open[run_id]

    def publish_checkpoint(self, run_id: str, staged_dir: Path, name: str) -> None:
        """Make the staged folder the run's checkpoint `name` (`step_000200`); it is moved."""
        uri = self._artifact_uri(run_id)
        artifacts.publish(self._store, run_id, uri, staged_dir, name)

    def remove_checkpoint(self, run_id: str, name: str) -> bool:
        """Remove a checkpoint; False when the store of artifacts cannot remove anything."""
        return artifacts.remove(self._store, run_id, self._artifact_uri(run_id), name)

    def remove_checkpoints(self, run_id: str) -> None:
        """Remove every checkpoint of a run that begins again from its first step."""
        for name in artifacts.names(self._store, run_id, self._artifact_uri(run_id)):
            self.remove_checkpoint(run_id, name)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set one tag of any run of the store, also of one that has ended."""
        with told(self._store.uri, f"tag the run {run_id}"):
            self._store.client.set_tag(run_id, key, clip(value, MAX_TAG))

    def add_alias(self, run_id: str, sweep: str, name: str) -> None:
        """Record that a run of another name has this run's fingerprint, once."""
        with told(self._store.uri, f"tag the run {run_id}"):
            tags = self._store.client.get_run(run_id).data.tags
        aliases = json.loads(tags.get(keys.ALIASES, "[]"))
        alias = {"sweep": sweep, "run": name}
        if alias in aliases:
            return
        text = json.dumps([*aliases, alias], ensure_ascii=False)
        if len(text) > MAX_TAG:
            raise StoreError(
                f"run {run_id}: {len(aliases)} other names share its settings, and MLflow has no "
                f"room for more in one tag ({MAX_TAG} characters)"
            )
        self.set_tag(run_id, keys.ALIASES, text)

    def supersede(self, old_id: str, new_id: str) -> None:
        """Record that a forced run replaces an old one."""
        self.set_tag(old_id, keys.SUPERSEDED_BY, new_id)

    def _write(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Points, then params, dataset and tags: whoever sees the tags sees all of it."""
        run = self._open[run_id]
        client = self._store.client
        entries = _run_tags(tags)
        with told(self._store.uri, f"write the run {run_id}"):
            if run.dataset is not None:
                client.log_inputs(run_id, datasets=[_mlflow_dataset(run.dataset)])
                run.dataset = None
            for batch in _batches(run.points, run.params, entries):
                client.log_batch(run_id, *batch, synchronous=True)
        run.points, run.params = [], []
        run.flushed_at = time.monotonic()

    def _artifact_uri(self, run_id: str) -> str:
        if run_id in self._open:
            return self._open[run_id].artifact_uri
        with told(self._store.uri, f"read the run {run_id}"):
            return str(self._store.client.get_run(run_id).info.artifact_uri)


def clip(value: str, limit: int) -> str:
    """`value`, cut to `limit` characters with a mark at the end that says so."""
    return value if len(value) <= limit else value[: limit - len(CUT)] + CUT


def _clipped(values: Mapping[str, str], limit: int) -> dict[str, str]:
    return {key: clip(value, limit) for key, value in values.items()}


def _run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(key, value) for key, value in _clipped(tags, MAX_TAG).items()]


def _batches(metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> list[_Batch]:
    """Requests within MLflow's limits (1,000 entities, of which 100 params and 100 tags); the
    tags go with the last, and a run of usual size is one request."""
    assert len(tags) <= MAX_PARAMS_OR_TAGS
    if len(metrics) + len(params) + len(tags) <= MAX_METRICS and len(params) <= MAX_PARAMS_OR_TAGS:
        return [(metrics, params, tags)] if metrics or params or tags else []
    batches: list[_Batch] = []
    for i in range(0, len(params), MAX_PARAMS_OR_TAGS):
        batches.append(([], params[i : i + MAX_PARAMS_OR_TAGS], []))
    for i in range(0, len(metrics), MAX_METRICS):
        batches.append((metrics[i : i + MAX_METRICS], [], []))
    return [*batches, ([], [], tags)] if tags else batches


def _mlflow_dataset(dataset: DatasetInput) -> MlflowDatasetInput:
    """The digest is cut to MLflow's 36 characters: 144 bits of it, still no two corpora alike."""
    entity = Dataset(
        name=clip(dataset.name, 500),
        digest=dataset.digest[:MAX_DIGEST],
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
    )
    return MlflowDatasetInput(entity, [InputTag("mlflow.data.context", "training")])

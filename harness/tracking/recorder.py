"""The only writer of runs: few writes, replays that leave no trace, statuses set by hand.

Losses wait here until 1,000 have come or 2 s have passed, so curves are live; see `pacing` for
what many open runs make of the 2 s. A run that is shorter is written once, at its end.

The timestamp of every point is the run's start plus its step in milliseconds. MLflow drops a
metric that it has already, only if key, value, step *and* timestamp are equal; with timestamps
that the run and the step decide, a run that is resumed may log its last steps again, and nothing
is doubled. The price is that MLflow's time axis is not the real one.

MLflow would leave RUNNING behind a kill and FINISHED behind an exception, so every end is told by
the caller. The tag `harness.state` is written after all metrics and before the status: a run that
has an end state has everything.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import StoreError
from harness.tracking import artifacts, keys
from harness.tracking.environment import writer_id
from harness.tracking.late_delivery import delivery_for
from harness.tracking.mlflow_api import MlflowException, RunTag
from harness.tracking.pacing import Pacing
from harness.tracking.read import StoredRun, get_run, stored_run
from harness.tracking.record import DatasetInput, Outcome, RunToRecord, tags_of
from harness.tracking.row_reader import RunRow
from harness.tracking.store import Store
from harness.tracking.tell import Tell, no_one
from harness.tracking.told import told
from harness.tracking.writer_choice import writer_for
from harness.tracking.writers import (
    MAX_METRICS,
    MAX_PARAM,
    MAX_TAG,
    Batch,
    Point,
    Writer,
    clip,
)

FLUSH_INTERVAL_S = 2.0
SHORT_S = 5.0


@dataclass
class _OpenRun:
    """What a run that is being written still owes the store; ``begun`` is how it was found."""

    start_ms: int
    artifact_uri: str
    params: dict[str, str]
    dataset: DatasetInput | None
    begun: StoredRun
    points: list[Point] = field(default_factory=list)
    latest: dict[str, float] = field(default_factory=dict)
    flushed_at: float | None = None  # counted from the first point
    opened_at: float = field(default_factory=time.monotonic)

    @property
    def is_short(self) -> bool:
        """Whether it was begun or resumed so lately that little is lost if it is done again."""
        return time.monotonic() - self.opened_at < SHORT_S


def _nothing() -> None:
    """What is required where nobody else can write."""


class Recorder:
    """Writes runs of one MLflow experiment; every method raises StoreError when it cannot.

    `environment` is what `environment_tags` gave. One process writes, from one thread. `require`
    is called before anything is written, and raises where that is another's to do (see `lease`);
    `tell` hears what the user should know.
    """

    def __init__(
        self,
        store: Store,
        experiment_id: str,
        environment: Mapping[str, str],
        writer: Writer | None = None,
        require: Callable[[], None] = _nothing,
        tell: Tell = no_one,
    ) -> None:
        self._store = store
        self._experiment_id = experiment_id
        self._environment = {**environment, keys.WRITER: writer_id(store.state_dir)}
        self._writer = writer or writer_for(store, experiment_id, tell)
        self._delivery = delivery_for(store, experiment_id, self._writer, tell, require)
        self._require = require
        self._open: dict[str, _OpenRun] = {}
        self._pacing = Pacing()
        self._last_start_ms = 0

    def begin(self, run: RunToRecord) -> str:
        """Start a new run and return its id; its params follow with the first losses."""
        self._require()
        # One run a millisecond, so that runs sorted by their starts are in the order of the file.
        start_ms = self._last_start_ms = max(int(time.time() * 1000), self._last_start_ms + 1)
        tags = _clipped({**tags_of(run), **self._environment}, MAX_TAG)
        params = _clipped(run.params, MAX_PARAM)
        run_id, uri = self._writer.create(start_ms, tags)
        begun = stored_run(
            RunRow(
                run_id=run_id,
                name="",
                status="RUNNING",
                start_time=start_ms,
                end_time=None,
                artifact_uri=uri,
                mlflow_experiment_id=self._experiment_id,
                tags=tags,
                params=params,
                metrics={},
            )
        )
        self._open[run_id] = _OpenRun(start_ms, uri, params, run.dataset, begun)
        return run_id

    def resume(self, run_id: str, run: RunToRecord | None = None) -> str:
        """Go on with a run that was begun before, here or in a process that died.

        Its end, if it had one, is taken back. With `run`, what a kill kept from being written
        (params, dataset) is written now; params that are there stay, for MLflow's are immutable.
        """
        self._require()
        self._delivery.settle()
        found = get_run(self._store, run_id)
        tags = _clipped({**self._environment, keys.STATE: keys.RUNNING}, MAX_TAG)
        with told(self._store.uri, f"resume the run {run_id}"):
            client = self._store.client
            client.update_run(run_id, status="RUNNING")
            if keys.ERROR in found.tags:
                self._delete_tag(run_id, keys.ERROR)
            entries = [RunTag(key, value) for key, value in tags.items()]
            client.log_batch(run_id, tags=entries, synchronous=True)
        params = _clipped(run.params, MAX_PARAM) if run else {}
        new = {key: value for key, value in params.items() if key not in found.params}
        before = {key: value for key, value in found.tags.items() if key != keys.ERROR}
        begun = dataclasses.replace(found, params={**found.params, **new}, tags={**before, **tags})
        dataset = run.dataset if run else None
        self._open[run_id] = _OpenRun(found.start_time, found.artifact_uri, new, dataset, begun)
        return run_id

    def add_steps(self, run_id: str, losses: Iterable[tuple[int, float]]) -> None:
        """Add (step, loss) pairs of `train/loss`; a loss that is not finite is left out."""
        self.add_points(run_id, keys.TRAIN_LOSS, losses)

    def add_points(self, run_id: str, metric: str, points: Iterable[tuple[int, float]]) -> None:
        """Add (step, value) pairs of any metric, in ascending steps; written with the others."""
        run = self._open[run_id]
        start = run.start_ms
        new = [Point(metric, float(v), start + s, s) for s, v in points if math.isfinite(v)]
        if new:
            run.points += new
            run.latest[metric] = new[-1].value
        if len(run.points) >= MAX_METRICS or self._is_due(run):
            began = time.monotonic()
            self.flush(run_id)
            self._pacing.spend(time.monotonic() - began)
        self._delivery.look_up()

    def _is_due(self, run: _OpenRun) -> bool:
        now = time.monotonic()
        if run.flushed_at is None:
            run.flushed_at = now
        waited_s = now - run.flushed_at
        return self._pacing.allows(now, waited_s, FLUSH_INTERVAL_S, len(self._open))

    def add_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Add params that are only known at the end; written with the next losses."""
        run = self._open[run_id]
        run.params = {**run.params, **_clipped(params, MAX_PARAM)}

    def add_folder(self, run_id: str, folder: Path, name: str) -> None:
        """Copy the files of a folder to the run's artifacts, under `name`."""
        artifacts.add_folder(self._store, run_id, self._artifact_uri(run_id), folder, name)

    def flush(self, run_id: str) -> None:
        """Write everything that waits for this run."""
        self._write(run_id, {})

    def end(self, run_id: str, outcome: Outcome) -> StoredRun:
        """Write the last metrics, the state and the status; returns the run as it is stored."""
        self._require()
        tags = {**outcome.tags, keys.STATE: outcome.state}
        if outcome.traceback_text:
            tags[keys.ERROR] = outcome.traceback_text.strip().rpartition("\n")[2]
            uri = self._artifact_uri(run_id)
            self._delivery.add_text(run_id, uri, outcome.traceback_text, keys.TRACEBACK_FILE)
        run = self._open[run_id]
        for key, value in outcome.metrics.items():
            if math.isfinite(value):
                run.latest[key] = value = float(value)
                run.points.append(Point(key, value, run.start_ms + outcome.step, outcome.step))
        tags = _clipped(tags, MAX_TAG)
        self._write(run_id, tags)
        status, end_ms = keys.STATUS_OF_STATE[outcome.state], int(time.time() * 1000)
        self._delivery.end(run_id, status, end_ms)
        if not run.is_short:
            self._delivery.commit()
        del self._open[run_id]
        return dataclasses.replace(
            run.begun,
            state=outcome.state,
            status=status,
            end_time=end_ms,
            tags={**run.begun.tags, **tags},
            metrics={**run.begun.metrics, **run.latest},
        )

    def batched(self) -> AbstractContextManager[None]:
        """A block in which the records of short runs are written together (see `rows`)."""
        return self._writer.batched()

    def commit(self) -> None:
        """Have what waits for more of it written now, so that it is seen."""
        self._delivery.commit()

    def settle(self) -> None:
        """Return when everything is in the store: before it is read (see `late_delivery`)."""
        self._delivery.settle()

    def publish_checkpoint(self, run_id: str, staged_dir: Path, name: str) -> None:
        """Make the staged folder the run's checkpoint `name` (`step_000200`); it is moved."""
        uri = self._artifact_uri(run_id)
        if not self._open[run_id].is_short:
            self._delivery.commit()
        self._delivery.publish(run_id, uri, staged_dir, name)

    def remove_checkpoint(self, run_id: str, name: str) -> bool:
        """Remove a checkpoint; False when the store of artifacts cannot remove anything."""
        return self._delivery.remove(run_id, self._artifact_uri(run_id), name)

    def remove_checkpoints(self, run_id: str, *, after: int) -> None:
        """Remove every checkpoint of a later step; of a run that begins again, with 0, all."""
        for name in artifacts.names(self._store, self._artifact_uri(run_id)):
            if artifacts.step_of(name) > after:
                self.remove_checkpoint(run_id, name)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set one tag of any run of the store, also of one that has ended."""
        self._require()
        self._delivery.settle()
        with told(self._store.uri, f"tag the run {run_id}"):
            self._store.client.set_tag(run_id, key, clip(value, MAX_TAG))

    def add_alias(self, run_id: str, sweep: str, name: str) -> None:
        """Record that a run of another name has this run's fingerprint, once."""
        self._delivery.settle()
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
        """Points, params, dataset and tags at once: whoever sees the tags sees all of it."""
        self._require()
        run = self._open[run_id]
        batch = Batch(run.points, run.params, tags, run.dataset)
        if batch != Batch():
            self._delivery.write(run_id, batch)
        run.points, run.params, run.dataset = [], {}, None
        run.flushed_at = time.monotonic()

    def _delete_tag(self, run_id: str, key: str) -> None:
        """MLflow refuses to delete what is gone, as it is where an answer was lost on the way."""
        try:
            self._store.client.delete_tag(run_id, key)
        except MlflowException:
            if key in self._store.client.get_run(run_id).data.tags:
                raise

    def _artifact_uri(self, run_id: str) -> str:
        if run_id in self._open:
            return self._open[run_id].artifact_uri
        with told(self._store.uri, f"read the run {run_id}"):
            return str(self._store.client.get_run(run_id).info.artifact_uri)


def _clipped(values: Mapping[str, str], limit: int) -> dict[str, str]:
    return {key: clip(value, limit) for key, value in values.items()}

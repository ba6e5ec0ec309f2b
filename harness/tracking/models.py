"""Checkpoints as MLflow's logged models: on its page "Models" they are found, sorted and compared.

A logged model has the settings of its run, the run's metrics at the checkpoint's step, and one
file, which says where the checkpoint is: the weights lie once, with the run, where `harness
generate` and `harness eval` read them. It is written with its end last, so one that was cut off is
known by its status, and is made again.

Through MLflow's client one costs some 50 ms, 25 times what a run costs as rows; so whoever calls
this chooses few.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.tracking import artifacts, keys
from harness.tracking.mlflow_api import (
    LoggedModel,
    LoggedModelOutput,
    Metric,
    MlflowException,
)
from harness.tracking.patience import ServerAway
from harness.tracking.read import StoredRun
from harness.tracking.store import Store
from harness.tracking.told import told

MODEL_TYPE = "harness"
POINTER = "where.json"
READY: Final = "READY"
MAX_NAME = 200
NOT_IN_NAMES = re.compile(r"""[/:.%"']""")  # of logged models


@dataclass(frozen=True)
class CheckpointModel:
    """A checkpoint of a run: which one (`step_000200`), as what (`best`, `final`), its metrics."""

    run: StoredRun
    checkpoint: str
    roles: tuple[str, ...]
    metrics: Mapping[str, float]

    @property
    def identity(self) -> str:
        """The tag by which it is known again."""
        return " ".join([self.run.run_id, self.checkpoint, *self.roles])

    @property
    def name(self) -> str:
        """What MLflow's page calls it, within what is allowed there."""
        name = f"{self.run.name} {' and '.join(self.roles)}"
        return NOT_IN_NAMES.sub("_", name)[-MAX_NAME:]


def log_models(store: Store, experiment_id: str, wanted: Sequence[CheckpointModel]) -> None:
    """Log the checkpoints that are not logged yet; remove logged models that were cut off, and
    those of runs that are superseded or gone. All are of one of MLflow's experiments."""
    standing = {model.run.run_id for model in wanted}
    known: set[str] = set()
    with told(store.uri, "log the checkpoints as models"):
        for model in _ours(store, experiment_id):
            run_id = str(model.source_run_id)
            if run_id not in standing and _stands(store, run_id):
                standing.add(run_id)
            if model.status == READY and run_id in standing:
                known.add(model.tags[keys.MODEL])
            else:
                store.client.delete_logged_model(model.model_id)
        for checkpoint in wanted:
            if checkpoint.identity not in known:
                _log(store, experiment_id, checkpoint)


def _ours(store: Store, experiment_id: str) -> list[LoggedModel]:
    """The logged models that were made here, whatever their status."""
    return [model for model in _all(store, experiment_id) if keys.MODEL in model.tags]


def _all(store: Store, experiment_id: str) -> Iterator[LoggedModel]:
    token = None
    while True:
        page = store.client.search_logged_models([experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _stands(store: Store, run_id: str) -> bool:
    """Whether a run is there, not deleted, and none has superseded it."""
    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return run.info.lifecycle_stage == "active" and keys.SUPERSEDED_BY not in run.data.tags


def _log(store: Store, experiment_id: str, checkpoint: CheckpointModel) -> None:
    client, run = store.client, checkpoint.run
    step = artifacts.step_of(checkpoint.checkpoint)
    model = _create(store, experiment_id, checkpoint)
    time = run.start_time + step  # the points are there already, at this time: see `recorder`
    client.log_batch(
        run.run_id,
        metrics=[
            Metric(key, value, time, step, model_id=model.model_id)
            for key, value in checkpoint.metrics.items()
        ],
        synchronous=True,
    )
    _log_output(store, run.run_id, LoggedModelOutput(model.model_id, step))
    _write_pointer(store, model, checkpoint)
    client.finalize_logged_model(model.model_id, READY)


def _create(store: Store, experiment_id: str, checkpoint: CheckpointModel) -> LoggedModel:
    """A new logged model; one that a server made whose answer did not arrive is removed."""
    try:
        return store.client.create_logged_model(
            experiment_id,
            name=checkpoint.name,
            source_run_id=checkpoint.run.run_id,
            params=dict(checkpoint.run.params),
            tags={keys.MODEL: checkpoint.identity},
            model_type=MODEL_TYPE,
        )
    except ServerAway as error:
        if error.is_over:
            raise
    for model in _ours(store, experiment_id):
        if model.tags[keys.MODEL] == checkpoint.identity:
            store.client.delete_logged_model(model.model_id)
    return _create(store, experiment_id, checkpoint)


def _log_output(store: Store, run_id: str, output: LoggedModelOutput) -> None:
    """MLflow refuses an output that is there, as it is where an answer was lost on the way."""
    try:
        store.client.log_outputs(run_id, [output])
    except MlflowException:
        found = store.client.get_run(run_id).outputs
        if found is None or output.model_id not in [o.model_id for o in found.model_outputs]:
            raise


def _write_pointer(store: Store, model: LoggedModel, checkpoint: CheckpointModel) -> None:
    folder = artifacts.artifacts_dir(store, model.artifact_location)
    if folder is not None:
        artifacts.require_writable(store, folder, folder / POINTER)
    path = f"{keys.CHECKPOINTS_DIR}/{checkpoint.checkpoint}"
    where = {"run_id": checkpoint.run.run_id, "run": checkpoint.run.name, "artifact_path": path}
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / POINTER
        file.write_text(json.dumps(where, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        store.client.log_model_artifact(model.model_id, str(file))

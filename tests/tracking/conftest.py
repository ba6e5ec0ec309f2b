from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.record import RunToRecord
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store, open_store

ENVIRONMENT = {"harness.host": "here", "mlflow.user": "someone"}


@pytest.fixture
def store(project: Path) -> Store:
    return open_store()


@pytest.fixture
def recorder(store: Store) -> Recorder:
    return Recorder(store, ensure_mlflow_experiment(store, "sweep"), ENVIRONMENT)


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Path]:
    """Makes a staged checkpoint: a folder with two files."""

    def make(content: bytes = b"weights") -> Path:
        folder = tmp_path / "staged"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(content)
        (folder / "state.json").write_text("{}")
        return folder

    return make


@pytest.fixture
def run_to_record() -> Callable[..., RunToRecord]:
    """Makes the record of a run as it begins; every field may be changed."""

    def make(name: str = "adamw", **changes: object) -> RunToRecord:
        settings: dict[str, object] = {
            "sweep": "sweep",
            "experiment": name.partition("/")[0],
            "fingerprint": f"v1-{name}",
            "group": "g1-x",
            "engine": "plain",
            "params": {"optimizer.lr": "0.01", "train.steps": "200"},
        }
        return RunToRecord(name, **{**settings, **changes})  # type: ignore[arg-type]

    return make

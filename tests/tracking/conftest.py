from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from served import serving
from served_sweep import ServedSweep
from unreliable import Proxy

from harness.tracking import patience
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.record import RunToRecord
from harness.tracking.recorder import Recorder
from harness.tracking.server import free_port
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


@pytest.fixture(scope="session")
def behind(ready_made_store, tmp_path_factory):
    """The store of a real server, read directly, and a proxy before that server."""
    folder = tmp_path_factory.mktemp("behind")
    shutil.copyfile(ready_made_store, folder / "mlflow.db")
    local = open_store(f"sqlite:///{folder}/mlflow.db", folder)
    port = free_port(0)
    with serving(local, folder, port):
        yield local, Proxy(port)


@pytest.fixture
def proxy(behind, monkeypatch):
    """The proxy, which answers again after the test; MLflow's client asks once."""
    monkeypatch.setenv(patience.MLFLOWS_RETRIES, "0")
    _, made = behind
    yield made
    if made._listener is None:
        made.come_back()


@pytest.fixture
def sweep(proxy, tmp_path, request):
    """A call through the proxy, with an experiment that is named after the test."""
    return ServedSweep(proxy.url, tmp_path, request.node.name)

"""What a run asks of a server: as few requests as MLflow's protocol allows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import served_from
from sweep_files import write_sweep
from unreliable import Proxy

from harness.spec.load import load_sweep
from harness.sweep import run_sweep

# A run of up to 1,000 losses. Its losses are there before its checkpoint is, and its end after, so
# that there are two batches; a dataset has a request of its own, and so has each file.
OF_A_RUN = {
    "POST mlflow/runs/create": 1,
    "POST mlflow/runs/log-inputs": 1,
    "POST mlflow/runs/log-batch": 2,
    "PUT mlflow-artifacts/artifacts/checkpoints/checkpoint.json": 1,
    "PUT mlflow-artifacts/artifacts/checkpoints/model.safetensors": 1,
    "PUT mlflow-artifacts/artifacts/checkpoints/training.safetensors": 1,
    "POST mlflow/runs/update": 1,
}


@pytest.fixture
def proxy(ready_made_store: Path, tmp_path: Path) -> Iterator[Proxy]:
    folder = tmp_path / "served"
    folder.mkdir()
    with served_from(folder, ready_made_store) as url:
        yield Proxy(int(url.rpartition(":")[2]))


def asked(proxy: Proxy, name: str, rates: list[float], steps: int) -> Counter[str]:
    """The requests of a sweep of plain runs, by method and path, without what names a run."""
    train = {"train": {"steps": steps, "engine": "plain"}}
    experiments = {name: {**train, "matrix": {"optimizer.lr": rates}}}
    sweep = write_sweep(Path("sweep.yaml"), experiments, name=name)
    proxy.requests.clear()
    run_sweep(load_sweep(sweep), tracking_uri=proxy.url)
    named = re.compile(r"/\d+/[0-9a-f]{32}/artifacts|/step_\d+|/\d+/models/m-\w+|/m-\w+")
    unnamed = (named.sub("", request) for request in proxy.requests)
    return Counter(request.replace("/api/2.0/", "") for request in unnamed)


def test_a_run_more_takes_the_requests_that_it_must(proxy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = asked(proxy, "few", [0.01, 0.02], 20)
    many = asked(proxy, "many", [0.01 * n for n in range(3, 8)], 20)
    assert many - few == Counter({request: 3 * n for request, n in OF_A_RUN.items()})
    assert few - many == Counter()


def test_a_finished_sweep_asks_nothing_for_each_run(proxy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = [asked(proxy, "few", [0.01, 0.02], 20) for _ in range(2)][1]
    many = [asked(proxy, "many", [0.01 * n for n in range(3, 8)], 20) for _ in range(2)][1]
    assert sum(many.values()) == sum(few.values()) < 30

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sweep_files import write_sweep
from typer.testing import CliRunner


@pytest.fixture
def harness(no_store_named) -> Callable[..., Result]:
    """Runs the command line in this process: `harness("run", path, "--json")`."""

    def harness(*arguments: object) -> Result:
        from harness.cli.main import app

        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return harness


@pytest.fixture
def mixed(trained_once, no_store_named, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with `train_mixed` in it: to be read, never to be written."""
    folder = trained_once("mixed", train_mixed)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def mixed_of_its_own(project: Path) -> Path:
    """The same, for a test that changes it."""
    train_mixed()
    return project


def train_mixed() -> None:
    """Two sweeps: a group of seeds, a shared run, a failed, a diverged and a replaced one."""
    from harness.spec.load import load_sweep
    from harness.sweep import run_sweep

    experiments = {
        "many": {"seeds": 3},
        "short": {"train": {"steps": 3}},
        "bad": {"train": {"device": "cuda:99"}},
        "wild": {
            "train": {"steps": 50},
            "optimizer": {"name": "sgd", "lr": 1e6, "weight_decay": 100.0},
        },
    }
    run_sweep(load_sweep(write_sweep(Path("one.yaml"), experiments, name="one")))
    other = load_sweep(write_sweep(Path("two.yaml"), {"twin": {"train": {"steps": 3}}}, name="two"))
    run_sweep(other)
    run_sweep(load_sweep(Path("one.yaml")), only=["short"], force=True)

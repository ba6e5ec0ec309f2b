"""What of a file, or of a store, is compared: runs that other names trained belong to it too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from searches import search
from sweep_files import write_sweep

from harness.comparison.compare import comparison
from harness.comparison.sensitivity import sensitivity_curves
from harness.comparison.source import open_source
from harness.comparison.versus import versus
from harness.errors import UsageError
from harness.spec.load import load_sweep
from harness.sweep import run_sweep

SPACE = {"optimizer.lr": {"choices": [0.01, 0.1]}}
GRID = search(
    space=SPACE,
    sampler={"name": "grid"},
    pruner={"name": "none"},
    n_trials=2,
    train={"steps": 6},
)
SEEDS = {"matrix": {"seed.data": [0, 1, 2]}}


def write(file: str, experiments: dict[str, Any], **searches: dict[str, Any]) -> Path:
    path = write_sweep(Path(file), experiments, name=Path(file).stem)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "searches": searches} if searches else content))
    return path


def train(path: Path, *only: str) -> None:
    run_sweep(load_sweep(path), only=only)


def lrs(path: Path | None, store: str | None = None) -> dict[str, list[float]]:
    """The learning rates of each curve."""
    curves = sensitivity_curves(open_source(path, store), metric="train/loss")
    return {curve.experiment: [point.lr for point in curve.points] for curve in curves}


def test_a_trial_that_an_experiment_trained_is_on_the_curve_of_the_search(project):
    path = write("one.yaml", {"a": {"optimizer": {"lr": 0.1}}}, s=GRID)
    train(path)
    assert lrs(path) == {"s": [0.01, 0.1]}
    assert lrs(None) == {"s": [0.01, 0.1]}


def test_a_search_that_was_changed_keeps_the_trials_that_it_shares(project):
    experiments = {"a": {"optimizer": {"lr": 0.5}}}
    train(write("one.yaml", experiments, s=GRID))
    wider = {"optimizer.lr": {"choices": [0.01, 0.1, 1.0]}}
    path = write("one.yaml", experiments, s={**GRID, "space": wider, "n_trials": 3})
    train(path)
    assert lrs(path) == {"s": [0.01, 0.1, 1.0]}
    assert [row.name for row in comparison(path).selected.rows] == ["a", "s (best)"]


def test_a_search_that_the_file_no_longer_has_is_not_compared(project):
    experiments = {"a": {"optimizer": {"lr": 0.5}}}
    train(write("one.yaml", experiments, s=GRID))
    path = write("one.yaml", experiments)
    assert [row.name for row in comparison(path).selected.rows] == ["a"]
    assert [row.name for row in comparison().selected.rows] == ["a", "s (best)"]


def test_of_a_search_without_its_study_the_trials_that_it_trained_are_left(project):
    path = write("one.yaml", {"a": {"optimizer": {"lr": 0.5}}}, s=GRID)
    train(path)
    for file in Path("mlruns").glob("optuna.db*"):
        file.unlink()
    assert lrs(path) == {"s": [0.01, 0.1]}


def test_trials_of_a_study_that_the_store_does_not_have_are_left_out(project, another_store):
    path = write("one.yaml", {"a": {"matrix": {"optimizer.lr": [0.01, 0.1]}}}, s=GRID)
    train(path)
    other = another_store(project / "other" / "mlflow.db")
    run_sweep(load_sweep(path), tracking_uri=other, only=["a"])
    assert lrs(path, other) == {"a": [0.01, 0.1]}


def test_a_seed_that_another_sweep_trained_first_counts_in_its_group(project):
    train(write("one.yaml", {"x": {"seed": {"data": 1}}}))
    path = write("two.yaml", {"m": SEEDS})
    train(path)
    (row,) = comparison(path).selected.rows
    assert (row.name, len(row.runs)) == ("m", 3)


def test_sweeps_that_use_a_name_twice_have_groups_of_their_own(project):
    train(write("one.yaml", {"m": {"matrix": {"seed.data": [0, 1]}}}))
    train(write("two.yaml", {"m": {"matrix": {"seed.data": [2, 3]}}}))
    assert [len(row.runs) for row in comparison().selected.rows] == [2, 2]


def test_a_run_is_not_compared_with_itself(project):
    path = write("one.yaml", {"a": {"matrix": {"optimizer.lr": [0.01, 0.1]}}, "b": {}})
    train(path)
    with pytest.raises(
        UsageError, match=r"--versus a/lr=0\.01 b: must be two, both are the run a/lr=0\.01"
    ):
        versus(path, "a/lr=0.01", "b")
    (best,) = (row.name for row in comparison(path).selected.named("a") if "lr=0.1" in row.name)
    with pytest.raises(
        UsageError, match=r"--versus a a/lr=0\.1: must be two, both are the run a/lr=0\.1"
    ):
        versus(path, "a", best)
    assert versus(path, "a/lr=0.01", "a/lr=0.1").difference is not None


def test_seeds_are_not_compared_with_themselves(project):
    path = write("one.yaml", {"a": {"seeds": 2}, "b": {"seeds": 2}})
    train(path)
    with pytest.raises(UsageError, match="--versus a b: must be two, both are the 2 runs of a"):
        versus(path, "a", "b")


def test_a_step_that_is_asked_for_twice_is_one_column(project):
    path = write("one.yaml", {"a": {}})
    train(path)
    frame = comparison(path, at=[5, 2, 5]).frame
    assert [name for name in frame.columns if name.startswith("step")] == ["step 5", "step 2"]

"""One search over the optimizer, each over its own range, finds what a search of each finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searches import search, write

from harness.search.result import SearchResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import find_runs
from harness.tracking.store import open_store

pytestmark = pytest.mark.usefixtures("no_plots")

RANGES: dict[str, dict[str, Any]] = {
    "adamw": {"low": 1e-3, "high": 0.3, "log": True, "points": 5},
    "sgd": {"low": 1e-2, "high": 3.0, "log": True, "points": 4},  # the last one diverges
}


def sweep_of_three(path: Path) -> Path:
    """A grid over both optimizers, and one over each alone."""
    grid = {"sampler": {"name": "grid", "seed": 5}, "pruner": {"name": "none"}, "n_trials": 100}
    alone = {
        name: search(optimizer={"name": name}, space={"optimizer.lr": values}, **grid)
        for name, values in RANGES.items()
    }
    space = {
        "optimizer.name": {"choices": list(RANGES)},
        "optimizer.lr": [
            {**values, "when": {"optimizer.name": name}} for name, values in RANGES.items()
        ],
    }
    return write(path, both=search(space=space, **grid), **alone)


def found(path: Path, *names: str, uri: str | None = None) -> dict[str, SearchResult]:
    results = run_sweep(load_sweep(path), only=names, tracking_uri=uri).searches
    return {result.name: result for result in results}


def values_by_fingerprint(result: SearchResult, uri: str | None = None) -> dict[str | None, float]:
    fingerprints = {run.run_id: run.fingerprint for run in find_runs(open_store(uri))}
    values = {fingerprints[str(trial.run_id)]: trial.values[0] for trial in result.trials}
    assert len(values) == len(result.trials)
    return values


def check_best_of_each(both: SearchResult, alone: dict[str, SearchResult]) -> None:
    """The best of each optimizer's trials is that of its own search, and the best of all theirs."""
    bests = []
    for name, single in alone.items():
        own = [trial for trial in both.trials if trial.params["optimizer.name"] == name]
        best = min(own, key=lambda trial: trial.values)
        assert single.best is not None
        assert best.values == single.best.values
        assert best.params["optimizer.lr"] == single.best.params["optimizer.lr"]
        assert {t.params["optimizer.lr"]: t.values for t in own} == {
            t.params["optimizer.lr"]: t.values for t in single.trials
        }
        bests.append(best)
    assert both.best == min(bests, key=lambda trial: trial.values)


def test_trained_apart_both_ways_find_the_same_runs_with_the_same_values(project, another_store):
    path, apart = sweep_of_three(project / "s.yaml"), another_store(project / "apart.db")
    both = found(path, "both")["both"]
    alone = found(path, *RANGES, uri=apart)
    assert both.states == {"finished": 8, "diverged": 1}
    assert values_by_fingerprint(both) == {
        fingerprint: value
        for name in RANGES
        for fingerprint, value in values_by_fingerprint(alone[name], apart).items()
    }
    check_best_of_each(both, alone)


@pytest.mark.parametrize("order", [("both", "each"), ("each", "both")])
def test_in_one_store_whichever_comes_second_trains_nothing(order, project):
    path = sweep_of_three(project / "s.yaml")
    results: dict[str, SearchResult] = {}
    trained = []
    for part in order:
        results |= found(path, *(["both"] if part == "both" else RANGES))
        trained.append({run.run_id for run in find_runs(open_store()) if run.kind == "run"})
    assert len(trained[0]) == 9
    assert trained[1] == trained[0]
    both = results.pop("both")
    ids = {trial.run_id for result in results.values() for trial in result.trials}
    assert {trial.run_id for trial in both.trials} == ids == trained[0]
    check_best_of_each(both, results)
    shared = [run for run in find_runs(open_store()) if run.kind == "run"]
    assert all(len(run.names) == 2 for run in shared)

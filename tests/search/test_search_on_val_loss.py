"""Searches whose metric is `val/loss`: values, reports and pruning, the same every time."""

from __future__ import annotations

import statistics

import pytest
from searches import StopAt, run, search, table, write

from harness.interrupts import Interrupted
from harness.tracking.read import find_runs, history
from harness.tracking.store import open_store

pytestmark = pytest.mark.usefixtures("no_plots")

HELD_OUT = {"data": {"text": "a b c", "repeat": 8, "tokenizer": "words", "holdout": 0.25}}


def on_val_loss(engine: str = "plain", **changes):
    train = {"steps": 12, "eval_every": 2, "engine": engine}
    entry = {"metric": "val/loss", "model": {"dropout": 0.1}, **HELD_OUT, "train": train}
    return search(**{**entry, **changes})


def values(run_id: str) -> dict[int, float]:
    return history(open_store(), run_id, "val/loss")


@pytest.mark.parametrize("engine", ["plain", "stacked"])
def test_a_trial_is_worth_its_last_evaluations_and_pruned_by_those_at_the_rungs(project, engine):
    reduce = {"last": 2, "by": "mean"}
    result = run(
        write(project / "s.yaml", s=on_val_loss(engine, reduce=reduce, n_trials=6, parallel=6))
    )
    assert {trial.state for trial in result.trials} == {"finished", "pruned"}
    for trial in result.trials:
        found = values(trial.run_id)
        reports = dict(trial.reports)
        for step, value in reports.items():
            assert value == statistics.fmean([v for s, v in found.items() if s <= step][-2:])
        if trial.state == "finished":
            assert list(found) == [2, 4, 6, 8, 10, 12]
            assert list(reports) == [2, 4, 8, 12]
            assert trial.values == (reports[12],)
        else:
            assert list(found) == list(range(2, max(reports) + 1, 2))
    parent = next(record for record in find_runs(open_store()) if record.kind == "search")
    assert values(parent.run_id) == values(result.best.run_id)
    for left in (project / "mlruns").glob("optuna.db*"):
        left.unlink()
    assert table(run(project / "s.yaml")) == table(result)  # finished trials from the store


def test_a_search_that_was_stopped_goes_on_to_the_same_trials(project):
    entry = on_val_loss(checkpoint={"every": 3}, n_trials=4)
    whole = run(write(project / "s.yaml", s=entry))
    curves = {r.name: values(r.run_id) for r in find_runs(open_store())}
    for left in (project / "mlruns").glob("optuna.db*"):
        left.unlink()
    for record in find_runs(open_store()):
        open_store().client.delete_run(record.run_id)
    with pytest.raises(Interrupted):
        run(project / "s.yaml", observer=StopAt(9))
    assert table(run(project / "s.yaml")) == table(whole)
    records = [r for r in find_runs(open_store()) if r.superseded_by is None]
    assert {r.name: values(r.run_id) for r in records} == curves


def test_without_a_pruner_trials_report_each_evaluation_whatever_their_length(project):
    space, grid = {"train.eval_every": {"choices": [5, 6]}}, {"name": "grid"}
    entry = on_val_loss(space=space, sampler=grid, pruner={"name": "none"})
    del entry["train"]["eval_every"]
    for trial in run(write(project / "s.yaml", s=entry)).trials:
        steps = {5: [5, 10, 12], 6: [6, 12]}[trial.params["train.eval_every"]]
        assert dict(trial.reports) == values(trial.run_id)
        assert list(values(trial.run_id)) == steps


def test_a_value_that_is_not_finite_after_the_last_step_counts_as_the_worst(project):
    """The losses of a single step are finite, and the weights after it are not."""
    entry = on_val_loss(
        optimizer={"name": "sgd", "weight_decay": 1e38},
        space={"optimizer.lr": {"choices": [1e6, 0.001]}},
        sampler={"name": "grid"},
        pruner={"name": "none"},
    )
    entry["train"] = {"steps": 1, "engine": "plain"}
    found = {t.params["optimizer.lr"]: t for t in run(write(project / "s.yaml", s=entry)).trials}
    assert {t.state for t in found.values()} == {"finished"}
    assert found[1e6].values == (float("inf"),)
    assert values(found[1e6].run_id) == {}

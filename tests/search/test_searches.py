"""Searches end to end: what they find, that they are the same every time, what they leave."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState
from searches import HALVING, LR, StopAt, run, search, study, table, write
from sweep_files import read_until, started

from harness.interrupts import Interrupted
from harness.observer import Observer
from harness.search import plots
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking import keys
from harness.tracking.read import find_runs, history
from harness.tracking.store import open_store

pytestmark = pytest.mark.usefixtures("no_plots")

SAMPLERS = ["random", "tpe", "cmaes", "qmc", "gp"]
TWO = {**LR, "train.batch_size": {"low": 1, "high": 4}}


def sampled(name: str, **changes):
    startup = {"n_startup_trials": 3} if name in ("tpe", "gp") else {}
    return search(sampler={"name": name, "seed": 3, **startup}, space=TWO, **changes)


@pytest.fixture
def plots_drawn(no_plots, monkeypatch) -> None:
    """The plots of real studies: in a few tests, of studies as unlike as can be."""
    monkeypatch.setattr(plots, "write_plots", no_plots)


@pytest.mark.parametrize("name", SAMPLERS)
def test_twice_as_many_trials_later_are_those_of_as_many_at_once(name, project):
    whole = run(write(project / "whole.yaml", s=sampled(name, n_trials=8)))
    (project / "mlruns" / "optuna.db").unlink()
    half = run(write(project / "half.yaml", s=sampled(name, n_trials=4)))
    assert table(half) == table(whole)[:4]
    rest = run(write(project / "rest.yaml", s=sampled(name, n_trials=8)))
    assert rest.num_new == 4
    assert table(rest) == table(whole)
    assert run(project / "rest.yaml").num_new == 0
    assert len({tuple(t.params.items()) for t in whole.trials}) == 8


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["plain", "stacked"])
def test_a_search_stopped_anywhere_goes_on_to_the_same_trials(engine, project):
    # The sampler asks the trials again, and the pruner keeps what it knows in them.
    entry = sampled("tpe", train={"steps": 12, "engine": engine})
    whole = run(write(project / "s.yaml", s=entry))
    assert {t.state for t in whole.trials} == {"finished", "pruned"}
    curves = {r.name: history(open_store(), r.run_id) for r in find_runs(open_store())}
    for n in (1, 2, 6, 9, 14, 21, 30):
        for left in (project / "mlruns").iterdir():
            if left.name.startswith(("optuna.db",)):
                left.unlink()
        for record in find_runs(open_store()):
            open_store().client.delete_run(record.run_id)
        try:
            run(project / "s.yaml", observer=StopAt(n))
        except Interrupted:
            stopped = {r.name: r.state for r in find_runs(open_store())}
            assert "running" not in stopped.values()
        assert table(run(project / "s.yaml")) == table(whole), n
        records = [r for r in find_runs(open_store()) if r.superseded_by is None]
        found = {r.name: history(open_store(), r.run_id) for r in records}
        assert found == curves, n
        assert len(records) == len(found)


def test_a_signal_while_a_search_is_ended_stops_the_call_after_it(project, monkeypatch):
    path = write(project / "s.yaml", s=search(n_trials=2))
    monkeypatch.setattr(plots, "write_plots", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted, match="SIGTERM"):
        run(path)
    (parent,) = [record for record in find_runs(open_store()) if record.kind == "search"]
    assert parent.state == "finished"
    assert run(path).num_new == 0


def test_the_study_is_the_same_in_a_full_store_as_in_an_empty_one(project):
    path = write(project / "s.yaml", s=sampled("tpe"))
    first = run(path)
    for left in (project / "mlruns").glob("optuna.db*"):
        left.unlink()
    records = {r.run_id for r in find_runs(open_store()) if r.kind == "run"}
    again = run(path)
    assert table(again) == table(first)
    finished = {t.number: t.run_id for t in first.trials if t.state == "finished"}
    assert {t.number: t.run_id for t in again.trials if t.state == "finished"} == finished
    assert {r.run_id for r in find_runs(open_store()) if r.kind == "run"} == records


def test_plain_and_stacked_trials_of_one_batch_end_like_runs_alone(project, another_store):
    space = {"train.engine": {"choices": ["plain", "stacked"]}, **LR}
    entry = search(
        space=space, pruner={"name": "none"}, parallel=8, model={"dropout": 0.3}, report_every=5
    )
    result = run(write(project / "s.yaml", s=entry))
    assert {t.params["train.engine"] for t in result.trials} == {"plain", "stacked"}
    store = open_store()
    for trial in result.trials:
        lr, engine = trial.params["optimizer.lr"], trial.params["train.engine"]
        alone = {"train": {"steps": 12, "engine": engine}, "optimizer": {"lr": lr}}
        alone["model"] = {"dropout": 0.3}
        other = project / "other"
        other.mkdir(exist_ok=True)
        (other / "s.yaml").write_text(
            json.dumps({**json.loads((project / "s.yaml").read_text()), "searches": {}})
        )
        content = json.loads((other / "s.yaml").read_text())
        content["experiments"] = {"alone": alone}
        del content["searches"]
        (other / "s.yaml").write_text(json.dumps(content))
        uri = another_store(other / f"{trial.number}.db")
        (made,) = run_sweep(load_sweep(other / "s.yaml"), tracking_uri=uri).runs
        assert history(store, trial.run_id) == history(open_store(uri), made.run_id)


def test_a_grid_is_every_point_once(project, plots_drawn):
    space = {
        "optimizer.name": {"choices": ["adamw", "sgd"]},
        "optimizer.lr": [
            {"low": 0.01, "high": 1, "log": True, "points": 3, "when": {"optimizer.name": "adamw"}},
            {"low": 0.1, "high": 0.2, "step": 0.1, "when": {"optimizer.name": "sgd"}},
        ],
    }
    entry = search(space=space, sampler={"name": "grid"}, n_trials=100, pruner={"name": "none"})
    entry["enqueue"] = [{"optimizer.name": "sgd", "optimizer.lr": 0.2}]
    result = run(write(project / "s.yaml", s=entry))
    points = sorted((t.params["optimizer.name"], t.params["optimizer.lr"]) for t in result.trials)
    expected = [("adamw", 0.01), ("adamw", 0.1), ("adamw", 1)]
    expected += [("sgd", 0.1), ("sgd", 0.2), ("sgd", 0.2)]
    assert points == [(name, pytest.approx(lr)) for name, lr in expected]
    # The enqueued point is in the grid too: its run is shared.
    ids = [t.run_id for t in result.trials if t.params["optimizer.lr"] == 0.2]
    assert ids[0] == ids[1]


def test_a_diverged_trial_is_the_worst_there_is_and_never_the_best(project, plots_drawn):
    entry = search(
        space={"optimizer.lr": {"choices": [0.1, 1e6]}},
        sampler={"name": "grid"},
        optimizer={"name": "sgd"},
        pruner={"name": "none"},
        train={"steps": 12, "engine": "plain"},
        expect=[{"best": "optimizer.lr", "equals": 0.1}, {"best": "value", "below": 0}],
    )
    result = run(write(project / "s.yaml", s=entry))
    by_lr = {t.params["optimizer.lr"]: t for t in result.trials}
    assert (by_lr[1e6].state, by_lr[1e6].values) == ("diverged", (math.inf,))
    assert result.best is by_lr[0.1]
    assert [claim.holds for claim in result.claims] == [True, False]
    assert result.states == {"finished": 1, "diverged": 1}


def test_several_metrics_make_a_front(project, plots_drawn):
    entry = search(
        metric=["train/loss", "train/perplexity"],
        direction=["minimize", "maximize"],
        pruner={"name": "none"},
    )
    result = run(write(project / "s.yaml", s=entry))
    assert result.best is None
    assert (
        len(result.front) == 8
    )  # perplexity is e^loss: what is better in one is worse in the other
    numbers = {t.number for t in study(result).best_trials}
    assert {t.number for t in result.front} == numbers


def test_a_trial_that_breaks_a_constraint_is_not_trained(project):
    entry = search(
        space={"model.embed_dim": {"choices": [4, 8]}},
        sampler={"name": "grid"},
        constraints=["params <= 400"],
        pruner={"name": "none"},
    )
    result = run(write(project / "s.yaml", s=entry))
    states = {t.params["model.embed_dim"]: t for t in result.trials}
    assert states[4].state == "finished"
    assert (states[8].state, states[8].run_id) == ("infeasible", None)
    assert states[8].message.endswith("must be <= 400")


def test_values_that_do_not_go_together_fail_that_trial_alone(project):
    space = {"model.embed_dim": {"choices": [4, 6]}, "model.num_heads": {"choices": [1, 2, 3]}}
    entry = search(space=space, sampler={"name": "grid"}, pruner={"name": "none"}, n_trials=6)
    entry["space"]["model.embed_dim"]["choices"] = [6, 4]
    result = run(write(project / "s.yaml", s=entry))
    failed = [t for t in result.trials if t.state == "failed"]
    assert [dict(t.params) for t in failed] == [{"model.embed_dim": 4, "model.num_heads": 3}]
    assert "3" in failed[0].message


def test_a_trial_whose_run_fails_says_why_and_the_others_go_on(project):
    space = {"train.device": {"choices": ["cpu", "cuda:99"]}}
    entry = search(space=space, sampler={"name": "grid"}, pruner={"name": "none"})
    result = run(write(project / "s.yaml", s=entry))
    by_device = {t.params["train.device"]: t for t in result.trials}
    assert by_device["cpu"].state == "finished"
    assert by_device["cuda:99"].state == "failed"
    assert "cuda:99 is not on this machine" in by_device["cuda:99"].message


def test_what_mlflow_and_optuna_hold_of_a_search(project, plots_drawn):
    result = run(
        write(project / "s.yaml", s=search(description="why", enqueue=[{"optimizer.lr": 0.5}]))
    )
    store = open_store()
    (parent,) = [r for r in find_runs(store) if r.kind == "search"]
    assert (parent.name, parent.state, parent.tags[keys.STUDY]) == ("s", "finished", result.study)
    assert parent.fingerprint is None
    best = result.best
    assert best is not None
    assert history(store, parent.run_id) == history(store, best.run_id)
    assert parent.params["best.trial"] == str(best.number)
    assert parent.params["best.optimizer.lr"] == repr(best.params["optimizer.lr"])
    assert min(history(store, parent.run_id, "search/best_value").values()) == best.value
    children = [r for r in find_runs(store) if r.kind == "run"]
    assert {r.tags[keys.PARENT_RUN_ID] for r in children} == {parent.run_id}
    assert {int(r.tags[keys.TRIAL]): r.state for r in children} == {
        t.number: t.state for t in result.trials
    }
    plots = {f.path for f in store.client.list_artifacts(parent.run_id, "plots")}
    assert {"plots/search.html", "plots/optimization_history.png", "plots/slice.png"} <= plots
    assert "plots/intermediate_values.png" in plots
    opened = study(result)
    assert result.trials[0].params == {"optimizer.lr": 0.5}
    assert opened.best_trial.number == best.number
    assert {t.state for t in opened.trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert opened.metric_names == ["train/loss"]
    pruned = [t for t in result.trials if t.state == "pruned"]
    for trial in pruned:
        assert sorted(history(store, trial.run_id)) == list(range(1, max(trial.reports) + 1))


def test_more_trials_later_make_one_parent_of_all(project):
    run(write(project / "s.yaml", s=search(n_trials=4)))
    result = run(write(project / "s.yaml", s=search(n_trials=8)))
    parents = [r for r in find_runs(open_store()) if r.kind == "search"]
    (current,) = [r for r in parents if r.superseded_by is None]
    assert len(parents) == 2
    assert current.run_id == result.run_id
    children = [r for r in find_runs(open_store()) if r.kind == "run"]
    assert {r.tags[keys.PARENT_RUN_ID] for r in children} == {current.run_id}


def test_a_changed_search_is_another_study(project):
    first = run(write(project / "s.yaml", s=search()))
    second = run(write(project / "s.yaml", s=search(parallel=2)))
    third = run(
        write(project / "s.yaml", s=search(n_trials=9, expect=[{"best": "value", "above": 0}]))
    )
    assert first.study != second.study
    assert first.study == third.study


def test_searches_are_compared_also_when_only_one_is_run(project):
    good = search(expect=[{"better_than": {"search": "bad"}}])
    bad = search(space={"optimizer.lr": {"low": 1e-9, "high": 1e-8}})
    path = write(project / "s.yaml", good=good, bad=bad)
    assert [c.holds for c in run(path, "good").claims] == [None]
    run(path, "bad")
    (claim,) = run(path, "good").claims
    assert claim.holds is True
    assert claim.detail.startswith("bad: ")


def test_no_trial_begins_after_the_time_is_out(project):
    notes = []

    class Notes(Observer):
        def on_note(self, text: str) -> None:
            notes.append(text)

    path = write(project / "s.yaml", s=search(timeout_s=1e-9))
    assert run(path, observer=Notes()).trials == ()
    assert "stopped after 1e-09 s (timeout_s) with 0 of 8 trials" in notes[0]


@pytest.mark.parametrize(
    "pruner",
    [
        {"name": "median", "n_startup_trials": 0},
        {"name": "percentile", "percentile": 25.0, "n_startup_trials": 0},
        HALVING,
        {"name": "hyperband", "min_resource": 2, "reduction_factor": 2},
        {"name": "threshold", "upper": 1.5},
        {"name": "patient", "wrapped": {"name": "threshold", "upper": 1.0}, "patience": 0},
    ],
    ids=lambda pruner: pruner["name"],
)
def test_every_pruner_prunes_and_leaves_the_first_trials_alone(pruner, project):
    entry = search(pruner=pruner, report_every=3, n_trials=16, space=LR)
    path: Path = write(project / "s.yaml", s=entry)
    result = run(path)
    assert result.trials[0].state == "finished"
    assert result.states["pruned"] > 0
    steps = (
        {2, 4, 8, 12} if pruner["name"] in ("successive_halving", "hyperband") else {3, 6, 9, 12}
    )
    assert {step for t in result.trials for step in t.reports} <= steps


def killed_after(seconds: float, folder: Path) -> bool:
    """Run the real command and kill it so long after it began its trials; whether it had ended."""
    with started("search", "s.yaml", cwd=folder) as process:
        read_until(process, " of 12 trials")
        time.sleep(seconds)
        ended = process.poll() is not None
        process.kill()
        process.wait(10)
    return ended


@pytest.mark.campaign  # a few kills of a search are among those of benchmarks/test_chaos.py
def test_killed_at_random_moments_and_run_again_the_trials_are_the_same(
    project, tmp_path, monkeypatch
):
    entry = search(
        n_trials=12,
        train={"steps": 600, "engine": "plain"},
        pruner={"name": "successive_halving", "min_resource": 50, "reduction_factor": 2},
        sampler={"name": "tpe", "n_startup_trials": 3},
    )
    whole = table(run(write(project / "s.yaml", s=entry)))
    curves = {r.name: history(open_store(), r.run_id) for r in find_runs(open_store())}
    folder = tmp_path / "killed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copyfile(project / "s.yaml", "s.yaml")
    chance = random.Random(0)
    ended = [killed_after(chance.uniform(0, 0.4), folder) for _ in range(30)]
    assert not any(ended[:3])
    assert table(run(folder / "s.yaml")) == whole
    store = open_store()
    records = [r for r in find_runs(store) if r.superseded_by is None]
    assert {r.name: history(store, r.run_id) for r in records} == curves
    assert {r.status for r in records} == {"FINISHED"}
    for record in records:
        points = store.client.get_metric_history(record.run_id, keys.TRAIN_LOSS)
        assert len(points) == len({point.step for point in points})

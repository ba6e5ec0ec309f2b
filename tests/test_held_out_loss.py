"""`val/loss` from the sweep file to the store: where it is, and that nothing disturbs it."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stopping import Heard, Stop, points
from sweep_files import job_run, write_sweep

from harness.cli.progress import Lines
from harness.comparison.compare import compare
from harness.gpt.checkpoint import load_checkpoint
from harness.interrupts import Interrupted
from harness.job import run_job
from harness.job_events import Job, JobRun, Reached, StagedCheckpoint, Steps
from harness.spec.load import load_sweep
from harness.spec.records import SavedCheckpoint
from harness.sweep import run_sweep
from harness.tracking.read import checkpoints, find_runs, history
from harness.tracking.store import open_store
from harness.train.data import corpus_tensor, split
from harness.train.evaluation import Evaluation

HELD_OUT = {"holdout": 0.25}  # 6 of 24 tokens, as many as a window needs
pytestmark = pytest.mark.usefixtures("process_as_torch_left_it")
ENGINES = pytest.mark.parametrize("engine", ["plain", "stacked"])


def held_out_run(folder: Path, name: str = "run", **changes: Any) -> JobRun:
    return job_run(folder / name, name, **{"data": HELD_OUT, **changes})


def events_of(*runs: JobRun, rungs: tuple[int, ...] = (), stopped: tuple[int, ...] = ()) -> list:
    events = []

    def emit(event):
        events.append(event)
        return stopped if isinstance(event, Reached) else ()

    run_job(Job(runs, rungs), emit)
    return events


def told(events: list, run: int = 0) -> tuple[dict[int, float], dict[int, float]]:
    """A run's losses and evaluations by step; each is told once."""
    steps = [event for event in events if isinstance(event, Steps) and event.run == run]
    losses = [pair for event in steps for pair in event.losses]
    evaluations = [pair for event in steps for pair in event.evaluations]
    assert len(dict(losses)) == len(losses)
    assert len(dict(evaluations)) == len(evaluations)
    return dict(losses), dict(evaluations)


# one job


@ENGINES
@pytest.mark.parametrize(
    ("eval_every", "expected"), [(None, [6]), (1, [1, 2, 3, 4, 5, 6]), (4, [4, 6]), (9, [6])]
)
def test_a_run_is_evaluated_every_so_many_steps_and_after_the_last(
    tmp_path, engine, eval_every, expected
):
    run = held_out_run(tmp_path, train={"engine": engine, "eval_every": eval_every})
    losses, evaluations = told(events_of(run))
    assert list(losses) == [1, 2, 3, 4, 5, 6]
    assert list(evaluations) == expected


def test_bare_is_evaluated_after_its_last_step_like_plain(tmp_path):
    bare, plain = (
        told(events_of(held_out_run(tmp_path, engine, train={"engine": engine})))
        for engine in ("bare", "plain")
    )
    assert bare == plain
    assert list(bare[1]) == [6]


def test_without_held_out_tokens_nothing_is_evaluated(tmp_path):
    assert told(events_of(held_out_run(tmp_path, data={})))[1] == {}


@ENGINES
def test_evaluating_changes_no_loss_and_no_weight(tmp_path, engine):
    results = []
    for name, eval_every in (("often", 1), ("once", None)):
        run = held_out_run(
            *(tmp_path, name),
            model={"dropout": 0.3},
            train={"engine": engine, "eval_every": eval_every},
        )
        events = events_of(run)
        files = {path.name: path.read_bytes() for path in events[-2].directory.iterdir()}
        results.append((told(events)[0], files))
    assert results[0] == results[1]


@ENGINES
def test_a_checkpoint_comes_after_its_evaluation_and_gives_the_value_again_to_the_bit(
    tmp_path, engine
):
    run = held_out_run(
        tmp_path,
        model={"dropout": 0.3},
        train={"engine": engine, "eval_every": 2},
        checkpoint={"every": 2},
    )
    heard: dict[int, float] = {}
    saved = 0
    for event in events_of(run):
        if isinstance(event, Steps):
            heard |= event.evaluations
        elif isinstance(event, StagedCheckpoint):
            model = load_checkpoint(event.directory).model
            _, held_out = split(corpus_tensor(run.corpus), run.config.data)
            assert heard[event.step] == Evaluation(run.config, held_out).loss(model)
            saved += 1
    assert saved == 3


@ENGINES
def test_a_run_that_diverges_keeps_what_it_was_evaluated_to(tmp_path, engine):
    run = held_out_run(
        tmp_path,
        optimizer={"name": "sgd", "lr": 0.5, "weight_decay": 10.0},  # weights grow fourfold a step
        train={"engine": engine, "steps": 90, "eval_every": 1},
    )
    events = events_of(run)
    losses, evaluations = told(events)
    result = events[-1].result
    assert (result.state, result.step) == ("diverged", len(losses) + 1)
    assert all(map(math.isfinite, evaluations.values()))
    assert {1, 2, 3, 4, 5} <= set(evaluations) <= set(losses)


@ENGINES
def test_a_run_that_stops_at_a_rung_has_its_evaluation_there(tmp_path, engine):
    runs = [
        held_out_run(tmp_path, name, train={"engine": engine, "eval_every": 2})
        for name in ("a", "b")
    ]
    events = events_of(*runs, rungs=(4,), stopped=(1,))
    place = next(i for i, event in enumerate(events) if isinstance(event, Reached))
    assert [list(told(events[:place], run)[1]) for run in (0, 1)] == [[2, 4], [2, 4]]
    assert [list(told(events, run)[1]) for run in (0, 1)] == [[2, 4, 6], [2, 4]]


def test_a_run_of_a_stack_is_evaluated_as_it_is_alone(tmp_path):
    changes = [
        {"train": {"engine": "stacked", "eval_every": 2}},
        {"train": {"engine": "stacked", "eval_every": 5, "eval_batches": 3}, "seed": {"data": 9}},
        {"train": {"engine": "stacked"}, "optimizer": {"name": "sgd", "lr": 0.1}},
        {
            "train": {"engine": "stacked", "eval_every": 3, "batch_size": 3},
            "data": {"holdout": 0.4},
        },
        {"train": {"engine": "stacked"}, "data": {"holdout": 0.0}},
    ]
    together = [held_out_run(tmp_path, f"t{i}", **change) for i, change in enumerate(changes)]
    alone = [held_out_run(tmp_path, f"a{i}", **change) for i, change in enumerate(changes)]
    events = events_of(*together)
    for i, run in enumerate(alone):
        assert told(events, i) == told(events_of(run))


@ENGINES
def test_a_run_that_goes_on_is_evaluated_at_the_steps_that_are_left(tmp_path, engine):
    def run(name, saved=()):
        made = held_out_run(
            *(tmp_path, name),
            model={"dropout": 0.3},
            train={"engine": engine, "steps": 9, "eval_every": 2},
            checkpoint={"every": 4},
        )
        return dataclasses.replace(made, saved=saved)

    whole = events_of(run("whole"))
    for event in (one for one in whole if isinstance(one, StagedCheckpoint)):
        saved = SavedCheckpoint(event.directory, event.step, event.loss)
        _, evaluations = told(events_of(run(f"after {event.step}", (saved,))))
        assert evaluations == {s: v for s, v in told(whole)[1].items() if s > event.step}


# a sweep and its store


def sweep(entries: dict[str, Any] | None = None, engine: str = "plain", **changes: Any):
    sections = {
        "model": {"dropout": 0.2},
        "data": HELD_OUT,
        "train": {"steps": 12, "engine": engine, "eval_every": 2},
        "checkpoint": {"every": 3},
        **changes,
    }
    return load_sweep(write_sweep(Path("sweep.yaml"), entries or {"a": {}}, **sections))


def values(run_id: str) -> dict[int, float]:
    return history(open_store(), run_id, "val/loss")


@pytest.mark.parametrize(("engine", "step"), [("plain", 6), ("plain", 11), ("stacked", 7)])
def test_a_run_that_was_cut_off_has_every_value_once(project, engine, step):
    whole = run_sweep(sweep(engine=engine)).runs[0].run_id
    expected = values(whole)
    assert list(expected) == [2, 4, 6, 8, 10, 12]
    assert find_runs(open_store())[0].metrics["val/loss"] == expected[12]
    open_store().client.delete_run(whole)
    with pytest.raises(Interrupted):
        run_sweep(sweep(engine=engine), observer=Stop("a", step))
    (again,) = run_sweep(sweep(engine=engine)).runs
    assert again.run_id == find_runs(open_store())[0].run_id
    assert values(again.run_id) == expected
    assert points(again.run_id, "val/loss") == list(expected.items())


def test_a_value_that_is_missing_in_the_store_is_made_again(project):
    with pytest.raises(Interrupted):
        run_sweep(sweep(), observer=Stop("a", 10))
    (killed,) = find_runs(open_store())
    assert checkpoints(open_store(), killed.run_id)[-1] == "step_000009"
    before = values(killed.run_id)
    with sqlite3.connect("mlruns/mlflow.db") as connection:
        connection.execute("DELETE FROM metrics WHERE step = 8 AND key = 'val/loss'")
    connection.close()
    heard = Heard()
    run_sweep(sweep(), observer=heard)
    assert heard.resumed == {"a": 6}
    assert before.items() <= values(killed.run_id).items()
    assert len(points(killed.run_id, "val/loss")) == 6


def test_a_finished_run_without_values_does_not_stand_for_one_with_them(project):
    run_sweep(sweep(data={}, train={"steps": 12}))
    (run,) = run_sweep(sweep()).runs
    assert run.planned.reason == "changed"
    assert list(values(run.run_id)) == [2, 4, 6, 8, 10, 12]
    (again,) = run_sweep(sweep()).runs
    assert (again.planned.reason, again.run_id) == ("finished", run.run_id)


def test_a_pipe_hears_each_value_and_a_search_none(project, capsys):
    (run,) = run_sweep(sweep(), observer=Lines()).runs
    told = [line for line in capsys.readouterr().out.splitlines() if "val/loss" in line]
    expected = values(run.run_id).items()
    assert told == [f"a  step {step:>3}: val/loss = {value:.4f}" for step, value in expected]
    trial = dataclasses.replace(run.planned.declared, trial=0)
    Lines().on_evaluations(dataclasses.replace(run.planned, declared=trial), [(1, 2.0)])
    assert capsys.readouterr().out == ""


def test_the_parent_of_a_group_of_seeds_has_the_mean(project):
    result = run_sweep(sweep({"a": {"seeds": 2}}))
    (parent,) = [record for record in find_runs(open_store()) if record.kind == "group"]
    first, second = (values(run.run_id) for run in result.runs)
    assert first != second
    assert values(parent.run_id) == {
        step: pytest.approx((first[step] + second[step]) / 2, rel=1e-15) for step in first
    }


def test_it_is_compared_and_claimed(project):
    claims = [
        {"metric": "val/loss", "at": 4, "above": 0},
        {"metric": "val/loss", "last": 3, "by": "min", "below": 100},
        {"metric": "val/loss", "below": {"step": 2}},
        {"metric": "val/loss", "same_as": "b"},
        {"metric": "val/loss", "at": 8, "approx": {"experiment": "b"}, "abs": 1e-9},
    ]
    entries = {
        "a": {"expect": claims},
        "b": {"optimizer": {"foreach": True}},  # another run, with the same bits
        "c": {"train": {"engine": "bare", "eval_every": None}},
    }
    result = run_sweep(sweep(entries))
    assert [claim.holds for claim in result.runs[0].claims] == [True] * 5
    table = compare("sweep.yaml", metric="val/loss", at=[4]).set_index("name")
    run_id = result.runs[0].run_id
    assert table.loc["a", "final"] == values(run_id)[12]
    assert table.loc["a", "step 4"] == values(run_id)[4]
    assert table.loc["a", "perplexity"] == math.exp(values(run_id)[12])
    assert math.isnan(table.loc["c", "step 4"])

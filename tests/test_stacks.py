"""Which runs are trained together, and that it changes no bit of any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_files import write_sweep

from harness.errors import SweepFileError
from harness.gpt.checkpoint import MODEL_FILE
from harness.job_events import Said
from harness.observer import Observer
from harness.planning import Corpora, PlannedRun, plan_runs
from harness.results import SweepResult
from harness.schedule import Schedule
from harness.spec.load import load_sweep
from harness.stacks import LANES, MAX_RUNS, form_stacks
from harness.sweep import run_sweep
from harness.tracking.read import checkpoints, get_run, history, local_checkpoint
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store, open_store

STACKED = {"train": {"engine": "stacked"}}
MIXED: dict[str, Any] = {
    "lr": {"matrix": {"optimizer.lr": [0.01, 0.1, 1e6]}},  # the last turns NaN
    "sgd": {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}, "seeds": 2},
    "longer": {"train": {"steps": 9}, "checkpoint": {"every": 4}},
    "wider": {"model": {"embed_dim": 8}},
}


def planned(experiments: dict[str, Any], **changes: Any) -> list[PlannedRun]:
    sweep = load_sweep(write_sweep(Path("sweep.yaml"), experiments, **changes))
    return plan_runs(sweep, sweep.runs, [], Corpora(None, write=False))


def names(stacks: list[tuple[PlannedRun, ...]]) -> list[list[str]]:
    return [[run.name for run in stack] for stack in stacks]


def test_runs_of_one_shape_share_a_stack_whatever_experiment_they_are_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stacks = form_stacks(planned({**MIXED, "plain": {"train": {"engine": "plain"}}}, **STACKED))
    assert names(stacks) == [
        ["lr/lr=0.01", "lr/lr=0.1", "lr/lr=1000000.0", "sgd/seed=0", "sgd/seed=1", "longer"],
        ["wider"],
        ["plain"],
    ]


def test_other_engines_train_each_run_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [len(stack) for stack in form_stacks(planned(MIXED))] == [1] * 7


@pytest.mark.parametrize(("num_jobs", "sizes"), [(1, [40]), (2, [32, 8]), (3, [16, 16, 8])])
def test_a_stack_is_split_so_that_every_job_gets_whole_vectors(
    tmp_path, monkeypatch, num_jobs, sizes
):
    monkeypatch.chdir(tmp_path)
    runs = planned({"a": {"seeds": 40}}, **STACKED)
    assert [len(stack) for stack in form_stacks(runs, num_jobs)] == sizes


@pytest.mark.parametrize(
    ("num_jobs", "threads", "sizes"),
    [
        (1, 1, [64] * 7 + [52]),
        (1, 16, [500]),
        (2, 1, [64] * 7 + [52]),
        (2, 2, [128, 128, 128, 116]),
        (2, 64, [256, 244]),
        (100, 1, [16] * 31 + [4]),
    ],
)
def test_many_runs_train_in_turns_of_four_vectors_a_thread(
    tmp_path, monkeypatch, num_jobs, threads, sizes
):
    monkeypatch.chdir(tmp_path)
    runs = planned({"a": {"seeds": 500}}, train={"engine": "stacked", "threads": threads})
    assert [len(stack) for stack in form_stacks(runs, num_jobs)] == sizes


def test_memory_splits_stacks_of_large_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    large = {"model": {"embed_dim": 512, "num_layers": 2}, **STACKED}
    assert [len(stack) for stack in form_stacks(planned({"a": {"seeds": 20}}, **large))] == [16, 4]
    assert LANES == 16
    assert MAX_RUNS % LANES == 0


def run(experiments: dict[str, Any], **flags: Any) -> SweepResult:
    return run_sweep(load_sweep(write_sweep(Path("sweep.yaml"), experiments, **STACKED)), **flags)


def bits(result: SweepResult, store: Store) -> dict[str, tuple[Any, ...]]:
    """All that a run leaves that must not depend on its neighbours."""
    found = {}
    for one in result.runs:
        run_id = str(one.run_id)
        saved = checkpoints(store, run_id)
        files = [(local_checkpoint(store, run_id, n) / MODEL_FILE).read_bytes() for n in saved]
        losses = history(store, run_id)
        metrics = dict(get_run(store, run_id).metrics)
        found[one.planned.name] = (one.status, losses, metrics, saved, files)
    return found


def test_a_run_of_a_stack_is_the_run_alone_to_the_bit(project, tmp_path, another_store):
    together = bits(run(MIXED), open_store())
    assert together["lr/lr=1000000.0"][0] == "diverged"
    assert together["longer"][3] == ["step_000008", "step_000009"]
    for number, name in enumerate(together):
        uri = another_store(tmp_path / f"{number}.db")
        assert bits(run(MIXED, only=[name], tracking_uri=uri), open_store(uri)) == {
            name: together[name]
        }


def test_two_jobs_train_a_stack_to_the_bits_of_one(project, tmp_path, another_store):
    sweep = {"a": {"seeds": 20}}
    uri = another_store(tmp_path / "two.db")
    assert bits(run(sweep, jobs=2, tracking_uri=uri), open_store(uri)) == bits(
        run(sweep), open_store()
    )


def test_what_the_stacked_engine_does_not_train_is_refused_at_its_line(tmp_path):
    path = write_sweep(tmp_path / "sweep.yaml", {"a": {"optimizer": {"name": "nadam", "lr": 1}}})
    with pytest.raises(
        SweepFileError,
        match=r"experiments\.a\.optimizer\.name: the stacked engine does not train "
        r"optimizer\.name: nadam; say train\.engine: plain",
    ) as caught:
        load_sweep(path, overrides=["train.engine=stacked"])
    assert '"name": "nadam"' in caught.value.problems[0].source


def test_what_several_workers_say_is_passed_on_once(project):
    store = open_store()

    class Listener(Observer):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def on_note(self, text: str) -> None:
            self.notes.append(text)

    listener = Listener()
    schedule = Schedule("sweep", Recorder(store, "0", {}), store, listener)
    for index, text in enumerate(["compiling", "compiling", "something else"]):
        schedule.on_event(index, Said(text))
    assert listener.notes == ["compiling", "something else"]

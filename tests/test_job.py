from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
from pathlib import Path

import pytest
import torch
from sweep_files import job_run

from harness import watch as watch_module
from harness.executors.base import Failure
from harness.gpt import checkpoint as checkpoint_module
from harness.gpt.checkpoint import load_checkpoint, verify_checkpoint
from harness.interrupts import Interrupted, installed
from harness.job import run_job
from harness.job_events import Ended, Job, StagedCheckpoint, Steps
from harness.spec.records import LossRecord, SavedCheckpoint
from harness.train import engines
from harness.watch import Watch

pytestmark = pytest.mark.usefixtures("process_as_torch_left_it")


@pytest.fixture
def run(tmp_path: Path):
    """Runs a tiny job; returns what it emitted and how it ended."""

    def run(staging: str = "staging", **changes):
        events = []
        run_job(Job((job_run(tmp_path / staging, **changes),)), events.append)
        last = events.pop()
        assert isinstance(last, Ended)
        if isinstance(last.result, Failure):
            raise RuntimeError(last.result.message)
        return events, last.result

    return run


def losses_of(events) -> list[tuple[int, float]]:
    return [pair for event in events if isinstance(event, Steps) for pair in event.losses]


def saved_steps(events) -> list[int]:
    return [event.step for event in events if isinstance(event, StagedCheckpoint)]


def test_losses_come_in_order_and_a_checkpoint_after_all_losses_up_to_it(run):
    events, result = run(checkpoint={"every": 2})
    assert [step for step, _ in losses_of(events)] == [1, 2, 3, 4, 5, 6]
    heard = 0
    for event in events:
        if isinstance(event, Steps):
            heard = event.losses[-1][0]
        else:
            assert event.step == heard
    assert saved_steps(events) == [2, 4, 6]
    assert (result.state, result.step) == ("finished", 6)
    assert result.last_value == losses_of(events)[-1][1]
    assert result.seconds > 0
    assert result.deterministic


def test_a_staged_checkpoint_is_whole_and_says_whose_it_is(run, tmp_path):
    events, _ = run()
    (saved,) = [event for event in events if isinstance(event, StagedCheckpoint)]
    assert saved.directory == tmp_path / "staging" / "step_000006"
    manifest = verify_checkpoint(saved.directory)
    assert (manifest.step, manifest.fingerprint) == (6, "v1-" + "0" * 32)
    assert load_checkpoint(saved.directory).tokenizer.decode([0, 1, 2]) == "a b c"
    assert saved.loss == losses_of(events)[-1][1]


@pytest.mark.parametrize("engine", ["plain", "bare"])
def test_without_an_interval_a_short_run_has_its_final_checkpoint_alone(run, engine):
    events, _ = run(train={"engine": engine})
    assert saved_steps(events) == [6]


def test_bare_writes_its_checkpoint_at_the_end_whatever_the_interval(run):
    events, _ = run(train={"engine": "bare"}, checkpoint={"every": 1})
    assert saved_steps(events) == [6]


def test_the_final_checkpoint_is_there_when_the_interval_does_not_meet_it(run):
    events, _ = run(checkpoint={"every": 4})
    assert saved_steps(events) == [4, 6]


class FakeTime:
    """Stands still until `now` is moved."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def saved_with(run, monkeypatch):
    """The steps of the checkpoints of 100 steps, by how long a step and a save take."""

    def saved_with(step_s: float, save_s: float) -> list[int]:
        clock, hear = FakeTime(), Watch.on_steps

        def slow_steps(watch, records):
            clock.now += step_s
            return hear(watch, records)

        real = checkpoint_module.save_checkpoint

        def saving(directory, checkpoint):
            clock.now += save_s
            real(directory, checkpoint)

        monkeypatch.setattr(watch_module, "time", clock)
        monkeypatch.setattr(Watch, "on_steps", slow_steps)
        monkeypatch.setattr(checkpoint_module, "save_checkpoint", saving)
        return saved_steps(run(train={"steps": 100})[0])

    return saved_with


def test_without_an_interval_in_steps_one_is_written_every_60_seconds(saved_with):
    assert saved_with(step_s=13.0, save_s=0.1) == [*range(5, 100, 5), 100]


def test_without_an_interval_in_steps_saving_takes_four_percent_of_the_time_at_most(saved_with):
    saved = saved_with(step_s=13.0, save_s=26.0)  # due again after 26 / 0.04 = 650 s, 50 steps
    assert saved == [5, 55, 100]


def test_runs_that_wait_for_each_other_are_saved_the_more_rarely():
    alone, many = (
        Watch(0, None, lambda: None, lambda event: (), together=together) for together in (1, 1000)
    )
    assert alone.interval_s == 60.0
    assert many.interval_s == pytest.approx(1000 * 0.01 / 0.04)


def test_with_an_interval_in_steps_the_clock_saves_nothing(run, monkeypatch):
    monkeypatch.setattr(watch_module, "CHECKPOINT_INTERVAL_S", 0.0)
    assert saved_steps(run(checkpoint={"every": 5})[0]) == [5, 6]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_losses_do_not_depend_on_checkpoints_to_the_bit(run, dropout):
    model = {"dropout": dropout}
    every, _ = run("every", model=model, checkpoint={"every": 1})
    never, _ = run("never", model=model)
    assert saved_steps(every) == [1, 2, 3, 4, 5, 6]
    assert losses_of(every) == losses_of(never)
    states = [load_checkpoint(events[-1].directory).model.state_dict() for events in (every, never)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_losses_are_emitted_as_they_come_when_training_takes_time(run, monkeypatch):
    monkeypatch.setattr(watch_module, "EMIT_INTERVAL_S", 0.0)
    events, _ = run()
    assert [len(event.losses) for event in events if isinstance(event, Steps)] == [1] * 6


def with_loss(record: LossRecord, step: int, loss: float) -> LossRecord:
    told = enumerate(record.losses, record.first_step)
    return record._replace(losses=[loss if n == step else known for n, known in told])


@pytest.fixture
def spoil(monkeypatch):
    """Makes an engine say another loss at a step."""

    def spoil(engine: str, step: int, loss: float) -> None:
        train = engines.ENGINES[engine]

        def spoiled(state, on_steps):
            def told(records):
                return on_steps([with_loss(record, step, loss) for record in records])

            train(state, told)

        monkeypatch.setitem(engines.ENGINES, engine, spoiled)

    return spoil


@pytest.mark.parametrize("engine", ["plain", "bare"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(run, spoil, engine, value):
    spoil(engine, 4, value)
    events, result = run(train={"engine": engine})
    assert (result.state, result.step) == ("diverged", 4)
    assert math.isnan(result.last_value) if math.isnan(value) else result.last_value == value
    assert [step for step, _ in losses_of(events)] == [1, 2, 3]
    assert saved_steps(events) == []
    assert result.metrics == {}


def test_a_learning_rate_far_too_high_diverges_by_itself(run):
    events, result = run(
        optimizer={"name": "sgd", "lr": 1e6, "weight_decay": 100.0}, train={"steps": 50}
    )
    assert result.state == "diverged"
    assert result.step == len(losses_of(events)) + 1
    assert not math.isfinite(result.last_value)


def test_perplexity_is_the_exponential_of_the_last_loss_and_accuracy_a_share_of_rows(run):
    events, result = run()
    assert set(result.metrics) == {"train/perplexity", "eval/next_token_accuracy"}
    assert result.metrics["train/perplexity"] == math.exp(losses_of(events)[-1][1])
    assert result.metrics["eval/next_token_accuracy"] * 4 in {0, 1, 2, 3, 4}  # seq_len rows


def test_a_run_that_has_learnt_its_text_is_right_everywhere(run):
    _, result = run(train={"steps": 150}, optimizer={"name": "adamw", "lr": 0.05})
    assert result.metrics["eval/next_token_accuracy"] == 1.0
    assert result.metrics["train/perplexity"] < 1.1


def test_a_perplexity_beyond_all_numbers_is_infinite(run, spoil):
    spoil("plain", 6, 1e4)
    _, result = run()
    assert result.metrics["train/perplexity"] == math.inf


def test_a_run_of_a_stack_that_fails_leaves_the_others_alone(run, tmp_path):
    alone, _ = run()
    absent, present = tmp_path / "absent", tmp_path / "present"
    runs = (job_run(absent, train={"device": "cuda:99"}), job_run(present))
    events = []
    run_job(Job(runs), events.append)
    failed, *rest, finished = events
    assert isinstance(failed.result, Failure)
    assert "train.device: cuda:99 is not on this machine" in failed.result.message
    assert "in run_job" in failed.result.traceback_text
    assert [event.run for event in events] == [0, *[1] * (len(events) - 1)]
    assert losses_of(rest) == losses_of(alone)
    assert finished.result.state == "finished"


@pytest.mark.parametrize(
    ("stopped", "step", "kept"), [(1, 4, {0: 6, 1: 4}), (0, 8, {0: 8, 1: 6})], ids=["2nd", "1st"]
)
def test_a_signal_saves_the_runs_that_wait_at_a_rung_too(tmp_path, stopped, step, kept):
    """The rung is at step 6; the signal comes when one run has saved a step, and both go on."""
    changes = {
        "model": {"dropout": 0.2},
        "train": {"steps": 12},
        "checkpoint": {"every": 4},
    }
    runs = tuple(job_run(tmp_path / name, name, **changes) for name in ("first", "second"))

    def train(runs, emit=lambda event: None) -> list:
        events = []

        def hear(event):
            events.append(event)
            return emit(event) or ()

        with contextlib.suppress(Interrupted), installed():
            run_job(Job(runs, rungs=(6,)), hear)
        return events

    def stop(event):
        if isinstance(event, StagedCheckpoint) and (event.run, event.step) == (stopped, step):
            signal.raise_signal(signal.SIGTERM)

    undisturbed, before = train(runs), train(runs, stop)
    saved = {each.run: each for each in before if isinstance(each, StagedCheckpoint)}
    assert {run: each.step for run, each in saved.items()} == kept
    resumed = tuple(
        dataclasses.replace(
            run,
            staging_dir=tmp_path / f"{run.name} again",
            saved=(SavedCheckpoint(saved[i].directory, saved[i].step, saved[i].loss),),
        )
        for i, run in enumerate(runs)
    )
    after = train(resumed)
    for i in range(2):
        parts = [
            losses_of([each for each in events if each.run == i])
            for events in (of_runs(before), of_runs(after), of_runs(undisturbed))
        ]
        assert parts[0] + parts[1] == parts[2]
        assert len(parts[2]) == 12


def of_runs(events) -> list:
    return [event for event in events if hasattr(event, "run")]

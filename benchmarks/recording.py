"""What tracking costs a run of 200 steps, and what it costs as loops are usually written.

Three ways to train the chapter's run, in one process and against stores that are there already:

    unrecorded   the engine alone
    recorded     the real schedule: record, losses, evaluation, checkpoint on the disk, end
    logged       the same loop with `mlflow.log_metric` at every step, then `log_artifact`

The logged loop writes to a store that MLflow made itself, with the settings that MLflow gives it.

The difference of two trainings of half a second jumps about by as much as it is, so it is taken
over more rounds; beside it stands the recorded run less the training inside the same run, which
is steadier (its few hooks, 0.2 ms, count as training there).
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from chapter import RUN, SWEEP_FILE, chapter_corpus, chapter_run
from figures import Figure
from rounds import interleaved, spread_of

from harness.executors.in_process import InProcess
from harness.gpt.batch import get_batch
from harness.observer import Observer, RunOutcome
from harness.planning import Corpora, plan_runs
from harness.schedule import Schedule
from harness.spec.load import load_sweep
from harness.stacks import form_stacks
from harness.tracking.environment import environment_tags
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.mlflow_api import mlflow
from harness.tracking.recorder import Recorder
from harness.tracking.store import STORE_FOLDER, open_store
from harness.train.engines import ENGINES
from harness.train.state import begin, start

LIMIT_S = 0.15
PAIRS_PER_ROUND = 3


def measure(rounds: int) -> list[Figure]:
    """Seconds that recording adds, and the recorded run against the logged one."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        ours, theirs = recorded(Path(name)), logged(Path(name))
        pairs = interleaved(ours, unrecorded(), PAIRS_PER_ROUND * rounds)
        inside = spread_of([outside_training(ours) for _ in range(rounds)])
        ratio = interleaved(ours, theirs, rounds).ratio()
    cost = "tracking and checkpoint of a 200-step run"
    return [
        Figure(f"{cost}: less the run unrecorded", pairs.difference(), "s", LIMIT_S),
        Figure(f"{cost}: all but its training", inside, "s", LIMIT_S),
        Figure("that run / the same loop with log_metric at every step", ratio),
    ]


def unrecorded() -> Callable[[], None]:
    """The engine with a hook that does nothing."""
    run = chapter_run()
    corpus = chapter_corpus(run)
    return lambda: ENGINES[run.config.engine](start(run.config, corpus), lambda _records: ())


def outside_training(ours: Callable[[], RunOutcome]) -> float:
    """Seconds of a recorded run less those of the training in it."""
    began = time.perf_counter()
    outcome = ours()
    assert outcome.seconds is not None
    return time.perf_counter() - began - outcome.seconds


def recorded(directory: Path) -> Callable[[], RunOutcome]:
    """The run through schedule, executor, recorder and store; a new record at each call."""
    sweep = load_sweep(SWEEP_FILE)
    store = open_store(f"sqlite:///{directory / STORE_FOLDER / 'mlflow.db'}", directory)
    experiment_id = ensure_mlflow_experiment(store, sweep.name)
    recorder = Recorder(store, experiment_id, environment_tags())
    runs = sweep.experiment(RUN).runs
    planned = plan_runs(sweep, runs, [], Corpora(None, write=False))

    def train() -> RunOutcome:
        schedule = Schedule(sweep.name, recorder, store.state_dir, Observer())
        outcome = schedule.execute(form_stacks(planned), InProcess())[RUN]
        assert outcome.state == "finished", outcome.message
        return outcome

    return train


def logged(directory: Path) -> Callable[[], None]:
    """The loop as users write it today, with MLflow's fluent calls."""
    config = chapter_run().config
    corpus = chapter_corpus(chapter_run())
    mlflow.set_tracking_uri(f"sqlite:///{directory / 'loop.db'}")
    mlflow.create_experiment("loop", artifact_location=(directory / "loop").as_uri())
    mlflow.set_experiment("loop")
    checkpoint = directory / "checkpoint.pt"

    def train() -> None:
        state = start(config, corpus)
        begin(state)
        model, optimizer, data = state.model, state.optimizer, state.data
        B, T = config.train.batch_size, config.train.seq_len
        with mlflow.start_run(run_name=RUN):
            mlflow.log_params(config.flat())
            for step in range(1, config.train.steps + 1):
                x, y = get_batch(data, B, T, state.batches)
                optimizer.zero_grad()
                _, loss = model(x, y)
                loss.backward()
                optimizer.step()
                mlflow.log_metric("train/loss", loss.item(), step=step)
            torch.save({"model": model.state_dict(), "opt": optimizer.state_dict()}, checkpoint)
            mlflow.log_artifact(str(checkpoint))

    return train

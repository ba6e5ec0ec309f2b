"""How many processes train when nobody says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sweep_files import write_sweep

from harness.jobs import available_cores, default_jobs
from harness.planning import Corpora, PlannedRun, plan_runs
from harness.spec.load import load_sweep

CHAPTER: dict[str, Any] = {
    "model": {"embed_dim": 8, "num_heads": 2, "num_layers": 2, "max_seq_len": 64},
    "train": {"steps": 200, "batch_size": 4, "seq_len": 8},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def seeds(num_runs: int, **train: Any) -> list[PlannedRun]:
    changes = {**CHAPTER, "train": {**CHAPTER["train"], **train}}
    return planned({"a": {"seeds": num_runs}}, **changes)


def planned(experiments: dict[str, Any], **changes: Any) -> list[PlannedRun]:
    declared = load_sweep(write_sweep(Path("sweep.yaml"), experiments, **changes))
    return plan_runs(declared, declared.runs, [], Corpora(None, write=False))


@pytest.mark.parametrize(
    ("num_runs", "train", "cores", "num_jobs"),
    [
        (7, {}, 2, 1),  # the chapter: 3 s
        (40, {}, 1, 1),
        (40, {}, 2, 2),  # 18 s
        (40, {}, 64, 9),  # each takes over 2 s at least
        (40, {"threads": 2}, 2, 1),  # a job takes two cores
        (40, {"threads": 2}, 4, 2),
        (40, {"device": "cuda"}, 2, 1),
        (1, {"steps": 10**6}, 64, 1),  # nothing to share
        (3, {"steps": 10**6}, 64, 3),
        (256, {"engine": "stacked"}, 2, 1),  # less than 1 s of steps, 256 ends of 6 ms, and records
        (512, {"engine": "stacked"}, 2, 2),  # 6 s with what is recorded
        (256, {"engine": "stacked", "steps": 20_000}, 2, 2),
        (256, {"engine": "stacked", "steps": 20_000}, 64, 16),  # one vector each
        (16, {"engine": "stacked", "steps": 10**6}, 2, 1),  # one vector holds all
        (17, {"engine": "stacked", "steps": 10**6}, 2, 2),
        (0, {}, 2, 1),
    ],
)
def test_there_are_as_many_jobs_as_the_work_pays_for(num_runs, train, cores, num_jobs):
    runs = seeds(num_runs, **train) if num_runs else []
    assert default_jobs(runs, cores) == num_jobs


def test_one_long_run_beside_short_ones_is_no_reason_for_a_second_process():
    experiments = {"long": {"train": {"steps": 10_000}}, "short": {"train": {"steps": 10}}}
    assert default_jobs(planned(experiments, **CHAPTER), 2) == 1


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 9}, raising=False)
    assert available_cores() == 3
    assert default_jobs(seeds(40)) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1

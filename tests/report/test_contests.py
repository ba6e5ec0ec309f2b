"""What a side of a contest chose from."""

from __future__ import annotations

import dataclasses
import math

import pytest

from harness.report.contests import contests
from harness.report.rows import ComparedRun, Row

DIVERGED = math.nan


@pytest.fixture
def row(stored_run):
    """Makes a row of an experiment with two seeds, both of which end with one value."""

    def row(experiment: str, lr: float, final: float) -> Row:
        runs, name = [], f"{experiment}/lr={lr}"
        for seed in range(2):
            settings = {"seed.data": seed, "data.text": "a b", "optimizer.lr": lr}
            state = "diverged" if math.isnan(final) else "finished"
            record = stored_run(f"{name}-{seed}", state, **settings)
            record = dataclasses.replace(record, metrics={"train/loss": final + seed / 9})
            runs.append(ComparedRun(name, experiment, record, name))
        return Row(name, tuple(runs))

    return row


def no_curve(run_id: str, metric: str):
    return {1: 9.0, 2: 1.0}


def test_rows_that_diverged_count_among_what_a_side_chose_from(row):
    rows = [row("a", 0.1, 1.0), row("b", 0.1, 2.0), row("b", 1, DIVERGED), row("b", 9, DIVERGED)]
    (found,) = contests(rows, no_curve, "train/loss")
    assert [side.row.name for side in (found.verdicts[0].a, found.verdicts[0].b)] == [
        *("a/lr=0.1", "b/lr=0.1")
    ]
    assert [side.num_rows for side in (found.verdicts[0].a, found.verdicts[0].b)] == [1, 3]


def test_an_experiment_that_diverged_whole_leaves_the_rows_of_the_other_to_compete(row):
    rows = [row("b", 1, DIVERGED), row("a", 1, 2.0), row("a", 9, DIVERGED), row("a", 0.1, 1.0)]
    (found,) = contests(rows, no_curve, "train/loss")
    assert [contender.name for contender in found.contenders] == ["a/lr=0.1", "a/lr=1"]
    assert contests([rows[0], rows[2]], no_curve, "train/loss") == []

"""The learning-rate sensitivity of Wortsman et al. (2023), by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from harness.report.rows import ComparedRun, Row
from harness.report.sensitivity import edge_warnings, lr_curves, to_rows

INITIAL = 5.0


def curve_of(run_id: str, metric: str):
    assert metric == "train/loss"
    return {1: INITIAL, 2: 4.0}


@pytest.fixture
def row(stored_run):
    """Makes the row of a learning rate; None is a run that diverged."""

    def row(lr: float, finals: list[float | None], experiment: str = "adamw", **params) -> Row:
        runs = []
        for seed, final in enumerate(finals):
            state = "finished" if final is not None else "diverged"
            record = stored_run(
                f"{experiment}-{lr}-{params}-{seed}",
                state,
                **{"optimizer.lr": lr, "seed.data": seed},
                **params,
            )
            metrics = {} if final is None else {"train/loss": final}
            record = dataclasses.replace(record, metrics=metrics)
            runs.append(ComparedRun(f"{experiment}/{lr}", experiment, record))
        return Row(f"{experiment}/lr={lr}", tuple(runs))

    return row


def test_it_is_the_mean_above_the_best_with_the_start_as_the_worst(row):
    rows = [
        row(0.1, [1.0, 3.0]),
        row(0.001, [4.0, 4.0]),
        row(0.01, [1.0, 1.2]),
        row(1, [9.0, None]),
    ]
    (curve,) = lr_curves(rows, curve_of)
    assert [point.lr for point in curve.points] == [0.001, 0.01, 0.1, 1.0]
    assert [point.mean for point in curve.points] == [4.0, 1.1, 2.0, INITIAL]
    assert curve.optimum == 0.01
    assert (curve.edge, edge_warnings([curve])) == ("", [])
    assert curve.best.mean == 1.1
    assert curve.sensitivity == pytest.approx((4.0 + 1.1 + 2.0 + INITIAL) / 4 - 1.1)
    assert curve.cliff == 1.0
    assert curve.points[-1].num_diverged == 1


def test_a_run_is_over_the_cliff_by_its_own_start_not_by_the_mean_of_all(row):
    """Two of three that diverged began below the mean of the starts, which is 6."""

    def starts(run_id: str, metric: str):
        return {1: {"0": 4.0, "1": 5.0, "2": 9.0}[run_id[-1]]}

    rows = [row(0.01, [1.0, 1.0, 1.0]), row(0.1, [3.9, 4.9, 8.9]), row(1, [None, None, None])]
    (curve,) = lr_curves(rows, starts)
    assert [point.is_over_the_cliff for point in curve.points] == [False, False, True]
    assert (curve.cliff, curve.points[-1].initial) == (1.0, 6.0)
    (ended_higher,) = lr_curves([*rows[:2], row(1, [4.1, 5.1, 8.9])], starts)
    assert ended_higher.cliff == 1.0


def test_the_optimum_has_the_interval_of_resampled_seeds(row):
    rows = [row(0.01, [1.0, 2.0, 1.0]), row(0.1, [1.9, 1.0, 1.9]), row(1, [4.0, 4.0, 4.0])]
    (curve,) = lr_curves(rows, curve_of)
    assert (curve.optimum, curve.optimum_low, curve.optimum_high) == (0.01, 0.01, 0.1)
    sure = lr_curves([row(0.01, [1.0, 1.1]), row(0.1, [2.0, 2.1])], curve_of)[0]
    assert (sure.optimum_low, sure.optimum_high) == (0.01, 0.01)
    alone = lr_curves([row(0.01, [1.0]), row(0.1, [2.0])], curve_of)[0]
    assert math.isnan(alone.optimum_low)


def test_only_the_learning_rates_of_the_range_count(row):
    rows = [row(lr, [loss]) for lr, loss in [(0.001, 4.0), (0.01, 1.0), (0.1, 2.0)]]
    (curve,) = lr_curves(rows, curve_of, between=(0.01, 0.1))
    assert curve.sensitivity == pytest.approx(0.5)
    assert curve.edge == "low"
    assert edge_warnings([curve]) == [
        "adamw: the optimum, a learning rate of 0.01, is at the low edge of the range: widen it"
    ]


def test_learning_rates_that_lie_unevenly_are_weighed_by_their_distance(row):
    """As trials of a search do, which crowd around the optimum."""
    lrs = [(1e-3, 4.0), (1e-2, 1.0), (1.01e-2, 1.0), (1.02e-2, 1.0), (1e-1, 4.0)]
    (curve,) = lr_curves([row(lr, [loss]) for lr, loss in lrs], curve_of)
    assert curve.sensitivity == pytest.approx(1.5, abs=0.02)


def test_whatever_else_differs_is_a_curve_of_its_own(row):
    rows = [
        row(lr, [loss], **{"model.embed_dim": width, "train.steps": 2})
        for width, losses in {8: [2.0, 1.0], 16: [1.0, 2.0]}.items()
        for lr, loss in zip([0.01, 0.1], losses, strict=True)
    ]
    curves = lr_curves([*rows, row(0.5, [1.0], "alone")], curve_of)
    assert [(curve.settings, curve.optimum) for curve in curves] == [
        ({"model.embed_dim": "8"}, 0.1),
        ({"model.embed_dim": "16"}, 0.01),
    ]
    assert [shown["model.embed_dim"] for shown in to_rows(curves)] == ["8", "16"]


def test_what_tells_curves_of_one_experiment_apart_is_said(row):
    """And nothing that tells it from another experiment, whose name does."""
    rows = [
        row(lr, [1.0], experiment, **{"optimizer.name": name, "optimizer.weight_decay": decay})
        for experiment, name, decay in (("a", "adamw", 0.1), ("a", "adam", 0.1), ("b", "sgd", 0))
        for lr in (0.01, 0.1)
    ]
    curves = lr_curves(rows, curve_of)
    assert [curve.label for curve in curves] == ["a (name=adamw)", "a (name=adam)", "b"]


def test_a_range_without_a_cliff_has_none(row):
    (curve,) = lr_curves([row(0.01, [1.0]), row(0.1, [2.0])], curve_of)
    assert math.isnan(curve.cliff)
    assert to_rows([curve])[0]["cliff"] is curve.cliff


def test_learning_rates_that_all_diverge_have_no_optimum_and_make_no_curve(row):
    lost = [row(lr, [None, None], "lost") for lr in (1, 10)]
    found = lr_curves([*lost, row(0.01, [1.0]), row(0.1, [None])], curve_of)
    assert [curve.label for curve in found] == ["adamw"]

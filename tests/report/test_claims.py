"""Whether claims hold: sweep files as users write them, against curves made up here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.stats
from sweep_files import write_sweep

from harness.report.claims import ClaimResult, check_claims
from harness.spec.load import load_sweep

LOSS = "train/loss"
FALLING = {1: 4.0, 2: 3.0, 3: 2.0, 4: 1.5, 5: 1.25, 6: 1.0}
INF = math.inf


@pytest.fixture
def check(tmp_path):
    """The results of all claims, by run name; curves are by run name or by (name, metric)."""

    def check(
        experiments: dict[str, Any],
        curves: Mapping[Any, Mapping[int, float] | None],
        overrides: Sequence[str] = (),
        only: Sequence[str] = (),
    ) -> dict[str, tuple[ClaimResult, ...]]:
        sweep = load_sweep(write_sweep(tmp_path / "s.yaml", experiments), overrides=overrides)
        by_name = {experiment.name: experiment for experiment in sweep.experiments}

        def curve_of(run, metric):
            return curves.get(run.name if metric == LOSS else (run.name, metric), {})

        results = {}
        for experiment in sweep.experiments:
            runs = [run for run in experiment.runs if not only or run.name in only]
            results |= check_claims(experiment, by_name, curve_of, runs)
        return results

    return check


@pytest.fixture
def one(check):
    """The result of one claim on one run with a curve."""

    def one(claim: dict[str, Any], curve: Mapping[int, float] = FALLING) -> ClaimResult:
        ((result,),) = check({"a": {"expect": [{"metric": LOSS, **claim}]}}, {"a": curve}).values()
        return result

    return one


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ({"equals": 1.0}, True),
        ({"equals": 1.0 + 1e-15}, False),
        ({"at": "last", "equals": 1.0}, True),
        ({"at": 2, "equals": 3.0}, True),
        ({"at": 2, "equals": 1.0}, False),
        ({"below": 1.0}, False),  # strict
        ({"below": 1.0000001}, True),
        ({"above": 1.0}, False),  # strict
        ({"above": 0.9999999}, True),
        ({"between": [1.0, 2.0]}, True),  # inclusive
        ({"between": [0.0, 1.0]}, True),
        ({"between": [1.0, 1.0]}, True),
        ({"between": [1.1, 2.0]}, False),
        ({"between": [0.0, 0.9]}, False),
        ({"approx": 1.25, "abs": 0.25}, True),  # inclusive
        ({"approx": 1.25, "abs": 0.24}, False),
        ({"approx": 0.75, "abs": 0.25}, True),
        ({"approx": 0.8, "rel": 0.25}, True),  # of the claimed value: 0.8 * 0.25 = 0.2
        ({"approx": 1.25, "rel": 0.2}, True),
        ({"approx": 1.25, "rel": 0.19}, False),
        ({"approx": -1.0, "rel": 3.0}, True),  # of its size
        ({"at": 1, "above": {"step": 2}}, True),
        ({"at": 2, "above": {"step": 1}}, False),
        ({"at": 1, "equals": {"step": 1}}, True),
        ({"at": 1, "approx": {"step": 2}, "abs": 1.0}, True),
    ],
)
def test_each_relation_is_decided_at_its_boundary(one, claim, holds):
    assert one(claim).holds is holds


@pytest.mark.parametrize(
    ("by", "value"), [("mean", 1.25), ("median", 1.25), ("min", 1.0), ("max", 1.5)]
)
def test_a_window_reduces_the_last_values(one, by, value):
    result = one({"last": 3, "by": by, "equals": value})
    assert result.holds is True
    assert result.observed == value


def test_values_at_steps_are_one_claim_a_step(check):
    claim = {"metric": LOSS, "at": {1: 4.0, 3: 2.0, 6: 9.0}, "abs": 1e-9}
    results = check({"a": {"expect": [claim]}}, {"a": FALLING})["a"]
    assert [(r.holds, r.observed) for r in results] == [(True, 4.0), (True, 2.0), (False, 1.0)]
    assert [str(step) in r.text for step, r in zip((1, 3, 6), results, strict=True)] == [True] * 3


@pytest.mark.parametrize("missing", [{}, {5: 1.0}, {6: math.nan}, {6: INF}, {6: -INF}])
@pytest.mark.parametrize("claim", [{"above": 0.0}, {"below": 1e300}, {"between": [-1e9, 1e9]}])
def test_a_value_that_is_missing_or_not_finite_does_not_hold(one, claim, missing):
    result = one(claim, missing)
    assert (result.holds, result.observed, result.detail) == (False, None, "a value is missing")


def test_a_window_with_a_hole_does_not_hold(one):
    holed = {step: value for step, value in FALLING.items() if step != 5}
    assert one({"last": 3, "by": "min", "below": 100}, holed).holds is False
    assert one({"last": 3, "by": "max", "below": 100}, {**FALLING, 5: math.nan}).holds is False


def test_a_reference_that_is_missing_does_not_hold_and_the_value_is_still_told(one, check):
    holed = {step: value for step, value in FALLING.items() if step != 2}
    result = one({"at": 1, "above": {"step": 2}}, holed)
    assert (result.holds, result.observed, result.detail) == (False, 4.0, "a value is missing")
    pair = {"a": {"expect": [{"metric": LOSS, "below": {"experiment": "b"}}]}, "b": {}}
    assert check(pair, {"a": FALLING, "b": {}})["a"][0].holds is False
    assert check(pair, {"a": FALLING, "b": {6: math.nan}})["a"][0].holds is False


def test_another_experiment_is_looked_at_in_the_same_place(check):
    claims = [
        {"metric": LOSS, "at": 2, "below": {"experiment": "b"}},
        {"metric": LOSS, "last": 2, "by": "max", "equals": {"experiment": "b"}},
        {"metric": LOSS, "approx": {"experiment": "b"}, "rel": 0.5},
    ]
    curve = {1: 9.0, 2: 3.1, 3: 0.0, 4: 0.0, 5: 1.0, 6: 1.25}
    results = check({"a": {"expect": claims}, "b": {}}, {"a": FALLING, "b": curve})["a"]
    assert [r.holds for r in results] == [True, True, True]
    assert [r.observed for r in results] == [3.0, 1.25, 1.0]


def test_metrics_of_the_last_step_are_claimed_there(check):
    accuracy = "eval/next_token_accuracy"
    claims = [{"metric": accuracy, "equals": 1.0}, {"metric": "train/perplexity", "below": 2}]
    curves = {("a", accuracy): {6: 1.0}, ("a", "train/perplexity"): {6: 2.5}}
    results = check({"a": {"expect": claims}}, curves)["a"]
    assert [(r.holds, r.observed) for r in results] == [(True, 1.0), (False, 2.5)]


def test_runs_of_expanded_experiments_are_compared_by_equal_points(check):
    matrix = {"optimizer.lr": [0.1, 0.2]}
    claim = {"metric": LOSS, "below": {"experiment": "b"}}
    experiments = {
        "a": {"matrix": matrix, "expect": [claim]},
        "b": {"matrix": {"optimizer.lr": [0.2, 0.1]}},
        "alone": {},
        "c": {"matrix": matrix, "expect": [{**claim, "below": {"experiment": "alone"}}]},
    }
    last = {"a/lr=0.1": 1, "a/lr=0.2": 5, "b/lr=0.1": 2, "b/lr=0.2": 4, "alone": 3}
    last |= {"c/lr=0.1": 2, "c/lr=0.2": 4}
    results = check(experiments, {name: {6: float(value)} for name, value in last.items()})
    assert [results[name][0].holds for name in ("a/lr=0.1", "a/lr=0.2")] == [True, False]
    assert [results[name][0].holds for name in ("c/lr=0.1", "c/lr=0.2")] == [True, False]


SAME = {"a": {"expect": [{"metric": LOSS, "same_as": "b"}]}, "b": {"train": {"engine": "bare"}}}


def test_same_as_is_every_step_to_the_bit(check):
    (result,) = check(SAME, {"a": FALLING, "b": dict(FALLING)})["a"]
    assert (result.holds, result.observed, result.detail) == (True, 0.0, "")


def test_same_as_says_where_the_runs_part_and_by_how_much_at_most(check):
    other = {**FALLING, 3: math.nextafter(2.0, 3), 5: 1.0}
    (result,) = check(SAME, {"a": FALLING, "b": other})["a"]
    assert (result.holds, result.observed) == (False, 0.25)
    assert result.detail == "they part at step 3"


@pytest.mark.parametrize("where", ["a", "b"])
def test_same_as_does_not_hold_when_a_step_is_missing(check, where):
    curves = {"a": FALLING, "b": FALLING, where: {1: 4.0, 2: 3.0}}
    (result,) = check(SAME, curves)["a"]
    assert (result.holds, result.observed, result.detail) == (False, None, "step 3 is missing")


def test_what_set_made_unreachable_is_not_decided(check):
    claims = [
        {"metric": LOSS, "at": 6, "below": 100},
        {"metric": LOSS, "last": 5, "by": "mean", "below": 100},
        {"metric": LOSS, "at": 1, "above": {"step": 6}},
        {"metric": LOSS, "at": "last", "below": 100},
    ]
    results = check({"a": {"expect": claims}}, {"a": FALLING}, overrides=["train.steps=3"])["a"]
    assert [r.holds for r in results] == [None, None, None, True]
    assert results[0].detail == "a has 3 steps here"
    assert results[3].observed == 2.0


def test_a_reference_to_a_run_that_was_not_run_is_not_decided(check):
    pair = {
        "a": {
            "expect": [
                {"metric": LOSS, "below": {"experiment": "b"}},
                {"metric": LOSS, "same_as": "b"},
            ]
        },
        "b": {"train": {"engine": "bare"}},
    }
    results = check(pair, {"a": FALLING, "b": None}, only=["a"])["a"]
    assert [(r.holds, r.observed, r.detail) for r in results] == [(None, None, "b was not run")] * 2


VALUES = [1.0, 1.5, 1.25, 0.75]


def seeded(claim: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"a": {"seeds": 4, "expect": [{"metric": LOSS, "over": "mean", **claim}]}, **others}


def ends(name: str, values: Sequence[float]) -> dict[str, dict[int, float]]:
    return {f"{name}/seed={i}": {6: value} for i, value in enumerate(values)}


def scipy_interval(values: Sequence[float]) -> tuple[float, float]:
    mean, error = np.mean(values), scipy.stats.sem(values)
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error)
    return float(low), float(high)


def test_over_the_mean_a_claim_holds_when_the_whole_interval_does(check):
    low, high = scipy_interval(VALUES)
    for claim, holds in [
        ({"below": high + 1e-9}, True),
        ({"below": high - 1e-9}, False),
        ({"above": low - 1e-9}, True),
        ({"above": low + 1e-9}, False),
        ({"between": [low - 1e-9, high + 1e-9]}, True),
        ({"between": [low + 1e-9, high + 1e-9]}, False),
        ({"between": [low - 1e-9, high - 1e-9]}, False),
        ({"approx": 1.125, "abs": high - 1.125 + 1e-9}, True),
        ({"approx": 1.125, "abs": high - 1.125 - 1e-9}, False),
    ]:
        results = check(seeded(claim), ends("a", VALUES))
        assert len(results) == 4
        (result,) = {id(r): r for found in results.values() for r in found}.values()
        assert result.holds is holds, claim
        assert result.group == "a"
        assert result.observed == pytest.approx(1.125, rel=1e-15)
        assert result.detail == f"n = 4, 95 % interval {low:.4g} to {high:.4g}"


def test_over_the_mean_two_experiments_are_compared_by_their_difference_paired_by_seed(check):
    # Far apart from seed to seed, yet b is above a by 0.1 at each: only pairing sees it.
    below = {"below": {"experiment": "b"}}
    other = [value + 0.1 + 0.001 * i for i, value in enumerate(VALUES)]
    experiments = seeded(below, b={"seeds": 4, "optimizer": {"lr": 0.5}})
    result = check(experiments, {**ends("a", VALUES), **ends("b", other)})["a/seed=0"][0]
    assert result.holds is True
    low, high = scipy_interval([a - b for a, b in zip(VALUES, other, strict=True)])
    assert high < 0
    difference = f"95 % interval {low:.4g} to {high:.4g}, paired by seed, n = 4"
    assert result.detail.startswith(f"compared with {np.mean(other):.6g}; difference -0.1")
    assert result.detail.endswith(difference)
    shuffled = [other[2], other[3], other[0], other[1]]
    result = check(experiments, {**ends("a", VALUES), **ends("b", shuffled)})["a/seed=0"][0]
    assert result.holds is False


def test_over_the_mean_a_single_run_is_the_partner_of_every_seed(check):
    experiments = seeded({"below": {"experiment": "b"}}, b={})
    _, high = scipy_interval(VALUES)
    curves = {**ends("a", VALUES), "b": {6: high + 1e-9}}
    assert check(experiments, curves)["a/seed=0"][0].holds is True
    assert check(experiments, {**curves, "b": {6: high - 1e-9}})["a/seed=0"][0].holds is False


def test_over_the_mean_every_seed_must_have_a_value(check):
    curves = ends("a", VALUES)
    for value in ({}, {6: math.nan}):
        result = check(seeded({"below": 100}), {**curves, "a/seed=2": value})["a/seed=0"][0]
        assert (result.holds, result.detail) == (False, "a value is missing")


def test_over_the_mean_of_groups_each_group_is_one_claim(check):
    claim = {"metric": LOSS, "over": "mean", "below": 1.5}
    entry = {"seeds": 2, "matrix": {"optimizer.lr": [0.1, 0.2]}, "expect": [claim]}
    curves = {f"a/lr={lr},seed={i}": {6: lr * 10 + i * 1e-3} for lr in (0.1, 0.2) for i in (0, 1)}
    results = check({"a": entry}, curves)
    assert [r.holds for found in results.values() for r in found] == [True, True, False, False]
    assert {r.group for found in results.values() for r in found} == {"a/lr=0.1", "a/lr=0.2"}


def test_over_the_mean_a_group_is_judged_whole_when_only_a_part_of_it_is_selected(check):
    results = check(seeded({"below": 100}), ends("a", VALUES), only=["a/seed=1"])
    assert list(results) == ["a/seed=1"]
    assert results["a/seed=1"][0].detail.startswith("n = 4")


def test_equal_values_have_an_interval_of_no_width(check):
    result = check(seeded({"between": [1.0, 1.0]}), ends("a", [1.0] * 4))["a/seed=0"][0]
    assert result.holds is True


HELD_OUT = {"data": {"holdout": 0.25}, "train": {"eval_every": 2}}
EVALUATED = {("a", "val/loss"): {2: 3.0, 4: 1.5, 6: 2.0}}


def evaluated(*claims: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"a": {**HELD_OUT, "expect": [{"metric": "val/loss", **c} for c in claims]}, **others}


def test_a_window_of_a_metric_of_evaluations_counts_evaluations(check):
    mean, whole = check(
        evaluated(
            {"last": 2, "by": "mean", "equals": 1.75}, {"last": 3, "by": "max", "equals": 3.0}
        ),
        EVALUATED,
    )["a"]
    assert (mean.holds, mean.observed, whole.holds) == (True, 1.75, True)
    assert mean.text == "val/loss over the last 2 evaluations (mean) = 1.75"


def test_a_metric_of_evaluations_is_claimed_at_its_steps(check):
    results = check(
        evaluated({"at": {2: 3.0, 4: 1.6}, "abs": 0.05}, {"below": {"step": 2}}), EVALUATED
    )["a"]
    assert [r.holds for r in results] == [True, False, True]


def test_same_as_compares_the_evaluations_that_there_are(check):
    experiments = evaluated({"same_as": "b"}, b={**HELD_OUT, "optimizer": {"lr": 0.5}})
    other = {("b", "val/loss"): {2: 3.0, 4: 1.25, 6: 2.0}}
    (result,) = check(experiments, EVALUATED | other)["a"]
    assert (result.holds, result.observed, result.detail) == (False, 0.25, "they part at step 4")
    (result,) = check(experiments, EVALUATED | {("b", "val/loss"): EVALUATED["a", "val/loss"]})["a"]
    assert (result.holds, result.observed) == (True, 0.0)
    (result,) = check(experiments, EVALUATED | {("b", "val/loss"): {2: 3.0, 6: 2.0}})["a"]
    assert (result.holds, result.detail) == (False, "step 4 is missing")


def test_what_set_made_a_step_without_a_value_is_not_decided(check):
    experiments = evaluated(
        *({"at": 4, "below": 9}, {"last": 2, "by": "mean", "below": 9}, {"below": 9}),
        {"same_as": "b"},
        b={**HELD_OUT, "optimizer": {"lr": 0.5}},
    )
    for overrides, details in [
        (
            ["train.eval_every=5"],
            ["a is not evaluated at step 4 here", "", "", "step 5 is missing"],
        ),
        (
            ["train.eval_every=9"],
            ["a is not evaluated at step 4 here", "a has 1 evaluation here", "", ""],
        ),
        (
            ["train.eval_every=null", "data.holdout=0"],
            ["a holds nothing out here"] * 4,
        ),
    ]:
        curves = EVALUATED | {("b", "val/loss"): {6: 2.0}}
        curves["a", "val/loss"] = {5: 2.0, 6: 2.0}
        results = check(experiments, curves, overrides=overrides)["a"]
        assert [r.detail for r in results] == details
        decided = [r.holds is not None for r in results]
        assert decided == ["here" not in detail for detail in details]

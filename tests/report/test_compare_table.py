from __future__ import annotations

import dataclasses
import json
import math

import pytest

from harness.report import bands as bands_module
from harness.report import compare
from harness.report.compare import to_json_rows
from harness.report.rows import ComparedRun, rows_of
from harness.report.statistics import t_interval

CURVES = {
    "good": {1: 4.0, 2: 0.5},
    "bad": {1: 4.0, 2: 3.0},
    "wild": {1: 4.0},
    "empty": {},
    "s0": {1: 2.0, 2: 1.0},
    "s1": {1: 4.0, 2: 2.0},
    "s2": {1: 6.0, 2: 1.5},
}


def table(runs, curve_of, **asked):
    return compare.table(rows_of(runs), curve_of, **asked)


def bands(runs, curve_of):
    return bands_module.bands(rows_of(runs), curve_of)


@pytest.fixture
def compared(stored_run):
    def compared(name, run_id=None, state="finished", group=None, row="", **params):
        run_id = run_id or name
        if group is not None:
            params.setdefault("seed.data", run_id)
        metrics = {
            metric: curve[max(curve)]
            for metric in ("train/loss", "eval/next_token_accuracy")
            if (curve := curve_of(run_id, metric))
        }
        record = dataclasses.replace(stored_run(run_id, state, **params), metrics=metrics)
        return ComparedRun(name, name.partition("/")[0], record, group, row)

    return compared


def curve_of(run_id: str, metric: str):
    curve = CURVES[run_id]
    return curve if metric == "train/loss" else {2: curve[2] / 10} if 2 in curve else {}


def test_rows_are_ranked_best_first_with_what_has_no_value_last(compared):
    runs = [
        compared("wild", state="diverged"),
        compared("bad"),
        compared("empty", state="killed"),
        compared("good"),
    ]
    frame = table(runs, curve_of)
    assert list(frame["name"]) == ["good", "bad", "wild", "empty"]
    assert list(frame["state"]) == ["finished", "finished", "diverged", "killed"]
    assert list(frame["final"][:2]) == [0.5, 3.0]
    assert frame["final"][2:].isna().all()
    assert frame["perplexity"][0] == math.exp(0.5)
    assert math.isnan(frame["perplexity"][3])


def test_a_metric_of_which_more_is_better_is_ranked_the_other_way(compared):
    metric = "eval/next_token_accuracy"
    frame = table([compared("good"), compared("bad")], curve_of, metric=metric)
    assert list(frame["name"]) == ["bad", "good"]
    assert "perplexity" not in frame.columns


def test_columns_stand_in_their_order_with_the_settings_that_differ_last(compared):
    runs = [
        compared(
            "good",
            **{"optimizer.lr": 0.1, "train.steps": 2, "train.log_every": 1, "data.text": "x"},
        ),
        compared(
            "bad",
            **{"optimizer.lr": 0.2, "train.steps": 2, "checkpoint.every": 5, "train.log_every": 2},
        ),
    ]
    frame = table(runs, curve_of, steps=[2, 1, 9])
    assert list(frame.columns) == [
        *("name", "experiment", "state", "n", "final", "low", "high"),
        *("median", "best", "worst", "diverged"),
        *("step 2", "step 1", "step 9"),
        "perplexity",
        "optimizer.lr",
    ]
    assert list(frame["optimizer.lr"]) == ["0.1", "0.2"]
    assert list(frame["step 1"]) == [4.0, 4.0]
    assert frame["step 9"].isna().all()


def test_a_setting_that_only_some_have_is_empty_for_the_others(compared):
    runs = [
        compared("good", **{"optimizer.momentum": 0.9}),
        compared("bad", **{"optimizer.momentum": 0.5}),
        compared("s0"),
    ]
    frame = table(runs, curve_of).set_index("name")
    assert dict(frame["optimizer.momentum"]) == {"good": "0.9", "s0": "", "bad": "0.5"}


def test_a_group_of_seeds_is_one_row_with_mean_and_interval(compared):
    seeds = [
        compared(f"g/seed={i}", f"s{i}", group="g", **{"seed.data": i, "optimizer.lr": 1})
        for i in range(3)
    ]
    frame = table([*seeds, compared("good", **{"optimizer.lr": 2})], curve_of, steps=[1])
    assert list(frame["name"]) == ["good", "g"]
    row = frame.iloc[1]
    expected = t_interval([1.0, 2.0, 1.5])
    assert (row["n"], row["final"]) == (3, expected.mean)
    assert (row["low"], row["high"]) == (expected.low, expected.high)
    assert (row["median"], row["best"], row["worst"], row["diverged"]) == (1.5, 1.0, 2.0, 0)
    assert row["step 1"] == 4.0
    assert row["state"] == "finished"
    assert frame.loc[0, ["low", "median", "best", "worst"]].isna().all()
    assert "seed.data" not in frame.columns  # in a group it is no setting of the row


def test_a_group_averages_those_that_finished_and_names_the_other_states(compared):
    seeds = [
        compared("g/seed=0", "s0", group="g"),
        compared("g/seed=1", "s1", group="g"),
        compared("g/seed=2", "wild", "diverged", group="g"),
    ]
    row = table(seeds, curve_of).iloc[0]
    assert (row["n"], row["final"]) == (3, 1.5)
    assert row["state"] == "finished, diverged"
    assert row["diverged"] == 1


def test_two_runs_of_one_name_are_two_rows_and_no_group(compared):
    runs = [compared("same", "good", row="good"), compared("same", "bad", row="bad")]
    frame = table(runs, curve_of)
    assert list(frame["name"]) == ["same", "same"]
    assert list(frame["n"]) == [1, 1]
    assert len(bands(runs, curve_of)) == 2


def test_two_names_of_one_run_are_two_rows(compared):
    frame = table([compared("a", "good"), compared("b", "good")], curve_of)
    assert list(frame["name"]) == ["a", "b"]


def test_a_band_is_the_mean_with_the_lowest_and_the_highest(compared):
    seeds = [compared(f"g/seed={i}", f"s{i}", group="g") for i in range(3)]
    (band,) = bands([*seeds, compared("empty")], curve_of)
    assert band.name == "g"
    assert band.mean == {1: 4.0, 2: 1.5}
    assert band.low == {1: 2.0, 2: 1.0}
    assert band.high == {1: 6.0, 2: 2.0}


def test_the_rows_as_json_hold_null_for_what_is_not_finite(compared):
    frame = table([compared("good"), compared("wild", state="diverged")], curve_of)
    rows = json.loads(json.dumps(to_json_rows(frame), allow_nan=False))
    assert [row["final"] for row in rows] == [0.5, None]
    assert rows[0]["n"] == 1
    assert rows[0]["name"] == "good"

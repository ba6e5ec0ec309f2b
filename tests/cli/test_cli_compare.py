"""`harness compare` on the finished chapter: sides, learning rates, intervals, mistakes."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pandas as pd
import pytest

import harness as package

FILE = "experiments.yaml"


def test_one_seed_a_side_is_told_to_be_too_few(harness, chapter):
    result = harness("compare", FILE, "--versus", "adamw", "sgd")
    sentence, blank, head, adamw, sgd, target = result.stdout.splitlines()
    finals = package.compare(FILE).set_index("name")["final"]
    assert sentence == (
        f"Not enough seeds to tell: adamw ends better than sgd by {finals.sgd - finals.adamw:.3g} "
        "of train/loss with one seed, which says nothing of other seeds."
    )
    assert (blank, head.split()[:4]) == ("", ["row", "n", "diverged", "final"])
    assert adamw.split()[:4] == ["adamw", "1", "0", f"{finals.adamw:.4f}"]
    assert sgd.split()[:7] == ["sgd", "1", "0", f"{finals.sgd:.4f}", "1", "of", "1"]
    assert target == f"reached, step, seconds: of a train/loss of {finals.sgd:.3g}"
    assert result.exit_code == 0


def test_the_json_holds_the_table_and_the_difference(harness, chapter):
    found = json.loads(harness("compare", FILE, "--versus", "sgd", "adamw", "--json").stdout)
    assert {row["name"] for row in found["rows"]} > {"adamw", "sgd"}
    difference = found["versus"]["difference"]
    assert (difference["n"], difference["paired"], difference["low"]) == (1, True, None)
    rows = {row["name"]: row["final"] for row in found["rows"]}
    assert difference["mean"] == rows["sgd"] - rows["adamw"]
    assert package.versus(FILE, "sgd", "adamw").to_json() == found["versus"]


def test_a_target_is_reached_at_its_first_step(harness, chapter):
    found = json.loads(
        harness("compare", FILE, "--versus", "adamw", "sgd", "--target", "0.5", "--json").stdout
    )["versus"]
    for side in ("a", "b"):
        curve = package.history(found[side]["row"]).set_index("step")["value"]
        assert found[side]["reached"]["step"] == curve[curve <= 0.5].index.min()


def test_the_sensitivity_of_a_search_is_over_its_trials(harness, chapter, tmp_path):
    result = harness("compare", FILE, "--sensitivity", "--csv", tmp_path / "lr.csv", "--json")
    rows = json.loads(result.stdout)["sensitivity"]
    searches = {row["name"]: row for row in rows}
    for row in searches.values():
        assert row["from"] <= row["optimum"] <= row["to"]
        assert row["sensitivity"] >= 0
    with (tmp_path / "lr.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [row["name"] for row in rows]
    frame = package.sensitivity(FILE)
    assert isinstance(frame, pd.DataFrame)
    assert frame["optimum"].tolist() == [row["optimum"] for row in rows]
    (name, *_) = searches
    low, high = searches[name]["from"], searches[name]["optimum"]
    cut = ["--between", str(low), str(high)]
    result = harness("compare", FILE, "--sensitivity", *cut, "--json")
    (again,) = (r for r in json.loads(result.stdout)["sensitivity"] if r["name"] == name)
    assert (again["to"], again["edge"]) == (high, "high")
    told = f"harness: {name}: the optimum, a learning rate of {high:g}, is at the high edge of the "
    assert f"{told}range: widen it\n" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--versus", "adamw", "adamw"], "--versus adamw adamw: must be two"),
        (["--versus", "adamv", "sgd"], "no row is called 'adamv'; did you mean 'adamw'?"),
        (["--versus", "adamw", "sgd", "--target", "nan"], "--target nan: must be a finite number"),
        (["--target", "1"], "--target goes with --versus A B"),
        (["--between", "1", "2"], "--between goes with --sensitivity"),
        (["--sensitivity", "--between", "2", "1"], "must be two learning rates, the lower first"),
        (["--sensitivity", "--versus", "adamw", "sgd"], "two questions: ask one at a time"),
        (
            ["--sensitivity", "--metric", "train/perplexity"],
            "--sensitivity is about a loss: train/loss or val/loss, got train/perplexity",
        ),
        (["--metric", "train/los"], "no run logs the metric 'train/los'; did you mean train/loss?"),
    ],
)
def test_a_mistake_in_the_call_is_told(harness, chapter, flags, message):
    result = harness("compare", FILE, *flags)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_step_at_which_no_run_has_a_value_is_told(harness, chapter):
    result = harness("compare", FILE, "--at", "1", "--at", "9999")
    assert result.exit_code == 0
    assert "harness: --at 9999: no run has a train/loss at step 9,999\n" in result.stderr
    assert "--at 1:" not in result.stderr
    assert "step 1 " in result.stdout
    assert "step 9999" not in result.stdout


def test_where_no_learning_rates_differ_there_is_nothing_to_be_sensitive_to(
    harness, project, tmp_path
):
    from sweep_files import write_sweep

    path = write_sweep(Path("sweep.yaml"), {"a": {"seeds": 2}})
    assert harness("run", path).exit_code == 0
    result = harness("compare", path, "--sensitivity")
    assert result.exit_code == 4
    assert "no two runs that finished differ in optimizer.lr alone" in result.stderr
    told = harness("compare", path, "--bootstrap")
    assert "a: fewer than 3 seeds finished, and so an interval says little" in told.stderr
    rows = json.loads(harness("compare", path, "--bootstrap", "--json").stdout)["rows"]
    assert rows[0]["low"] <= rows[0]["final"] <= rows[0]["high"]
    assert not math.isnan(rows[0]["median"])

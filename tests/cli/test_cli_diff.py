"""`harness diff A B` on runs that part at a known step, agree, or have nothing in common."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from sweep_files import write_sweep

from harness.inspection.difference import compare_curves
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import find_runs, history
from harness.tracking.store import open_store

SGD = {"optimizer": {"name": "sgd", "lr": 0.1}}
RUNS = {
    "sgd": SGD,
    "bare": {**SGD, "train": {"engine": "bare"}},
    "short": {**SGD, "train": {"steps": 4}},
    # The first update is the gradient's with and without momentum, so the third loss differs.
    "momentum": {"optimizer": {**SGD["optimizer"], "momentum": 0.9}},
    "text": {**SGD, "data": {"text": "a b d e", "repeat": 8}},
    "bad": {"train": {"device": "cuda:99"}},
}


def train(*names: str) -> None:
    """Train some of `RUNS`, or all of them, in the current directory."""
    run_sweep(load_sweep(write_sweep(Path("sweep.yaml"), RUNS)), only=names)


@pytest.fixture
def trained(trained_once, no_store_named, monkeypatch) -> None:
    """The current directory, with all of `RUNS` in it: to be read, never to be written."""
    monkeypatch.chdir(trained_once("differing", train))


@pytest.fixture
def told(harness):
    """What `diff A B --json` prints."""

    def told(*arguments: object) -> dict:
        result = harness("diff", *arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    return told


def test_the_first_step_where_the_losses_part_is_told(harness, told, trained):
    result = harness("diff", "sgd", "momentum")
    assert result.exit_code == 0
    head, row, last = (line.strip() for line in result.stdout.splitlines())
    assert head.split() == ["differs", "sgd", "momentum"]
    assert row.split() == ["settings", "optimizer.momentum", "0.0", "0.9"]
    start = "train/loss: the same bit for bit up to step 2, parts at step 3: "
    assert last.startswith(start)
    store = open_store()
    runs = {run.name: run for run in find_runs(store)}
    a, b = (history(store, runs[name].run_id)[3] for name in ("sgd", "momentum"))
    assert [float(text) for text in last.removeprefix(start).split(" and ")] == [a, b]
    found = told("sgd", "momentum")
    assert found["settings"] == {"optimizer.momentum": {"a": "0.0", "b": "0.9"}}
    assert (found["environment"], found["data"], found["code"]) == ({}, {}, {})
    assert found["same_fingerprint"] is False
    assert found["curves"] == {
        "metric": "train/loss",
        "n_steps_a": 6,
        "n_steps_b": 6,
        "n_common_steps": 6,
        "first_different_step": 3,
        "last_equal_step": 2,
        "a": a,
        "b": b,
    }
    assert [found[side]["name"] for side in "ab"] == ["sgd", "momentum"]
    assert set(found["a"]) == {"name", "sweep", "run_id", "status", "engine", "fingerprint"}


def test_runs_that_agree_bit_for_bit_are_told_to(harness, told, trained):
    lines = harness("diff", "sgd", "bare").stdout.splitlines()
    assert lines[-1] == "train/loss: the same bit for bit over all 6 common steps"
    assert told("sgd", "bare")["environment"] == {"engine": {"a": "plain", "b": "bare"}}
    assert told("sgd", "bare")["curves"]["first_different_step"] is None
    lines = harness("diff", "sgd", "short").stdout.splitlines()
    assert lines[-1] == ("train/loss: the same bit for bit over all 4 common steps (6 and 4 steps)")


def test_the_same_seed_and_another_number_has_its_cause_told(harness, told, project):
    train("sgd")
    (old,) = [run for run in find_runs(open_store()) if run.name == "sgd"]
    run_sweep(load_sweep(Path("sweep.yaml")), only=["sgd"], force=True)
    store = open_store()
    new = max((run for run in find_runs(store) if run.name == "sgd"), key=lambda r: r.start_time)
    lines = harness("diff", old.run_id, "sgd").stdout.splitlines()
    assert lines == [
        "settings, environment, data and code are the same",
        f"the fingerprint is the same: {new.fingerprint}",
        "train/loss: the same bit for bit over all 6 common steps",
    ]
    store.client.set_tag(new.run_id, "harness.torch", "1.0\x1b")
    store.client.set_tag(new.run_id, "harness.git_commit", "abc")
    store.client.delete_tag(new.run_id, "harness.cpu")
    store.client.log_metric(new.run_id, "train/loss", 9.0, step=5)
    found = told(old.run_id, new.run_id)
    torch, cpu = (old.tags[f"harness.{name}"] for name in ("torch", "cpu"))
    assert found["environment"] == {
        "torch": {"a": torch, "b": "1.0\x1b"},
        "cpu": {"a": cpu, "b": None},
    }
    assert found["code"]["git_commit"] == {"a": old.tags.get("harness.git_commit"), "b": "abc"}
    assert found["same_fingerprint"] is True
    assert found["curves"]["first_different_step"] == 5
    text = harness("diff", old.run_id, new.run_id).stdout
    assert "\x1b" not in text
    assert text.split()[1:5] == ["sgd", f"({old.run_id[:8]})", "sgd", f"({new.run_id[:8]})"]


def test_other_data_is_told(told, trained):
    found = told("sgd", "text")
    assert set(found["data"]) == {"name", "digest", "source"}
    assert found["data"]["source"] == {"a": "text 'a b c'", "b": "text 'a b d e'"}
    assert found["settings"] == {
        "data.text": {"a": "a b c", "b": "a b d e"},
        "model.vocab_size": {"a": "3", "b": "4"},
    }


def test_a_run_without_losses_has_no_step_in_common(harness, told, trained):
    lines = harness("diff", "sgd", "bad").stdout.splitlines()
    assert lines[-1] == "train/loss: the runs have no step in common (6 and 0 steps)"
    assert told("sgd", "bad")["curves"]["n_common_steps"] == 0


def test_two_names_of_one_run_are_told_to_be_one(harness, project):
    train("sgd")
    run_sweep(load_sweep(write_sweep(Path("other.yaml"), {"twin": SGD}, name="other")))
    result = harness("diff", "sgd", "twin")
    (run,) = [run for run in find_runs(open_store()) if run.name == "sgd"]
    assert result.stdout == f"sgd and twin are one run: {run.run_id}\n"


def test_another_metric_can_be_compared(harness, told, trained):
    found = told("sgd", "momentum", "--metric", "train/perplexity")["curves"]
    assert (found["n_common_steps"], found["first_different_step"]) == (1, 6)
    last = harness("diff", "sgd", "momentum", "--metric", "train/perplexity").stdout.splitlines()
    assert last[-1].startswith("train/perplexity: differs from step 6 on: ")


def test_equal_means_in_every_bit():
    assert compare_curves("m", {1: 0.0}, {1: -0.0}).first_step == 1
    assert compare_curves("m", {1: math.nan}, {1: math.nan}).first_step is None
    apart = compare_curves("m", {1: 1.0, 2: 1.0, 5: 2.0}, {2: 1.0, 5: math.nextafter(2, 3)})
    assert (apart.num_common, apart.last_equal, apart.first_step) == (2, 2, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adamv", "sgd"], "no run is called 'adamv'"),
        (["sgd", "adamv"], "did you mean 'adamw'?"),
        (["sgd", "adamw", "--metric", "train/los"], "did you mean train/loss?"),
    ],
)
def test_diff_tells_what_it_cannot_do(harness, chapter, arguments, message):
    result = harness("diff", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    (error,) = json.loads(harness("diff", *arguments, "--json").stdout)["errors"]
    assert message in error["message"]

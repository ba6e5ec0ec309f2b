"""`harness ls` on the finished chapter, and on a store with groups, failures and replaced runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from sweep_files import CHAPTER_RUNS, write_sweep

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import find_runs
from harness.tracking.store import open_store

CHAPTER = [*CHAPTER_RUNS, "adamw-lr", "sgd-lr"]
KEYS = [
    "name",
    "aliases",
    "sweep",
    "experiment",
    "kind",
    "run_id",
    "status",
    "fingerprint",
    "engine",
    "final_loss",
    "claims",
    "metrics",
    "settings",
    "started",
    "ended",
    "seconds",
    "n_runs",
    "n_trials",
    "best_value",
    "best_params",
    "best_run_id",
    "trial",
    "study",
    "parent_run_id",
    "superseded_by",
    "error",
]


@pytest.fixture
def listed(harness):
    """What `ls --json` prints with some flags."""

    def listed(*flags: object) -> list[dict]:
        result = harness("ls", *flags, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        told = json.loads(result.stdout)
        assert list(told) == ["runs"]
        return told["runs"]

    return listed


def names(runs: list[dict]) -> list[str]:
    return [run["name"] for run in runs]


def test_ls_lists_runs_and_searches_the_newest_first(harness, chapter):
    head, *rows, last = harness("ls").stdout.splitlines()
    assert head.split() == [
        "name",
        "kind",
        "state",
        "engine",
        "loss",
        "claims",
        "best",
        "started",
        "took",
        "id",
    ]
    assert [row.split()[0] for row in rows] == CHAPTER[::-1]
    assert last == "7 runs, 2 searches; 128 hidden (--trials, --all)"
    assert "search of 64 trials  finished" in rows[0]
    assert " at optimizer.lr=0." in rows[0]
    runs = {run.name: run.run_id for run in find_runs(open_store())}
    assert all(row.endswith(runs[row.split()[0]][:8]) for row in rows)


def test_ls_json_holds_everything_of_a_row(listed, chapter):
    found = {run["name"]: run for run in listed()}
    assert all(list(run) == KEYS for run in found.values())
    adamw, search = found["adamw"], found["adamw-lr"]
    assert adamw["final_loss"] == adamw["metrics"]["train/loss"] == pytest.approx(0.0035, abs=5e-5)
    assert (adamw["status"], adamw["claims"], adamw["engine"]) == ("finished", "passed", "plain")
    assert (adamw["kind"], adamw["n_trials"], adamw["best_value"]) == ("run", None, None)
    assert adamw["settings"]["optimizer.lr"] == "0.01"
    assert adamw["started"] < adamw["ended"]
    assert adamw["ended"].endswith("Z")
    assert (search["kind"], search["n_trials"], search["fingerprint"]) == ("search", 64, None)
    (best,) = [run for run in listed("--trials") if run["run_id"] == search["best_run_id"]]
    assert search["best_params"] == {"optimizer.lr": float(best["settings"]["optimizer.lr"])}
    assert best["parent_run_id"] == search["run_id"]
    assert best["study"] == search["study"]


def test_trials_are_listed_when_asked_for_and_nothing_but_them_is_told(harness, listed, chapter):
    trials = listed("adamw-lr/*", "--trials")
    assert sorted(run["trial"] for run in trials) == list(range(64))
    assert len(listed("--trials")) == 7 + 2 + 128
    result = harness("ls", "adamw-lr/*")
    assert result.exit_code == 4
    assert result.stderr == "harness: nothing matches but 64 trials (--trials shows them)\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["adamw"], ["adamw"]),
        (["adamw*"], ["adamw-lr", "adamw"]),
        (["batch-size"], ["batch-size/batch_size=16", "batch-size/batch_size=1"]),
        (["adamw", "sgd"], ["sgd", "adamw"]),
        (["--kind", "search"], ["sgd-lr", "adamw-lr"]),
        (["--engine", "bare"], ["four-line-loop"]),
        (["--sweep", "chap*", "--limit", 2], ["sgd-lr", "adamw-lr"]),
        (["--state", "finished", "--state", "failed"], CHAPTER[::-1]),
        (["--reverse"], CHAPTER),
        (["--sort", "name", "--limit", 2], ["adamw", "adamw-lr"]),
        (["--sort", "loss", "--limit", 2], ["adamw-lr", "sgd-lr"]),
        (["--sort", "loss", "--reverse", "--limit", 1], ["lr-1"]),
        (["--sort", "best"], ["adamw-lr", "sgd-lr", *CHAPTER[:7]]),
        (["--sort", "train.batch_size", "--kind", "run", "-n", 1], ["batch-size/batch_size=1"]),
        (["--sort", "eval/next_token_accuracy", "--limit", 1], ["lr-1"]),
    ],
    ids=str,
)
def test_ls_filters_and_sorts(listed, chapter, flags, expected):
    found = names(listed(*flags))
    assert sorted(found) == sorted(expected)
    if "--sort" not in flags or "best" not in flags:
        assert found == expected
    else:  # what has none stands last
        assert found[:2] == expected[:2]


@pytest.mark.parametrize(
    ("flags", "message", "exit_code"),
    [
        (["adamv"], "none of the store's records matches 'adamv'; did you mean 'adamw'?", 4),
        (["--sweep", "x"], "none of the store's records matches 'x'", 4),
        (["--state", "failed"], "none of the store's records matches --state failed", 4),
        (["a", "--kind", "group"], "none of the store's records matches 'a', --kind group", 4),
        (["--state", "finish"], "no state is called 'finish'; did you mean finished?", 2),
        (["--kind", "trial"], r"no kind is called 'trial' (run, group, search)", 2),
        (["--engine", "stack"], "did you mean stacked?", 2),
        (["--sort", "los"], "no column, setting or metric is called 'los'; did you mean loss?", 2),
        (["--column", "optimizer.l"], "did you mean optimizer.lr?", 2),
        (["--limit", "0"], "--limit", 2),
    ],
)
def test_ls_tells_what_it_cannot_do(harness, chapter, flags, message, exit_code):
    result = harness("ls", *flags)
    assert result.exit_code == exit_code
    assert result.stdout == ""
    assert message in result.stderr
    if flags != ["--limit", "0"]:
        (error,) = json.loads(harness("ls", *flags, "--json").stdout)["errors"]
        assert message in error["message"]


def test_ls_shows_groups_failures_and_shared_runs(harness, listed, mixed):
    head, *rows, last = harness("ls").stdout.splitlines()
    assert "sweep" not in head.split()
    assert last == "6 runs, 1 group; 1 hidden (--trials, --all)"
    by_name = {row.split()[0]: row for row in rows}
    assert "group of 3 runs" in by_name["many"]
    assert "  failed  " in by_name["bad"]
    assert "  diverged at step " in by_name["wild"]
    found = {run["name"]: run for run in listed()}
    assert (found["many"]["n_runs"], found["many"]["n_trials"]) == (3, None)
    assert found["many"]["seconds"] is None
    assert found["many/seed=0"]["seconds"] > 0
    assert found["bad"]["error"].startswith("harness.errors.UsageError: train.device: cuda:99")
    assert found["bad"]["final_loss"] is None
    assert {found[f"many/seed={i}"]["parent_run_id"] for i in range(3)} == {found["many"]["run_id"]}
    assert names(listed("--state", "diverged")) == ["wild"]
    assert names(listed("--sort", "loss"))[-1] == "bad"


def test_a_replaced_record_is_listed_with_all_only_and_says_so(harness, listed, mixed):
    (new,) = listed("short")
    old = next(run for run in listed("short", "--all") if run["run_id"] != new["run_id"])
    assert old["superseded_by"] == new["run_id"]
    assert old["aliases"] == [{"sweep": "two", "name": "twin"}]
    assert names(listed("twin", "--all")) == ["short"]
    assert "finished (replaced)" in harness("ls", "twin", "--all").stdout
    result = harness("ls", "twin")
    assert (result.exit_code, result.stderr) == (
        4,
        "harness: nothing matches but replaced records (--all)\n",
    )


def test_columns_can_be_asked_for(harness, mixed):
    flags = ["-c", "train.steps", "-c", "train/perplexity", "--kind", "run"]
    head, *rows, _ = harness("ls", *flags).stdout.splitlines()
    assert [c for c in ("train.steps", "train/perplexity") if c not in head.split()] == []
    assert next(row for row in rows if row.startswith("short ")).split()[4] == "3"


def test_what_a_store_holds_cannot_write_to_the_terminal(harness, mixed_of_its_own):
    store = open_store()
    run = next(run for run in find_runs(store) if run.name == "wild")
    store.client.set_tag(run.run_id, "mlflow.runName", "wild\x1b[31m\nnext")
    text = harness("ls").stdout
    assert "\x1b" not in text
    assert "wild\\x1b[31m\\nnext" in text


def test_a_metric_that_is_not_finite_is_null(listed, project):
    store = open_store()
    run_sweep(load_sweep(write_sweep(Path("s.yaml"), {"a": {}})))
    (run,) = find_runs(store)
    store.client.log_metric(run.run_id, "odd", float("nan"))
    (told,) = listed()
    assert told["metrics"]["odd"] is None
    assert names(listed("--sort", "odd")) == ["a"]


def test_a_server_lists_the_same(listed, mixed, monkeypatch):
    import harness.tracking.store

    local = listed("--all")
    store = dataclasses.replace(open_store(), database=None)  # no tables to read
    monkeypatch.setattr(harness.tracking.store, "open_store", lambda *_, **__: store)
    assert listed("--all") == local


def test_ls_of_an_empty_store_and_of_none(harness, project, tmp_path, monkeypatch):
    result = harness("ls")
    assert result.exit_code == 4
    assert "harness has recorded nothing in this store yet: run `harness run FILE`" in result.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    result = harness("ls")
    assert result.exit_code == 2
    assert "no store at mlruns/mlflow.db" in result.stderr
    assert list(empty.iterdir()) == []

"""`harness run`: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest
from sweep_files import write_sweep

from harness.cli.progress import Lines

CLAIM = {"metric": "train/loss", "below": 100}
FALSE = {"metric": "train/loss", "below": 0}
NO_DEVICE = {"train": {"device": "cuda:99"}}
RUN_KEYS = {
    *("name", "experiment", "run_id", "status", "fingerprint", "engine", "reason"),
    *("final_loss", "expectations"),
}


def write(**experiments) -> Path:
    return write_sweep(Path("sweep.yaml"), experiments)


def test_lines_have_the_form_of_the_chapter_and_show_small_losses(capsys):
    train = SimpleNamespace(steps=20_000, log_every=1000)
    declared = SimpleNamespace(trial=None, config=SimpleNamespace(train=train))
    run = SimpleNamespace(name="a", declared=declared)
    Lines().on_losses(run, [(1, 5.27388), (2, 5.0), (9000, 1.7e-5), (20_000, math.nan)])
    assert capsys.readouterr().out.splitlines() == [
        "a  step   1: loss = 5.2739",
        "a  step 9000: loss = 1.700e-05",
        "a  step 20000: loss = nan",
    ]


def test_a_piped_run_prints_plain_lines_then_the_tables(harness, project):
    result = harness("run", write(a={"train": {"log_every": 3}, "expect": [CLAIM, FALSE]}, b={}))
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[0] == "2 runs: 1 to train, 0 already done"
    assert lines[1] == "[1/1] a (plain, new)"
    steps = [line.split(" = ")[0] for line in lines[2:5]]
    assert steps == [f"a  step   {step}: loss" for step in (1, 3, 6)]
    assert lines[5].startswith("a  finished: 6 steps, ")
    assert lines[6].split() == ["run", "state", "final", "loss", "claims"]
    assert lines[7].split()[:4] == ["a", "finished", "trained", "(new)"]
    assert lines[7].endswith("1 of 2")
    assert lines[8].split()[:4] == ["b", "finished", "shares", "a"]
    assert "DOES NOT HOLD" in lines[-3]
    assert lines[-1] == "2 runs: 1 trained, 1 shared. 1 of 2 claims hold."
    assert result.stderr == ""
    assert result.exit_code == 3


def test_quiet_prints_only_what_needs_attention(harness, project):
    path = write(a={"expect": [CLAIM]})
    result = harness("run", path, "-q")
    assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)
    result = harness("run", write(a={"expect": [CLAIM, FALSE]}), "--quiet")
    assert "DOES NOT HOLD" in result.stdout
    assert "holds " not in result.stdout
    assert result.exit_code == 3


def test_a_failed_run_is_told_on_standard_error(harness, project):
    result = harness("run", write(bad=NO_DEVICE, good={}))
    assert result.stderr.startswith("bad: failed: train.device: cuda:99 is not on this machine")
    assert "bad  failed: train.device" in result.stdout
    assert result.exit_code == 1


def test_json_is_one_object_and_nothing_else(harness, project):
    path = write(a={"expect": [CLAIM]}, b={}, wild=wild())
    result = harness("run", path, "--json")
    assert result.stdout.count("\n") == 1
    told = json.loads(result.stdout)
    assert set(told) == {"runs", "searches"}
    assert told["searches"] == []
    assert all(set(run) == RUN_KEYS for run in told["runs"])
    a, b, diverged = told["runs"]
    assert (a["name"], a["status"], a["reason"], a["engine"]) == ("a", "finished", "new", "plain")
    assert a["expectations"] == [
        {"text": a["expectations"][0]["text"], "holds": True, "observed": a["final_loss"]}
    ]
    assert b["run_id"] == a["run_id"]
    assert b["fingerprint"] == a["fingerprint"]
    assert (diverged["status"], diverged["final_loss"]) == ("diverged", None)
    assert result.exit_code == 0  # a diverged run is a result


def wild() -> dict:
    return {
        "train": {"steps": 50},
        "optimizer": {"name": "sgd", "lr": 1e6, "weight_decay": 100.0},
    }


def test_dry_run_plans_everything_and_creates_nothing(harness, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(a={}, b={"optimizer": {"lr": 0.1}})
    told = json.loads(harness("run", path, "--dry-run", "--json").stdout)
    assert {run["status"] for run in told["runs"]} == {"planned"}
    assert all(set(run) == RUN_KEYS for run in told["runs"])
    result = harness("run", path, "--dry-run")
    assert "2 runs: 2 to train (2 new), 0 already done" in result.stdout
    assert result.exit_code == 0
    assert harness("run", path, "--dry-run", "-q").stdout == ""
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.yaml"]


@pytest.mark.parametrize(
    ("experiments", "flags", "exit_code"),
    [
        ({"a": {}}, [], 0),
        ({"a": {"expect": [CLAIM]}}, [], 0),
        ({"a": {"expect": [FALSE]}}, [], 3),
        ({"a": NO_DEVICE, "b": {"expect": [FALSE]}}, [], 1),  # a failure before a claim
        ({"a": {**NO_DEVICE, "expect": [FALSE]}}, [], 1),
        ({"a": {}}, ["--only", "nobody"], 4),
        ({"a": {"optimizer": {"lr": -1}}}, [], 2),
        ({"a": {"optimizer": {"lr": -1}}}, ["--only", "nobody"], 2),  # an invalid file before all
        ({"a": {}}, ["--set", "train.steps=0"], 2),
        ({"a": {}}, ["--set", "train.steps"], 2),
        ({"a": {}}, ["--jobs", "0"], 2),
        ({"a": {}}, ["--nonsense"], 2),
        ({"a": {}}, ["--tracking-uri", "http://127.0.0.1:1"], 2),
        ({"a": {}}, ["--junit", "no/such/folder.xml"], 2),
    ],
)
def test_the_exit_code_says_what_happened(harness, project, experiments, flags, exit_code):
    result = harness("run", write(**experiments), *flags)
    assert result.exit_code == exit_code
    if exit_code in (2, 4):
        assert result.stdout == ""
        assert result.stderr != ""
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("flags", "message", "exit_code"),
    [
        (["--only", "nobody"], "--only nobody matches no run (there are: a)", 4),
        (["--junit", "no/x.xml"], "--junit no/x.xml: there is no folder ", 2),
        (["--tracking-uri", "http://127.0.0.1:1"], "no MLflow server answers there", 2),
        (["--set", "nonsense"], "nonsense", 2),
    ],
)
def test_errors_are_one_object_too_with_json(harness, project, flags, message, exit_code):
    result = harness("run", write(a={}), "--json", *flags)
    (error,) = json.loads(result.stdout)["errors"]
    assert set(error) >= {"file", "line", "column", "path", "message"}
    assert message in error["message"]
    assert result.stderr == ""
    assert result.exit_code == exit_code


def test_every_mistake_of_a_file_is_told_before_anything_is_created(harness, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(a={"optimizer": {"lr": -1}}, b={"train": {"stepps": 3}})
    for command in ("run", "plan", "validate", "compare"):
        result = harness(command, path, "--json")
        errors = json.loads(result.stdout)["errors"]
        assert [error["path"] for error in errors] == [
            "experiments.a.optimizer.lr",
            "experiments.b.train.stepps",
        ]
        assert all(error["file"] == "sweep.yaml" and error["line"] > 1 for error in errors)
        assert result.exit_code == 2
    result = harness("run", path)
    assert "sweep.yaml:" in result.stderr
    assert "got -1" in result.stderr
    assert "^" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.yaml"]


def test_a_missing_file_is_told_with_its_name(harness, project):
    result = harness("run", "missing.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("missing.yaml: cannot be read: No such file or directory")


def test_junit_is_refused_before_training_when_its_folder_is_missing(harness, project):
    result = harness("run", write(a={}), "--junit", "no/such/claims.xml")
    assert "--junit no/such/claims.xml: there is no folder" in result.stderr
    assert result.exit_code == 2
    assert not (project / "mlruns" / "artifacts").exists()


def test_junit_is_written_with_every_verdict(harness, project):
    result = harness("run", write(a={"expect": [CLAIM, FALSE]}, b=NO_DEVICE), "--junit", "c.xml")
    assert result.exit_code == 1
    first, second = ET.parse("c.xml").getroot()
    assert (first.get("tests"), first.get("failures")) == ("2", "1")
    assert second.get("errors") == "1"
    assert "cuda:99" in second[0].find("error").get("message")
    assert not list(project.glob("*.new"))


def test_junit_has_a_suite_of_each_search_with_its_claims_and_failed_trials(
    harness, project, no_plots
):
    path = write(a={"expect": [CLAIM]})
    devices = {"train.device": {"choices": ["cpu", "cuda:99"]}}
    claims = [
        {"best": "train.device", "equals": "cpu"},
        {"best": "value", "below": 0},
        {"better_than": {"search": "broken"}},
    ]
    entry = {"extends": "a", "metric": "train/loss", "sampler": {"name": "grid"}, "n_trials": 2}
    searches = {
        "s": {**entry, "space": devices, "expect": claims},
        "broken": {**entry, "space": {"train.device": {"choices": ["cuda:99"]}}},
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), "searches": searches}))
    assert harness("run", path, "--junit", "c.xml", "-q").exit_code == 1
    experiment, search, broken = ET.parse("c.xml").getroot()
    assert (experiment.get("name"), experiment.get("tests")) == ("a", "1")
    assert search.attrib == {
        **{"name": "s", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    }
    assert [case.get("classname") for case in search[:3]] == ["sweep.s"] * 3
    assert search[0].findtext("system-out") == "observed 'cpu'"
    assert search[1].find("failure").get("message").startswith("observed 2.388")
    assert search[2].find("skipped").get("message") == "broken has no finished trial"
    assert search[3].get("classname").startswith("sweep.s/trial=")
    assert "cuda:99 is not on this machine" in search[3].find("error").get("message")
    assert (broken.get("name"), broken.get("tests"), broken.get("errors")) == ("broken", "1", "1")


def test_set_only_force_and_jobs_reach_the_sweep(harness, project):
    path = write(a={}, b={"optimizer": {"lr": 0.1}})
    flags = ["--json", "--only", "b", "--set", "train.steps=3"]
    first = json.loads(harness("run", path, *flags).stdout)
    assert [run["name"] for run in first["runs"]] == ["b"]
    forced = json.loads(harness("run", path, *flags, "--force", "-j", "4").stdout)
    assert forced["runs"][0]["reason"] == "forced"
    assert forced["runs"][0]["run_id"] != first["runs"][0]["run_id"]
    assert forced["runs"][0]["final_loss"] == first["runs"][0]["final_loss"]


def test_searches_are_run_and_told_in_the_summary(harness, project, no_plots):
    path = write(a={})
    search = {
        "extends": "a",
        "metric": "train/loss",
        "direction": "minimize",
        "space": {"optimizer.lr": {"low": 1e-4, "high": 1.0}},
        "sampler": {"name": "random"},
        "n_trials": 2,
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), "searches": {"lr": search}}))
    result = harness("run", path)
    assert "lr: 2 of 2 trials; 2 finished; best " in result.stdout
    assert result.stdout.splitlines()[-1] == "1 run: 1 trained. 1 search: 2 trials, 2 new."
    assert result.exit_code == 0

"""`harness run experiments.yaml`: the whole chapter, its claims, and what is left in MLflow."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from sweep_files import CHAPTER_RUNS as RUNS
from sweep_files import environment

from harness.tracking.read import checkpoints, find_runs, history
from harness.tracking.store import open_store

NOTHING_TO_TRAIN = """
import sys
from harness.cli.main import app
try:
    app(["run", "experiments.yaml"])
except SystemExit as end:
    assert end.code == 0, end.code
print([name for name in ("torch", "matplotlib", "plotly") if name in sys.modules])
"""


@pytest.mark.slow
def test_every_claim_of_the_chapter_holds(chapter):
    assert chapter.first.returncode == 0, chapter.first.stderr
    assert chapter.first.stderr == ""
    lines = chapter.first.stdout.splitlines()
    assert lines[-1] == (
        "7 runs: 7 trained. 2 searches: 128 trials, 128 new. 28 of 28 claims hold."
    )
    assert "DOES NOT HOLD" not in chapter.first.stdout


def test_the_losses_are_printed_in_the_form_of_the_chapter(chapter):
    lines = chapter.first.stdout.splitlines()
    assert lines[0] == "7 runs: 7 to train, 0 already done"
    assert lines[1] == "[1/7] adamw (plain, new)"
    assert lines[2:7] == [
        "adamw  step   1: loss = 5.2739",
        "adamw  step  50: loss = 0.3453",
        "adamw  step 100: loss = 0.0162",
        "adamw  step 150: loss = 0.0056",
        "adamw  step 200: loss = 0.0035",
    ]
    assert lines[7].startswith("adamw  finished: 200 steps, ")
    assert all("\x1b" not in line for line in lines)


def test_a_second_call_trains_nothing_and_says_so(chapter):
    assert chapter.second.returncode == 0
    assert chapter.second.stderr == ""
    runs = json.loads(chapter.second.stdout)["runs"]
    assert [run["name"] for run in runs] == RUNS
    assert {(run["status"], run["reason"]) for run in runs} == {("finished", "finished")}
    assert all(claim["holds"] is True for run in runs for claim in run["expectations"])
    assert len({run["run_id"] for run in runs}) == 7


def test_where_nothing_is_to_be_trained_torch_is_not_imported(chapter):
    call = subprocess.run(
        [sys.executable, "-c", NOTHING_TO_TRAIN],
        cwd=chapter.folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert call.returncode == 0, call.stderr
    *lines, imported = call.stdout.splitlines()
    assert imported == "[]"
    assert lines[0] == "7 runs: 0 to train, 7 already done"
    assert lines[-1] == (
        "7 runs: 7 already done. 2 searches: 128 trials, 0 new. 28 of 28 claims hold."
    )


def test_the_store_holds_each_run_once_with_every_step(chapter):
    store = open_store(create=False)
    records = [r for r in find_runs(store) if r.kind == "run" and "harness.trial" not in r.tags]
    assert [record.name for record in records] == RUNS
    for record in records:
        assert (record.kind, record.state, record.status) == ("run", "finished", "FINISHED")
        assert (record.sweep, record.experiment) == ("chapter-14", record.name.split("/")[0])
        assert record.tags["harness.expect"] == "passed"
        assert record.tags["harness.record_version"] == "1"
        assert "mlflow.parentRunId" not in record.tags
        points = store.client.get_metric_history(record.run_id, "train/loss")
        assert sorted(point.step for point in points) == list(range(1, 201))
        assert checkpoints(store, record.run_id) == ["step_000200"]
        inputs = store.client.get_run(record.run_id).inputs.dataset_inputs
        assert len(inputs) == 1


def test_the_store_holds_each_search_with_its_trials_under_it(chapter):
    records = find_runs(open_store(create=False))
    for name in ("adamw-lr", "sgd-lr"):
        (parent,) = [r for r in records if r.kind == "search" and r.name == name]
        trials = [r for r in records if r.tags.get("harness.study") == parent.tags["harness.study"]]
        trials.remove(parent)
        assert sorted(int(r.tags["harness.trial"]) for r in trials) == list(range(64))
        assert {r.tags["mlflow.parentRunId"] for r in trials} == {parent.run_id}
        assert {r.state for r in trials} <= {"finished", "pruned", "diverged"}
        assert int(parent.params["trials.pruned"]) > 0
        best = parent.tags["harness.best_run"]
        store = open_store(create=False)
        assert history(store, parent.run_id) == history(store, best)
        files = [f.path for f in store.client.list_artifacts(parent.run_id, "plots")]
        assert "plots/search.html" in files
        assert "plots/slice.png" in files


def test_the_bare_loop_is_the_plain_one_bit_for_bit(chapter):
    store = open_store(create=False)
    curves = {record.name: history(store, record.run_id) for record in find_runs(store)}
    assert curves["four-line-loop"] == curves["adamw"]
    assert curves["sgd"] != curves["adamw"]


def test_the_store_is_where_a_bare_mlflow_ui_looks(chapter):
    link = chapter.folder / "mlflow.db"
    assert link.is_symlink()
    assert str(link.readlink()) == "mlruns/mlflow.db"
    assert (chapter.folder / "mlruns" / "mlflow.db").is_file()
    assert not list((chapter.folder / "mlruns" / ".state").glob("*/"))  # nothing staged is left


def test_every_claim_is_a_case_of_the_junit_file(chapter):
    root = ET.parse(chapter.folder / "claims.xml").getroot()
    assert [suite.get("name") for suite in root] == [
        "adamw",
        "sgd",
        "lr-1",
        "batch-size",
        "four-line-loop",
        "period-5",
        "adamw-lr",
        "sgd-lr",
    ]
    assert sum(int(suite.get("tests", 0)) for suite in root) == 28
    assert {suite.get("failures") for suite in root} == {"0"}

"""`harness export` and `harness.history`: what the store holds, tidy, as files and frames."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from sweep_files import write_sweep

import harness as package
from harness.errors import UsageError
from harness.inspection.tables import HISTORY_COLUMNS, RUN_COLUMNS
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import find_runs
from harness.tracking.store import open_store


def of_mlflow(run_id: str, metric: str) -> list[tuple[int, float]]:
    points = open_store(create=False).client.get_metric_history(run_id, metric)
    return sorted((point.step, point.value) for point in points)


def test_history_equals_mlflows_own(chapter):
    runs = {run.name: run.run_id for run in find_runs(open_store(create=False))}
    frame = package.history("adamw")
    assert tuple(frame.columns) == HISTORY_COLUMNS
    assert list(zip(frame.step, frame.value, strict=True)) == of_mlflow(runs["adamw"], "train/loss")
    assert set(frame.run_id) == {runs["adamw"]}
    several = package.history(["sgd", runs["adamw"][:8]], ["train/loss", "train/perplexity"])
    assert list(dict.fromkeys(several.name)) == ["sgd", "adamw"]
    assert set(several.sweep) == {"chapter-14"}
    for (name, metric), part in several.groupby(["name", "metric"]):
        assert list(zip(part.step, part.value, strict=True)) == of_mlflow(runs[name], metric)
    best = package.history("adamw-lr", "search/best_value")
    assert best.value.is_monotonic_decreasing
    assert package.history([]).empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adamv"], "no run is called 'adamv'"),
        (["adamw", "train/los"], "none of the runs has the metric 'train/los'; did you mean"),
        (["adamw", "search/best_value"], "none of the runs has the metric 'search/best_value'"),
    ],
)
def test_history_tells_what_it_cannot_give(chapter, arguments, message):
    with pytest.raises(UsageError, match=message):
        package.history(*arguments)


def test_a_run_without_a_value_of_a_known_metric_has_no_rows(mixed):
    assert package.history("bad").empty
    frame = package.history(["bad", "short"])
    assert set(frame.name) == {"short"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_export_writes_runs_and_histories(harness, chapter, tmp_path, ending):
    runs, history = tmp_path / f"runs.{ending}", tmp_path / f"history.{ending}"
    result = harness("export", "--runs", runs, "--history", history)
    assert (result.exit_code, result.stderr) == (0, "")
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    table, curves = read(runs), read(history)
    assert sorted(tmp_path.iterdir()) == sorted([runs, history])
    assert result.stdout == f"{runs}: 9 rows\n{history}: {len(curves):,} rows\n"
    listed = {run["name"]: run for run in json.loads(harness("ls", "--json").stdout)["runs"]}
    assert tuple(table.columns[: len(RUN_COLUMNS)]) == RUN_COLUMNS
    assert list(table.name) == list(listed)[::-1]
    for _, row in table.iterrows():
        told = listed[row["name"]]
        assert row.run_id == told["run_id"]
        assert row["train/loss"] == told["final_loss"]
        assert row["train.steps"] == int(told["settings"]["train.steps"])
        for column in ("n_trials", "best_value", "claims", "fingerprint"):
            assert (None if pd.isna(row[column]) else row[column]) == told[column]
    lrs = table.set_index("name")["optimizer.lr"]
    assert (lrs["adamw"], lrs["sgd"], pd.isna(lrs["adamw-lr"])) == (0.01, 0.1, True)
    assert tuple(curves.columns) == HISTORY_COLUMNS
    adamw = curves[(curves.name == "adamw") & (curves.metric == "train/loss")]
    expected = package.history("adamw")
    assert list(adamw.step) == list(expected.step)
    assert list(adamw.value) == list(expected.value)


def test_export_selects_as_ls_does(harness, mixed, tmp_path):
    path = tmp_path / "h.csv"
    flags = ["--metric", "train/loss", "--kind", "run", "--state", "finished"]
    assert harness("export", "many*", *flags, "--history", path).exit_code == 0
    curves = pd.read_csv(path)
    assert set(curves.name) == {f"many/seed={i}" for i in range(3)}
    assert set(curves.metric) == {"train/loss"}
    assert len(curves) == 18
    harness("export", "--all", "--runs", path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows].count("short") == 2
    (bad,) = [row for row in rows if row["name"] == "bad"]
    assert (bad["train/loss"], bad["status"]) == ("", "failed")
    assert "cuda:99" in bad["error"]


def test_text_that_a_spreadsheet_would_run_is_guarded_in_csv_alone(harness, project, tmp_path):
    experiments = {"a": {"data": {"text": "=1+1 @x -y z", "repeat": 8}}}
    run_sweep(load_sweep(write_sweep(Path("s.yaml"), experiments)))
    store = open_store()
    (run,) = find_runs(store)
    store.client.set_tag(run.run_id, "mlflow.runName", "@name\nnext")
    csv_file, parquet = tmp_path / "r.csv", tmp_path / "r.parquet"
    harness("export", "--runs", csv_file)
    harness("export", "--runs", parquet)
    with csv_file.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["data.text"]) == ("'@name\nnext", "'=1+1 @x -y z")
    assert csv_file.read_bytes().endswith(b"\r\n")
    frame = pd.read_parquet(parquet)
    assert list(frame.name) == ["@name\nnext"]
    assert frame["train.steps"].dtype == "Int64"
    assert frame["optimizer.betas"][0] == "[0.9, 0.999]"


@pytest.mark.parametrize(
    ("flags", "message", "exit_code"),
    [
        ([], "say what to write: --runs PATH, --history PATH or both", 2),
        (["--runs", "r.txt"], "r.txt: the name must end in .csv or .parquet", 2),
        (["--history", "no/h.csv"], "--history no/h.csv: there is no folder", 2),
        (["adamv", "--runs", "r.csv"], "did you mean 'adamw'?", 4),
        (["--history", "h.csv", "--metric", "train/los"], "did you mean train/loss?", 2),
        (["--runs", "r.csv", "--state", "done"], "no state is called 'done'", 2),
    ],
)
def test_export_tells_what_it_cannot_do(harness, chapter, flags, message, exit_code):
    before = sorted(chapter.folder.iterdir())
    result = harness("export", *flags)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert message in result.stderr
    assert sorted(chapter.folder.iterdir()) == before


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(harness, chapter, tmp_path):
    (tmp_path / "r.csv").mkdir()
    result = harness("export", "--runs", tmp_path / "r.csv")
    assert result.exit_code == 2
    assert "r.csv: cannot be written" in result.stderr
    assert sorted(tmp_path.iterdir()) == [tmp_path / "r.csv"]

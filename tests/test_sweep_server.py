"""A whole sweep through a real MLflow server on loopback, from the run to the text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from served import served_from
from sweep_files import write_sweep
from typer.testing import CliRunner

from harness.cli.main import app
from harness.tracking.read import checkpoints, find_runs
from harness.tracking.store import open_store


@pytest.fixture
def served(ready_made_store: Path, tmp_path: Path):
    """The address of a server with its own database, which keeps artifacts itself."""
    folder = tmp_path / "served"
    folder.mkdir()
    with served_from(folder, ready_made_store) as url:
        yield url


def harness(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def test_a_sweep_runs_through_a_server_like_in_a_file(
    served, tmp_path, no_store_named, monkeypatch
):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    claim = {"metric": "eval/next_token_accuracy", "equals": 1.0}
    learning = {"train": {"steps": 150}, "optimizer": {"lr": 0.05}, "expect": [claim]}
    write_sweep(Path("sweep.yaml"), {"a": learning, "seeds": {"seeds": 2}})
    store_flag = ("--tracking-uri", served)

    planned = json.loads(harness("plan", "sweep.yaml", "--json", *store_flag).stdout)
    assert {run["reason"] for run in planned["runs"]} == {"new"}
    first = json.loads(harness("run", "sweep.yaml", "--json", *store_flag).stdout)
    assert [run["status"] for run in first["runs"]] == ["finished"] * 3
    assert first["runs"][0]["expectations"][0]["holds"] is True
    second = json.loads(harness("run", "sweep.yaml", "--json", *store_flag).stdout)
    assert {run["reason"] for run in second["runs"]} == {"finished"}
    assert [r["run_id"] for r in second["runs"]] == [r["run_id"] for r in first["runs"]]

    store = open_store(served)
    assert sorted(record.kind for record in find_runs(store)) == ["group", "run", "run", "run"]
    assert checkpoints(store, first["runs"][0]["run_id"]) == ["step_000150"]
    assert not (folder / "mlflow.db").exists()
    assert not list((folder / "mlruns" / ".state").glob("*/"))

    rows = harness("eval", "a", *store_flag).stdout.splitlines()
    assert sum(row.endswith("  OK") for row in rows) == 4
    flags = ("--prompt", "a", "--max-new-tokens", "5", "--top-k", "1")
    assert harness("generate", "a", *flags, *store_flag).stdout == "a b c a b c\n"
    compared = json.loads(harness("compare", "sweep.yaml", "--json", *store_flag).stdout)
    assert [row["name"] for row in compared["rows"]] == ["a", "seeds"]

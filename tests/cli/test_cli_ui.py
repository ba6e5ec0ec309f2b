"""`harness ui`: MLflow's server on loopback, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import urllib.request

import psutil
import pytest
from sweep_files import read_until, started

from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.server import free_port
from harness.tracking.store import open_store


@pytest.mark.slow
def test_the_ui_serves_this_store_says_where_and_stops_with_ctrl_c(project):
    experiment = ensure_mlflow_experiment(open_store(), "sweep")
    with contextlib.closing(sqlite3.connect("mlruns/mlflow.db")) as connection:
        connection.execute("DELETE FROM sqlite_stat1")  # as in a store that MLflow made alone
        connection.commit()
    port = free_port(5055)
    with started("ui", "--port", port, "--no-open", cwd=project) as process:
        shown = read_until(process, "MLflow: ")
        url = f"http://127.0.0.1:{port}"
        assert f"sweep: {url}/#/experiments/{experiment}/runs?viewStateShareKey=harness" in shown
        assert re.search(rf"MLflow: {url} +\(Ctrl-C stops it\)", shown)
        with urllib.request.urlopen(url, timeout=10) as page:
            assert b"<title>MLflow</title>" in page.read()
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "had no statistics for SQLite's planner; they were added" in errors
    assert errors.splitlines()[-1] == "stopped"
    assert family
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_without_a_store_the_ui_says_what_to_do_first(harness, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = harness("ui", "--no-open")
    assert result.exit_code == 2
    assert "no store at mlruns/mlflow.db: run `harness run FILE` first" in result.stderr
    assert list(tmp_path.iterdir()) == []

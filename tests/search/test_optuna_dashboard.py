"""Optuna's dashboard on a study of ours, started as the documents say and asked over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from searches import run, search, study, write
from sweep_files import environment

from harness.tracking.server import free_port

DOCUMENT = Path(__file__).parents[2] / "docs" / "sweep-file.md"


def documented_command() -> list[str]:
    """The dashboard's command as the document has it, from this installation."""
    found = re.findall(r"`(optuna-dashboard [^`]+)`", DOCUMENT.read_text(encoding="utf-8"))
    (command,) = set(found)
    name, *arguments = shlex.split(command)
    return [str(Path(sysconfig.get_path("scripts")) / name), *arguments]


@contextlib.contextmanager
def dashboard(folder: Path) -> Iterator[str]:
    """The address of a dashboard that runs in `folder`; it and its workers are gone afterwards."""
    port = free_port(8080)
    process = subprocess.Popen(
        [*documented_command(), "--port", str(port)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def get(url: str, patience_s: float = 60) -> Any:
    """What the server answers, which may have to start first."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.timeout(180)
def test_the_dashboard_shows_the_trials_of_a_finished_search(project, no_plots):
    entry = search(space={"optimizer.lr": {"low": 1e-3, "high": 1e6, "log": True}})
    entry |= {"optimizer": {"name": "sgd"}, "enqueue": [{"optimizer.lr": 1e6}]}
    result = run(write(project / "s.yaml", s=entry))
    assert set(result.states) == {"finished", "pruned", "diverged"}
    trials = study(result).trials
    with dashboard(project) as url:
        (summary,) = get(f"{url}/api/studies")["study_summaries"]
        shown = get(f"{url}/api/studies/{summary['study_id']}")
    assert summary["study_name"] == shown["name"] == result.study
    assert shown["directions"] == ["minimize"]
    assert shown["objective_names"] == ["train/loss"]
    assert [as_shown(trial) for trial in shown["trials"]] == [as_stored(trial) for trial in trials]


def as_shown(trial: dict[str, Any]) -> tuple[object, ...]:
    return (
        trial["number"],
        trial["state"].upper(),
        {param["name"]: param["param_internal_value"] for param in trial["params"]},
        [float(value) for value in trial.get("values", [])],
        {report["step"]: float(report["value"]) for report in trial["intermediate_values"]},
        {attr["key"]: attr["value"] for attr in trial["user_attrs"]},
    )


def as_stored(trial: Any) -> tuple[object, ...]:
    return (
        trial.number,
        trial.state.name,
        trial.params,
        trial.values or [],
        trial.intermediate_values,
        trial.user_attrs,
    )

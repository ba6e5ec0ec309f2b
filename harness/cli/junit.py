"""What `--junit` writes of a call: its runs, its searches and the trials that failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.files import write_text
from harness.report.junit import Checked, junit_xml
from harness.spec.names import trial_name

if TYPE_CHECKING:
    from harness.results import RunResult, SweepResult
    from harness.search.result import SearchResult


def write_junit(path: Path, sweep_name: str, result: SweepResult) -> None:
    """Write the claims of a call as a JUnit file."""
    checked = [_run(run) for run in result.runs]
    checked += [one for search in result.searches for one in _search(search)]
    write_text(path, junit_xml(sweep_name, checked))


def _run(run: RunResult) -> Checked:
    error = run.message or run.status if run.status in ("failed", "killed") else ""
    return Checked(run.planned.name, run.planned.declared.experiment, run.claims, error)


def _search(search: SearchResult) -> Iterator[Checked]:
    """The search with its claims, then each trial that failed: one is enough for exit code 1."""
    yield Checked(search.name, search.name, search.claims)
    for trial in search.trials:
        if trial.state == "failed":
            error = trial.message or trial.state
            yield Checked(trial_name(search.name, trial.number), search.name, (), error)

"""What is disturbed: a sweep of two runs, a search, and the scripts that are their controls."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chaos_outcome
import sqlalchemy

from fault_cases.creating import DATABASE, open_by_mlflow, open_default
from fault_cases.processes import asked, harness, run, script

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
STEPS, EVERY, TRIALS = 60, 25, 6
# `mlflow.log_metric` takes some 20 ms a step, so the scripts are given less to do.
SCRIPT_STEPS, SEARCH_STEPS, SEARCH_TRIALS = 30, 10, 3
WAIT_S = 0.5  # for a locked database, by the product and by MLflow
MODEL = {"embed_dim": 4, "num_heads": 1, "num_layers": 1, "max_seq_len": 8, "dropout": 0.2}
DATA = {"text": "a b c", "repeat": 8, "tokenizer": "words"}
HEAD = {
    "version": 1,
    "name": "faults",
    "defaults": {
        "model": MODEL,
        "data": DATA,
        "optimizer": {"name": "adamw", "lr": 0.01},
        "train": {"steps": STEPS, "batch_size": 2, "seq_len": 4, "engine": "plain"},
        "checkpoint": {"every": EVERY},
    },
}
RUNS = {**HEAD, "experiments": {"p": {"matrix": {"optimizer.lr": [0.003, 0.01]}}}}
SEARCH = {
    **HEAD,
    "searches": {
        "q": {
            "metric": "train/loss",
            "direction": "minimize",
            "space": {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}},
            "sampler": {"name": "tpe", "seed": 0},
            "n_trials": TRIALS,
            "parallel": 3,
        }
    },
}


Work = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A command that is disturbed or killed, in a folder of its own, and called again."""

    name: str
    work: Work
    store: Path | None
    """An empty store to begin with; None where the command makes its own."""
    sweep: dict[str, Any] | None = None

    def prepare(self, folder: Path) -> None:
        """A fresh folder to run it in."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / DATABASE).parent.mkdir(parents=True)
        if self.store is not None:
            shutil.copyfile(self.store, folder / DATABASE)
        if self.sweep is not None:
            (folder / "sweep.yaml").write_text(json.dumps(self.sweep, indent=1))

    def undisturbed(self, folder: Path) -> chaos_outcome.Outcome:
        """What it leaves where nothing comes between."""
        self.prepare(folder)
        ended = run(self.work, folder)
        assert ended.code == 0, ended.output
        return chaos_outcome.read(folder)

    def wrong_after(self, folder: Path, wanted: chaos_outcome.Outcome) -> str | None:
        """Call it once more, to its end, and compare what it left."""
        ended = run(self.work, folder)
        if ended.code != 0 or not ended.is_clear:
            return f"the next call ended with {ended.code}: {ended.output[-300:]}"
        return difference(folder, wanted)


def subjects(
    home: Path, scripted: Callable[[Work], Work] = lambda work: work
) -> dict[str, Subject]:
    """By name; their stores are made in `home`, and scripts are changed by `scripted`."""
    ours, mlflows = home / "ours", home / "mlflows"
    open_default(ours)
    mlflows.mkdir()
    asked(lambda: open_by_mlflow(mlflows))
    call = harness("run", "sweep.yaml", "-j", "1")
    resumed = script(SCRIPTS / "resumed_script.py", "2", str(SCRIPT_STEPS))
    searched = script(SCRIPTS / "resumed_search.py", str(SEARCH_TRIALS), str(SEARCH_STEPS))
    both = script(SCRIPTS / "resumed_script.py", "2", str(SCRIPT_STEPS), "2")
    made = (
        Subject("runs", call, ours / DATABASE, RUNS),
        Subject("jobs", harness("run", "sweep.yaml", "-j", "2"), ours / DATABASE, RUNS),
        Subject("search", without_plots(call), ours / DATABASE, SEARCH),
        Subject("script", scripted(resumed), mlflows / DATABASE),
        Subject("parallel script", scripted(both), mlflows / DATABASE),
        Subject("search script", scripted(searched), mlflows / DATABASE),
    )
    return {subject.name: subject for subject in made}


def difference(folder: Path, wanted: chaos_outcome.Outcome) -> str | None:
    """What of a sweep is not as one that nothing disturbed left it."""
    try:
        found = chaos_outcome.read(folder)
    except sqlite3.Error as error:
        return f"the store cannot be read: {error}"
    fields = [field.name for field in dataclasses.fields(found)]
    for name in fields[1:]:
        if getattr(found, name) != getattr(wanted, name):
            return f"{name.replace('_', ' ')}: {str(getattr(found, name))[:200]}"
    if found.runs.keys() != wanted.runs.keys():
        return f"runs: {sorted(found.runs)}"
    parts = ("status", "state", "losses", "metrics", "checkpoint")
    for name, run_ in wanted.runs.items():
        for part, was, is_ in zip(parts, run_, found.runs[name], strict=True):
            if was != is_:
                return f"{part} of {name}"
    return None


def without_plots(work: Work) -> Work:
    """The command, but for the plots of its searches, which take seconds."""

    def quicker() -> None:
        from harness.search import plots

        plots.write_plots = lambda *_: []
        work()

    return quicker


def impatient(work: Work) -> Work:
    """A script that waits for a locked database no longer than the product does here, not 20 s."""

    def quicker() -> None:
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", _wait_less, retval=True)
        work()

    return quicker


def _wait_less(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    if statement.startswith("PRAGMA busy_timeout"):
        statement = f"PRAGMA busy_timeout = {round(WAIT_S * 1000)}"
    return statement, parameters

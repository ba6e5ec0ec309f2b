"""What a killed and repeated sweep left, read by SQL and by hashing files, not by the product.

Two outcomes are compared bit for bit: losses at every step, final metrics, states, the files of the
last checkpoints, and the trials of a study.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOSS = "train/loss"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is in a store: by run name what must be equal, and what must never be."""

    runs: Mapping[str, Any]
    """State, losses by step as hex, last metrics as hex, digest of the last checkpoint."""
    trials: Any
    doubled_steps: int
    doubled_runs: int
    left_running: int
    damaged_checkpoints: int


def read(folder: Path) -> Outcome:
    """The outcome of a sweep in `folder`; sqlite3.Error where its store cannot be read."""
    with contextlib.closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the store is damaged")
        rows = connection.execute(
            "SELECT r.run_uuid, r.name, r.status, r.artifact_uri, t.value FROM runs r "
            "LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'harness.state' "
            "ORDER BY r.start_time"
        ).fetchall()
        runs, doubled, damaged = {}, 0, 0
        for run_id, name, status, uri, state in rows:
            points = connection.execute(
                "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ?", (run_id, LOSS)
            ).fetchall()
            losses = {step: float(value).hex() for step, value in points}
            doubled += len(points) - len(losses)
            last = connection.execute(
                "SELECT key, value FROM latest_metrics WHERE run_uuid = ?", (run_id,)
            ).fetchall()
            digest, wrong = _checkpoints(Path(unquote(urlsplit(uri).path)) / "checkpoints")
            damaged += wrong
            metrics = {key: float(value).hex() for key, value in last}
            runs[name] = [status, state, dict(sorted(losses.items())), metrics, digest]
        running = sum(1 for row in rows if row[2] == "RUNNING")
    return Outcome(
        runs, _trials(folder), doubled, len(rows) - len(runs), running, damaged_checkpoints=damaged
    )


def missing_steps(found: Outcome, wanted: Outcome) -> int:
    """Steps that the undisturbed sweep has a loss for and the other has none."""
    return sum(
        len(run[2].keys() - found.runs.get(name, [None, None, {}])[2].keys())
        for name, run in wanted.runs.items()
    )


def _checkpoints(folder: Path) -> tuple[str, int]:
    """The digest of the last checkpoint, and how many are not what their manifest says."""
    names = sorted(path for path in folder.iterdir()) if folder.is_dir() else []
    damaged = sum(not _is_whole(path) for path in names)
    if not names:
        return "", damaged
    files = sorted(names[-1].iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest(), damaged


def _is_whole(checkpoint: Path) -> bool:
    try:
        manifest = json.loads((checkpoint / "checkpoint.json").read_bytes())
        return all(
            hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == entry["sha256"]
            for name, entry in manifest["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _trials(folder: Path) -> Any:
    """States, values, parameters and reports of all trials, by study and number."""
    path = folder / "mlruns" / "optuna.db"
    if not path.exists():
        return None
    queries = {
        "states": "SELECT number, state FROM trials",
        "values": "SELECT number, value, value_type FROM trial_values JOIN trials USING (trial_id)",
        "params": "SELECT number, param_name, param_value FROM trial_params "
        "JOIN trials USING (trial_id)",
        "reports": "SELECT number, step, intermediate_value FROM trial_intermediate_values "
        "JOIN trials USING (trial_id)",
    }
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = {name: sorted(connection.execute(query)) for name, query in queries.items()}
    assert max(Counter(number for number, _ in found["states"]).values(), default=0) <= 1
    return found

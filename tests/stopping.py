"""Observers that stop a sweep or remember what they heard, and every point that was written."""

from __future__ import annotations

import contextlib
import signal
import sqlite3

from harness.interrupts import Interrupted
from harness.observer import Observer


class Stop(Observer):
    """Stops the sweep, as a signal would, when a run has come to a step."""

    def __init__(self, name: str, step: int) -> None:
        self.name, self.step = name, step

    def on_losses(self, run, losses):
        if run.name == self.name and losses[-1][0] >= self.step:
            raise Interrupted(signal.SIGINT)


class Heard(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.resumed: dict[str, int] = {}
        self.trained: dict[str, list[int]] = {}

    def on_note(self, text):
        self.notes.append(text)

    def on_resume(self, run, step):
        self.resumed[run.name] = step

    def on_losses(self, run, losses):
        self.trained.setdefault(run.name, []).extend(step for step, _ in losses)


def points(run_id: str, metric: str = "train/loss") -> list[tuple[int, float]]:
    """Every point of a loss that the database holds, doubled ones too."""
    with contextlib.closing(sqlite3.connect("mlruns/mlflow.db")) as connection:
        query = "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ?"
        return sorted(connection.execute(query, (run_id, metric)))

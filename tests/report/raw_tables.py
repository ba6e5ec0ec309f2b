"""The tables of MLflow's database as frames, joined by hand, and what a report makes of them, by
pandas and scipy alone: nothing of the product is imported here."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

START = "train/loss"  # at step 1 it is the loss before training
CLOSE = 1e-9
UNTOLD = ("seed.", "checkpoint.", "train.log_every")


def known(expected: dict[str, float]) -> pytest.approx:
    """What a page shows of some numbers: NaN is left out."""
    told = {key: value for key, value in expected.items() if not math.isnan(value)}
    return pytest.approx(told, rel=CLOSE, abs=1e-15)


class RawTables:
    """The runs of a store that holds one sweep, with the histories of one metric."""

    def __init__(self, database: Path, metric: str) -> None:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)

        def read(query: str, *values: str) -> pd.DataFrame:
            return pd.read_sql_query(query, connection, params=values)

        def read_pairs(table: str) -> pd.DataFrame:
            pairs = read(f"select run_uuid, key, value from {table}")
            return pairs.pivot(index="run_uuid", columns="key", values="value")

        points = "select run_uuid, step, value, is_nan from metrics where key = ? order by step"
        tags, self.params = read_pairs("tags"), read_pairs("params")
        runs = read("select run_uuid, experiment_id, start_time, end_time from runs")
        runs = runs.set_index("run_uuid").join(tags).join(self.params)
        self.points, starts = read(points, metric), read(points, START)
        connection.close()
        assert not self.points["is_nan"].any()  # what is not finite is not recorded
        runs = runs[runs["harness.kind"] == "run"]
        runs["name"] = runs["mlflow.runName"]
        runs["row"] = runs["name"].str.replace(r",seed=\d+$", "", regex=True)
        runs["experiment"] = runs["harness.experiment"]
        runs["state"] = runs["harness.state"]
        runs["seed"] = runs["seed.model"] + "/" + runs["seed.data"]
        runs["finished"] = runs["state"] == "finished"
        last = self.points.groupby("run_uuid").last()
        runs["last"] = last["value"].reindex(runs.index)
        first = starts[starts["step"] == 1].set_index("run_uuid")
        runs["start"] = first["value"].reindex(runs.index)
        runs["seconds"] = (runs["end_time"] - runs["start_time"]) / 1000
        self.runs = runs.copy()
        self.rows = dict(iter(self.runs.groupby("row")))
        curves = self.points.set_index("step").groupby("run_uuid")["value"]
        self._curves = dict(iter(curves))

    def finals(self, row: str) -> pd.Series:
        """The last values of the runs that finished, by seed."""
        members = self.rows[row]
        return members[members["finished"]].set_index("seed")["last"].dropna()

    def diverged(self, row: str) -> int:
        return int((self.rows[row]["state"] == "diverged").sum())

    def curve(self, run_id: str) -> pd.Series:
        return self._curves.get(run_id, pd.Series(dtype=float))

    def band(self, row: str) -> pd.DataFrame:
        """The runs of a row side by side, at the steps that all of them have."""
        curves = {run_id: self.curve(run_id) for run_id in self.rows[row].index}
        return pd.concat(curves, axis=1).dropna().sort_index()

    def interval(self, row: str) -> tuple[float, float]:
        finals = self.finals(row)
        if len(finals) < 2:
            return np.nan, np.nan
        return stats.t.interval(0.95, len(finals) - 1, finals.mean(), stats.sem(finals))

    def tried(self, experiment: str) -> list[str]:
        """The rows of an experiment."""
        return list(self.runs[self.runs["experiment"] == experiment]["row"].unique())

    def rank(self, row: str) -> tuple[int, float]:
        return self.diverged(row), self.finals(row).mean()

    def best(self, experiment: str) -> str:
        return min((r for r in self.tried(experiment) if len(self.finals(r))), key=self.rank)

    def champions(self, experiments: tuple[str, ...]) -> list[str]:
        """The best row of each, best first."""
        return sorted((self.best(experiment) for experiment in experiments), key=self.rank)

    def target(self, experiments: tuple[str, ...]) -> float:
        """The loss with which the last of the champions ends."""
        return max(self.finals(row).mean() for row in self.champions(experiments))

    def reached(self, row: str, target: float) -> pd.DataFrame:
        """The first steps, and the seconds up to them, of the runs that come to a loss."""
        found = []
        for run_id, run in self.rows[row].iterrows():
            curve = self.curve(run_id)
            below = curve[curve <= target]
            if len(below):
                step = below.index[0]
                found.append((step, run["seconds"] * step / curve.index.max()))
        return pd.DataFrame(found, columns=["step", "seconds"])

    def capped(self, row: str) -> pd.DataFrame:
        """By seed: the first loss, and the lower of the last and the first; the first where the run
        diverged. Runs that have come to neither are left out."""
        members = self.rows[row].set_index("seed")
        ended = members["finished"] & members["last"].notna() | (members["state"] == "diverged")
        start = members[ended]["start"]
        finals = self.finals(row).reindex(start.index).fillna(np.inf)
        return pd.DataFrame({"loss": np.minimum(finals, start), "start": start})

    def over(self, setting: str) -> dict[str, dict[float, str]]:
        """By experiment, the rows at each value of a setting that it varies, ascending."""
        found = {}
        for experiment, members in self.runs.groupby("experiment"):
            values = zip(members[setting], members["row"], strict=True)
            rows = {float(value): row for value, row in values if len(self.capped(row))}
            if len(rows) > 1 and any(len(self.finals(row)) for row in rows.values()):
                found[experiment] = dict(sorted(rows.items()))
        return found

    def settings(self, run_ids: pd.Index) -> dict[str, str]:
        """What some runs have alike."""
        own = self.params.loc[run_ids]
        alike = [path for path in own if own[path].notna().all() and own[path].nunique() == 1]
        return own[alike].iloc[0].to_dict()

    def telling(self) -> set[str]:
        """The settings, but the seeds, of which two runs have different values."""
        own = self.params.loc[self.runs.index]
        return {path for path in own if own[path].nunique() > 1 and not path.startswith(UNTOLD)}

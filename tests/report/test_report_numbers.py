"""Every number of a report, computed again from MLflow's tables by pandas and scipy alone."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections import defaultdict
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy import stats

LOSS = "train/loss"
CLOSE = 1e-9


class Numbers(HTMLParser):
    """The `<data>` elements of a page: (section, row, key, value), and its JSON of the plots."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str, float]] = []
        self.cards: list[dict[str, str | None]] = []
        self.sentences: list[str] = []
        self.plots = ""
        self._section, self._row, self._inside = "", "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "section":
            self._section = given["id"]
        if "data-row" in given:
            self._row = given["data-row"]
        if tag == "article":
            self.cards.append(given)
            self._row = f"{given['data-a']} - {given['data-b']}"
        if tag == "data":
            self.found.append((self._section, self._row, given["data-key"], float(given["value"])))
        self._inside = given.get("class") or given.get("id") or ""

    def handle_endtag(self, tag):
        if tag == "span" and self.cards and self._section == "summary":
            self._row = f"{self.cards[-1]['data-a']} - {self.cards[-1]['data-b']}"

    def handle_data(self, data):
        if self._inside == "plots":
            self.plots += data
            self._inside = ""
        if self._inside == "sentence":
            self.sentences.append(data)
            self._inside = ""


class Raw:
    """The store's tables as frames, joined by hand."""

    def __init__(self, database) -> None:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)

        def read(query: str) -> pd.DataFrame:
            return pd.read_sql_query(query, connection)

        tags = read("select run_uuid, key, value from tags")
        tags = tags.pivot(index="run_uuid", columns="key", values="value")
        params = read("select run_uuid, key, value from params")
        params = params.pivot(index="run_uuid", columns="key", values="value")
        runs = read("select run_uuid, start_time, end_time from runs").set_index("run_uuid")
        self.points = read(
            f"select run_uuid, step, value from metrics where key = '{LOSS}' order by step"
        )
        connection.close()
        runs = runs.join(tags).join(params)
        runs = runs[runs["harness.kind"] == "run"]
        runs["name"] = runs["mlflow.runName"]
        runs["row"] = runs["name"].str.replace(r",seed=\d+$", "", regex=True)
        runs["seed"] = runs["seed.model"] + "/" + runs["seed.data"]
        runs["finished"] = runs["harness.state"] == "finished"
        last = self.points.sort_values("step").groupby("run_uuid").last()
        runs["last"] = last["value"].reindex(runs.index)
        runs["seconds"] = (runs["end_time"] - runs["start_time"]) / 1000
        self.runs = runs
        self.rows = dict(iter(runs.groupby("row")))

    def finals(self, row: str) -> pd.Series:
        members = self.rows[row]
        return members[members["finished"]].set_index("seed")["last"]

    def curve(self, run_id: str) -> pd.Series:
        return self.points[self.points["run_uuid"] == run_id].set_index("step")["value"]

    def best(self, experiment: str) -> str:
        names = self.runs[self.runs["harness.experiment"] == experiment]["row"].unique()
        return min((n for n in names if len(self.finals(n))), key=lambda n: self.finals(n).mean())


@pytest.fixture(scope="module")
def shown(reported) -> Numbers:
    return Numbers(reported.page)


@pytest.fixture(scope="module")
def raw(reported) -> Raw:
    return Raw(reported.folder / "mlruns" / "mlflow.db")


def numbers_of(shown: Numbers, section: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for where, row, key, value in shown.found:
        if where == section:
            found[row][key] = value
    return found


def assert_same(shown: dict[str, float], expected: dict[str, float]) -> None:
    """The same keys, what is NaN left out, and the same values."""
    expected = {key: value for key, value in expected.items() if not math.isnan(value)}
    assert shown == pytest.approx(expected, rel=CLOSE, abs=1e-15)


def test_no_number_stands_in_a_section_that_is_not_checked(shown):
    assert {section for section, *_ in shown.found} == {
        *("summary", "claims", "comparison", "lr-curves", "reaching-0", "runs")
    }


def test_the_numbers_of_the_table(shown, raw):
    found = numbers_of(shown, "comparison")
    assert set(found) == set(raw.rows)
    for row, members in raw.rows.items():
        finals = raw.finals(row)
        expected = {"n": len(members), "diverged": (~members["finished"]).sum()}
        if len(finals):
            low, high = stats.t.interval(0.95, len(finals) - 1, finals.mean(), stats.sem(finals))
            expected |= {"final": finals.mean(), "low": low, "high": high}
            expected |= {"median": finals.median(), "best": finals.min(), "worst": finals.max()}
            expected["perplexity"] = np.exp(finals.mean())
        assert_same(found[row], expected)


def test_the_numbers_of_the_verdicts(shown, raw):
    found = numbers_of(shown, "summary")
    champions = {raw.best(experiment) for experiment in ("adamw", "sgd", "sizes")}
    ranked = sorted(champions, key=lambda row: raw.finals(row).mean())
    pairs = [(card["data-a"], card["data-b"]) for card in shown.cards]
    assert pairs == [(ranked[0], other) for other in ranked[1:]]
    for (a, b), sentence in zip(pairs, shown.sentences, strict=True):
        both = pd.concat({"a": raw.finals(a), "b": raw.finals(b)}, axis=1).dropna()
        test = stats.ttest_rel(both["a"], both["b"])
        interval = test.confidence_interval(0.95)
        difference = both["a"] - both["b"]
        permutation = stats.permutation_test(
            (both["a"], both["b"]),
            lambda x, y: np.mean(x - y),
            permutation_type="samples",
        )
        gain = abs(difference.mean())
        assert difference.mean() < 0
        expected = {"mean": difference.mean(), "low": interval.low, "high": interval.high}
        expected |= {"gain": gain, "gain_low": -interval.high, "gain_high": -interval.low}
        expected |= {"p": test.pvalue, "p_permutation": permutation.pvalue}
        expected["effect"] = difference.mean() / difference.std()
        assert_same(found[f"{a} - {b}"], expected)
        for row in (a, b):
            assert found[row]["final"] == pytest.approx(raw.finals(row).mean(), rel=CLOSE)
        assert f"{a} ends better than {b} by {gain:.3g} of {LOSS}" in sentence
        assert f"{-interval.high:.3g} to {-interval.low:.3g}" in sentence
        assert f"{len(both)} seeds, paired" in sentence
        if interval.high < 0:
            assert f"p = {test.pvalue:.2g}" in sentence


def test_the_numbers_of_the_claims(shown, raw):
    found = numbers_of(shown, "claims")
    names = raw.runs.set_index("name").index
    for row in ("adamw/lr=0.01", "adamw/lr=0.1"):
        assert_same(found[row], {"observed": raw.rows[row]["last"].mean()})
        for run_id, run in raw.rows[row].iterrows():
            assert_same(found[run["name"]], {"observed": raw.curve(run_id)[1]})
    assert len(found) == 2 + sum(name.startswith("adamw") for name in names)


def test_the_numbers_of_the_runs(shown, raw):
    found = numbers_of(shown, "runs")
    assert len(found) == len(raw.runs)
    for _, run in raw.runs.iterrows():
        assert_same(found[run["name"]], {"last": run["last"], "seconds": run["seconds"]})


def test_the_numbers_of_the_steps_to_a_target(shown, raw):
    found = numbers_of(shown, "reaching-0")
    champions = [raw.best(experiment) for experiment in ("adamw", "sgd", "sizes")]
    target = max(raw.finals(row).mean() for row in champions)
    assert set(found) == set(champions)
    for row in champions:
        steps, seconds = [], []
        for run_id, run in raw.rows[row].iterrows():
            curve = raw.curve(run_id)
            below = curve[curve <= target]
            if len(below):
                steps.append(below.index[0])
                seconds.append(run["seconds"] * below.index[0] / curve.index.max())
        expected = {"target": target, "reached": len(steps), "n": len(raw.rows[row])}
        expected |= {"mean_step": np.mean(steps), "mean_seconds": np.mean(seconds)}
        assert_same(found[row], expected)


def capped(raw: Raw, row: str) -> tuple[pd.Series, pd.Series]:
    """By seed: the lower of the last loss and the first, the first where the run diverged."""
    members = raw.rows[row]
    starts = pd.Series({run["seed"]: raw.curve(i)[1] for i, run in members.iterrows()})
    finals = raw.finals(row).reindex(starts.index)
    return finals.fillna(np.inf).combine(starts, min), starts


@pytest.mark.parametrize("experiment", ["adamw", "sgd"])
def test_the_numbers_of_the_learning_rates(shown, raw, experiment):
    members = raw.runs[raw.runs["harness.experiment"] == experiment]
    lrs = {float(lr): row for lr, row in zip(members["optimizer.lr"], members["row"], strict=True)}
    lrs = dict(sorted(lrs.items()))
    losses = pd.DataFrame({lr: capped(raw, row)[0] for lr, row in lrs.items()})
    means = losses.mean()
    optimum = means.idxmin()
    drawn = np.random.default_rng(0).integers(0, 3, (2000, 3))
    order = [run["seed"] for _, run in raw.rows[next(iter(lrs.values()))].iterrows()]
    order.sort(key=lambda seed: int(seed.partition("/")[0]))
    resampled = losses.loc[order].to_numpy()[drawn].mean(axis=1)
    best = losses.columns.to_numpy()[resampled.argmin(axis=1)]
    over = [
        lr
        for lr, row in lrs.items()
        if lr > optimum and (capped(raw, row)[0] >= capped(raw, row)[1]).mean() >= 0.5
    ]
    gaps = np.diff(np.log(list(lrs)))
    even = gaps.max() <= 1.5 * gaps.min()
    middles = (means.to_numpy()[1:] + means.to_numpy()[:-1]) / 2
    average = means.mean() if even else np.average(middles, weights=gaps)
    low, high = np.quantile(best, [0.025, 0.975], method="closest_observation")
    expected = {"lrs": len(lrs), "from": min(lrs), "to": max(lrs), "optimum": optimum}
    expected |= {"optimum_low": low, "optimum_high": high, "cliff": min(over, default=math.nan)}
    expected |= {"best": means.min(), "sensitivity": average - means.min()}
    assert_same(numbers_of(shown, "lr-curves")[experiment], expected)


def plot(shown: Numbers, name: str) -> list[dict]:
    return json.loads(shown.plots)[name]["data"]


@pytest.mark.parametrize("name", ["curves", "best-curves"])
def test_the_points_of_the_curves(shown, raw, name):
    traces = plot(shown, name)
    bands = defaultdict(list)
    for trace in traces:
        bands[trace["name"]].append(trace)
    champions = {raw.best(experiment) for experiment in ("adamw", "sgd", "sizes")}
    assert set(bands) == (set(raw.rows) if name == "curves" else champions)
    for row, (low, high, mean) in bands.items():
        curves = pd.concat({i: raw.curve(i) for i in raw.rows[row].index}, axis=1).dropna()
        for trace, expected in (
            (low, curves.T.min()),
            (high, curves.T.max()),
            (mean, curves.T.mean()),
        ):
            assert trace["x"] == list(curves.index)
            assert trace["y"] == pytest.approx(list(expected), rel=1e-6)


def test_the_points_of_the_plots_over_a_setting(shown, raw):
    found = {trace["name"]: trace for trace in plot(shown, "lr-curves")}
    assert found["sgd: diverged"]["x"] == [1e6]
    starts = capped(raw, "sgd/lr=1000000.0")[1]
    assert found["sgd: diverged"]["y"] == pytest.approx([starts.mean()], rel=1e-6)
    (sizes,) = plot(shown, "batch-curves")
    drawn = [y for trace in found.values() for y in trace["y"]]
    floors = {"adamw": min(drawn) / 10, "sgd": min(drawn) / 10, "sizes": min(sizes["y"]) / 10}
    for trace in (found["adamw"], found["sgd"], sizes):
        for i, row in enumerate(trace["text"]):
            finals = raw.finals(row)
            half = stats.t.ppf(0.975, len(finals) - 1) * stats.sem(finals)
            assert trace["y"][i] == pytest.approx(finals.mean(), rel=1e-6)
            assert trace["error_y"]["array"][i] == pytest.approx(half, rel=1e-6)
            down = min(half, finals.mean() - floors[trace["name"]])  # the axis is logarithmic
            assert trace["error_y"]["arrayminus"][i] == pytest.approx(down, rel=1e-6)
    assert sizes["x"] == [1, 4]


def test_the_points_of_the_steps_to_a_target(shown, raw):
    champions = [raw.best(experiment) for experiment in ("adamw", "sgd", "sizes")]
    target = max(raw.finals(row).mean() for row in champions)
    for trace in plot(shown, "reaching-0"):
        curves = [raw.curve(run_id) for run_id in raw.rows[trace["name"]].index]
        firsts = [c[c <= target].index[0] for c in curves if (c <= target).any()]
        assert sorted(trace["x"]) == sorted(firsts)


def test_the_counts_of_the_first_screen(reported, raw):
    states = raw.runs["harness.state"].value_counts()
    summary = re.sub(r"<[^>]+>", "", reported.page.split('class="facts"')[1].split("</section>")[0])
    assert f"{len(raw.runs)} runs: " in summary
    assert all(f"{count} {state}" in summary for state, count in states.items())
    assert "6 of 8 claims hold, 2 fail" in summary

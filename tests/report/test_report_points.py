"""Every point of a report's plots, and every figure of their captions, from MLflow's tables."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from raw_tables import CLOSE


def drawn(values) -> pytest.approx:
    """Values as they are drawn: with seven digits."""
    return pytest.approx([float(f"{value:.7g}") for value in values], rel=CLOSE)


def test_no_plot_is_there_that_is_not_checked(checked, shown, raw):
    plots = {"best-curves", "curves", "lr-curves"}
    plots |= {f"reaching-{i}" for i in range(len(checked.contests))}
    plots |= {"batch-curves"} if raw.over("train.batch_size") else set()
    assert set(shown.plots) == plots


def caption(shown, section: str) -> str:
    (found,) = [p.text for p in shown.pieces if (p.section, p.tag) == (section, "figcaption")]
    return found


@pytest.mark.parametrize("name", ["curves", "best-curves"])
def test_the_points_of_the_curves(checked, shown, raw, name):
    bands = defaultdict(list)
    for trace in shown.traces(name):
        bands[trace["name"]].append(trace)
    champions = {row for each in checked.contests for row in raw.champions(each)}
    expected = {row: raw.band(row) for row in (raw.rows if name == "curves" else champions)}
    expected = {row: band for row, band in expected.items() if len(band)}
    assert set(bands) == set(expected)
    for row, (low, high, mean) in bands.items():
        curves = expected[row]
        for trace, values in (
            (low, curves.T.min()),
            (high, curves.T.max()),
            (mean, curves.T.mean()),
        ):
            assert trace["x"] == list(curves.index)
            assert trace["y"] == drawn(values)
    assert_drawn_range(shown, name, expected)


def assert_drawn_range(shown, name: str, bands) -> None:
    """Up to ten times the highest first loss, of which the caption tells where something is cut."""
    lowest = min(band.to_numpy().min() for band in bands.values())
    highest = max(band.to_numpy().max() for band in bands.values())
    top = 10 * max(band.iloc[0].max() for band in bands.values())
    words, yaxis = caption(shown, "best" if name == "best-curves" else name), None
    if highest > top:
        yaxis = pytest.approx([math.log10(lowest / 1.5), math.log10(top)], rel=CLOSE)
        words, _, cut = words.partition(" What rises above ")
        assert cut == f"{top:.3g} is cut off; a double click shows it."
    assert shown.plots[name]["layout"]["yaxis"].get("range") == yaxis
    assert not any(letter.isdigit() for letter in words)


def drawn_down_to(raw, rows, starts=()) -> float:
    """A tenth of the lowest value: the axis is logarithmic."""
    return min([*(raw.finals(row).mean() for row in rows), *starts]) / 10


def assert_points(raw, trace, rows: dict[float, str], floor: float) -> bool:
    """Where a finished run is; whether an interval is cut off."""
    ended = {value: row for value, row in rows.items() if len(raw.finals(row))}
    assert trace["x"] == list(ended)
    assert trace["text"] == list(ended.values())
    means = np.array([raw.finals(row).mean() for row in ended.values()])
    lows, highs = np.array([raw.interval(row) for row in ended.values()]).T
    assert trace["y"] == drawn(means)
    up, down = np.nan_to_num(highs - means), np.nan_to_num(means - np.maximum(lows, floor))
    assert trace["error_y"]["array"] == drawn(up)
    assert trace["error_y"]["arrayminus"] == drawn(down)
    return bool((lows < floor).any())


def assert_cut(words: str, floor: float, is_cut: bool) -> None:
    cut = f" Intervals that reach below {floor:.3g} are cut off there." if is_cut else ""
    _, _, rest = words.partition("95 % interval")
    assert rest.endswith(cut)
    assert not any(letter.isdigit() for letter in rest.removesuffix(cut))


def test_the_points_over_the_learning_rate(shown, raw):
    varied, traces = raw.over("optimizer.lr"), {t["name"]: t for t in shown.traces("lr-curves")}
    lost = {
        experiment: {lr: row for lr, row in rows.items() if raw.diverged(row)}
        for experiment, rows in varied.items()
    }
    crosses = {experiment: rows for experiment, rows in lost.items() if rows}
    assert set(traces) == set(varied) | {f"{experiment}: diverged" for experiment in crosses}
    starts = {
        row: raw.capped(row)["start"].mean() for each in crosses.values() for row in each.values()
    }
    ended = [row for rows in varied.values() for row in rows.values() if len(raw.finals(row))]
    floor = drawn_down_to(raw, ended, starts.values())
    cut = [assert_points(raw, traces[name], rows, floor) for name, rows in varied.items()]
    assert_cut(caption(shown, "lr-curves"), floor, any(cut))
    for experiment, rows in crosses.items():
        trace = traces[f"{experiment}: diverged"]
        assert trace["x"] == list(rows)
        assert trace["y"] == drawn(starts[row] for row in rows.values())
        counts = [(raw.diverged(row), len(raw.rows[row])) for row in rows.values()]
        assert trace["text"] == [f"{lost} of {n} diverged" for lost, n in counts]


def test_the_points_over_the_batch_size(shown, raw):
    varied = raw.over("train.batch_size")
    traces = {t["name"]: t for t in shown.traces("batch-curves")} if varied else {}
    assert set(traces) == set(varied)
    floor = drawn_down_to(
        raw, [row for rows in varied.values() for row in rows.values()], [math.inf]
    )
    cut = [assert_points(raw, traces[name], rows, floor) for name, rows in varied.items()]
    if varied:
        assert_cut(caption(shown, "batch-curves"), floor, any(cut))


def test_the_points_of_the_steps_to_a_target(checked, shown, raw):
    for i, experiments in enumerate(checked.contests):
        traces, target = shown.traces(f"reaching-{i}"), raw.target(experiments)
        assert [trace["name"] for trace in traces] == raw.champions(experiments)
        for trace in traces:
            assert sorted(trace["x"]) == sorted(raw.reached(trace["name"], target)["step"])
            assert trace["y"] == [trace["name"]] * len(trace["x"])
        n = len(traces)
        assert shown.plots[f"reaching-{i}"]["layout"]["yaxis"]["range"] == [n - 0.5, -0.5]
        assert f"comes to {target:.4g}, which is" in caption(shown, f"reaching-{i}")


def test_the_small_sweep_diverges_at_one_learning_rate_and_varies_the_batch_size(small_report):
    """So that what is drawn of these is drawn in every run of the tests."""
    traces = {trace["name"]: trace for trace in small_report.page.traces("lr-curves")}
    assert set(traces) == {"adamw", "sgd", "sgd: diverged"}
    assert traces["sgd: diverged"]["x"] == [1e6]
    (sizes,) = small_report.page.traces("batch-curves")
    assert sizes["x"] == [1, 4]

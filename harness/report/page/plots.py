"""The plots of the page, as Plotly's traces and layouts in plain data.

An experiment has one colour in all of them: Okabe and Ito's eight, in the order of the file; from
the ninth on they come again, dashed. What is drawn has seven digits, and curves of many steps are
thinned, which the page says; the tables have all digits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.bands import CurveBand
from harness.report.contests import Contest
from harness.report.page.content import Report
from harness.report.page.markup import plotly_text
from harness.report.page.thinning import thinned_steps
from harness.report.plots import COLOURS, MAX_LEGEND
from harness.report.statistics import Interval

MAX_POINTS = 30_000
"""Over all curves of a plot; more make it slow and the page large."""
POINTS = (40, 500)
"""Of one curve: the fewest and the most."""
FEW_BANDS = 4
"""More lie over each other, and are drawn fainter."""
RISE = 10
"""Times the highest first loss that a curve is drawn to: one that diverges goes to 1e30."""
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot: its id, what it shows in a sentence, traces and layout."""

    name: str
    heading: str
    reading: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 420


@dataclasses.dataclass(frozen=True)
class Styles:
    """The colour and the dash of each experiment."""

    experiments: Sequence[str]

    def line(self, experiment: str, variant: int = 0) -> dict[str, Any]:
        """A line's style; ``variant`` tells lines of one experiment apart."""
        i = self.experiments.index(experiment) if experiment in self.experiments else 0
        dash = DASHES[(i // len(COLOURS) + variant) % len(DASHES)]
        return {"color": COLOURS[i % len(COLOURS)], "dash": dash, "width": 2}

    def colour(self, experiment: str) -> str:
        """The colour alone."""
        return str(self.line(experiment)["color"])


def plots(report: Report) -> list[Plot]:
    """Those for which there is something to draw."""
    styles = Styles(report.experiments)
    found = [
        _best_curves(report, styles),
        _all_curves(report, styles),
        _lr_plot(report, styles),
        _batch_plot(report, styles),
        *(_reaching_plot(c, styles, i) for i, c in enumerate(report.contests)),
    ]
    return [plot for plot in found if plot is not None and plot.traces]


def _best_curves(report: Report, styles: Styles) -> Plot | None:
    """Of the first screen: the rows that the verdicts are about."""
    reading = "The best setting of each experiment: the mean over its seeds, between the lowest "
    reading += "and the highest."
    return _curves("best-curves", "The best of each", reading, report.best_bands(), report, styles)


def _all_curves(report: Report, styles: Styles) -> Plot | None:
    reading = (
        "Every row of the table: the mean over its seeds, between the lowest and the highest. "
        "One colour an experiment; a click on a name hides its curve."
    )
    return _curves("curves", "Loss curves", reading, report.bands, report, styles)


def _curves(
    name: str,
    heading: str,
    reading: str,
    bands: Sequence[CurveBand],
    report: Report,
    styles: Styles,
) -> Plot | None:
    """None for a metric that has one value a run: there is no curve."""
    if all(len(band.mean) == 1 for band in bands):
        return None
    limit = min(max(MAX_POINTS // max(len(bands), 1), POINTS[0]), POINTS[1])
    traces: list[dict[str, Any]] = []
    variants: dict[str, int] = {}
    is_thinned, few = False, len(bands) <= FEW_BANDS
    for band in bands:
        experiment = report.experiment_of.get(band.name, "")
        variant = variants[experiment] = variants.get(experiment, -1) + 1
        steps = thinned_steps(band.mean, limit)
        is_thinned |= len(steps) < len(band.mean)
        traces += _band(band, steps, styles.line(experiment, variant), 0.18 if few else 0.07)
    if len(bands) > MAX_LEGEND:
        reading += f" {len(bands)} curves are too many for a legend: point at one to see its name."
    if is_thinned:
        reading += f" At most {limit} steps of each are drawn, the extremes among them."
    lows = [v for band in bands for v in band.low.values()]
    highs = [v for band in bands for v in band.high.values()]
    top = RISE * max((next(iter(band.high.values())) for band in bands), default=1)
    yaxis: dict[str, Any] = {"title": {"text": plotly_text(report.metric)}}
    if lows and min(lows) > 0:
        yaxis |= _log_axis([*lows, *(min(high, top) for high in highs)])
        if max(highs) > top:
            yaxis["range"] = [math.log10(min(lows) / 1.5), math.log10(top)]
            reading += f" What rises above {top:.3g} is cut off; a double click shows it."
    last = max((max(band.mean) for band in bands), default=1)
    layout = {
        "xaxis": {"title": {"text": "step"}, **_log_axis([1, last])},
        "yaxis": yaxis,
        "showlegend": 0 < len(bands) <= MAX_LEGEND,
    }
    return Plot(name, heading, reading, traces, layout)


def _band(
    band: CurveBand, steps: Sequence[int], line: Mapping[str, Any], opacity: float
) -> list[dict[str, Any]]:
    """The line, and behind it what lies between the lowest and the highest run."""
    name = plotly_text(band.name)
    common = {"legendgroup": name, "x": list(steps), "type": "scatter"}
    mode = "markers" if len(steps) == 1 else "lines"
    mean = {
        **common,
        "y": [_digits(band.mean[step]) for step in steps],
        "name": name,
        "mode": mode,
        "line": dict(line),
        "marker": {"color": line["color"]},
    }
    if band.low == band.high:
        return [mean]
    edge: dict[str, Any] = {**common, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    edge |= {"showlegend": False, "name": name}
    low = {**edge, "y": [_digits(band.low[step]) for step in steps]}
    high = {**edge, "y": [_digits(band.high[step]) for step in steps]}
    return [low, high | {"fill": "tonexty", "fillcolor": _faint(line["color"], opacity)}, mean]


def _lr_plot(report: Report, styles: Styles) -> Plot | None:
    traces: list[dict[str, Any]] = []
    values, lrs = [], []
    for variant, curve in enumerate(report.lr_curves):
        label = _label(curve.name, curve.settings)
        line = styles.line(curve.name, _variant(report.lr_curves, variant))
        drawn = [(p.lr, p.final, p.name) for p in curve.points if p.final]
        traces.append(_with_intervals(label, drawn, line))
        lost = [point for point in curve.points if point.num_diverged]
        if lost:
            traces.append(
                {
                    "type": "scatter",
                    "name": f"{label}: diverged",
                    "mode": "markers",
                    "x": [point.lr for point in lost],
                    "y": [_digits(point.initial) for point in lost],
                    "text": [f"{p.num_diverged} of {len(p.losses)} diverged" for p in lost],
                    "marker": {"symbol": "x", "size": 10, "color": line["color"]},
                }
            )
        lrs += [point.lr for point in curve.points]
        values += [p.final.mean for p in curve.points if p.final] + [p.initial for p in lost]
    reading = (
        "The mean at the last step over the learning rate, with its 95 % interval over the seeds. "
        "A cross stands at the loss before training, where runs diverged."
    )
    layout = _over("learning rate", report, lrs, values)
    return Plot("lr-curves", "Learning rate against loss", reading, traces, layout)


def _batch_plot(report: Report, styles: Styles) -> Plot | None:
    traces, values, sizes = [], [], []
    for i, curve in enumerate(report.batch_curves):
        label = _label(curve.experiment, curve.settings)
        drawn = [(p.value, p.final, p.name) for p in curve.points if p.final]
        line = styles.line(curve.experiment, i)
        traces.append(_with_intervals(label, drawn, line))
        sizes += [value for value, _, _ in drawn]
        values += [final.mean for _, final, _ in drawn]
    reading = "The mean at the last step over the batch size, with its 95 % interval."
    layout = _over("batch size", report, sizes, values)
    return Plot("batch-curves", "Batch size against loss", reading, traces, layout)


def _variant(curves: Sequence[Any], i: int) -> int:
    """How many curves of the same experiment stand before."""
    return sum(1 for curve in curves[:i] if curve.name == curves[i].name)


def _reaching_plot(contest: Contest, styles: Styles, number: int) -> Plot | None:
    if math.isnan(contest.target):
        return None
    traces = []
    for contender in contest.contenders:
        steps = [step for step in contender.first_steps if step is not None]
        colour = styles.colour(contender.row.experiment)
        label = plotly_text(contender.row.name)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": steps,
                "y": [label] * len(steps),
                "marker": {"color": colour, "size": 12, "opacity": 0.75},
            }
        )
    data = "" if number == 0 else f", contest {number + 1}"
    reading = (
        f"Each point is a run at the step where its loss first comes to {contest.target:.4g}, "
        "which is what the last of them ends with; a run that never does has none."
    )
    last = len(contest.contenders)
    layout = {
        "xaxis": {"title": {"text": "step"}, "rangemode": "tozero"},
        "yaxis": {"type": "category", "automargin": True, "range": [last - 0.5, -0.5]},
        "showlegend": False,
    }
    height = 140 + 45 * len(contest.contenders)
    return Plot(f"reaching-{number}", f"Steps to a target{data}", reading, traces, layout, height)


def _with_intervals(
    label: str, drawn: Sequence[tuple[float, Interval | None, str]], line: Mapping[str, Any]
) -> dict[str, Any]:
    points = [(x, final, name) for x, final, name in drawn if final is not None]
    up = [_digits(f.high - f.mean) if f.n > 1 else 0 for _, f, _ in points]
    down = [_digits(f.mean - f.low) if f.n > 1 else 0 for _, f, _ in points]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label,
        "x": [x for x, _, _ in points],
        "y": [_digits(final.mean) for _, final, _ in points],
        "text": [plotly_text(name) for _, _, name in points],
        "error_y": {"type": "data", "array": up, "arrayminus": down, "thickness": 1.5},
        "line": dict(line),
        "marker": {"color": line["color"], "size": 8},
    }


def _over(
    setting: str, report: Report, xs: Sequence[float], values: Sequence[float]
) -> dict[str, Any]:
    yaxis: dict[str, Any] = {"title": {"text": plotly_text(report.metric)}}
    if values and min(values) > 0:
        yaxis |= _log_axis(values)
    return {"xaxis": {"title": {"text": setting}, **_log_axis(xs)}, "yaxis": yaxis}


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    """Numbers as they are along a logarithmic axis, where Plotly has 5, 2, 100, 5, 2."""
    span = max(values) / min(values) if values else 1
    tick = {"dtick": 1 if span > 200 else "D2"} if span > 10 else {}
    return {"type": "log", "tickformat": ".3~g", **tick}


def _label(name: str, settings: Mapping[str, str]) -> str:
    shown = ", ".join(
        f"{path.rpartition('.')[2]}={value}"
        for path, value in settings.items()
        if path.rpartition(".")[2] not in ("name", "weight_decay")
    )
    return plotly_text(f"{name} ({shown})" if shown else name)


def _faint(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _digits(value: float) -> float:
    return float(f"{value:.7g}")

"""The plots of the page, as Plotly's traces and layouts in plain data.

What is drawn has seven digits, and curves of many steps are thinned, which the page says; the
tables have all digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.report.bands import CurveBand
from harness.report.contests import Contest
from harness.report.page.content import Report
from harness.report.page.markup import plotly_text
from harness.report.page.plot import Plot, digits, drawn_line, log_axis
from harness.report.page.setting_plots import batch_plot, lr_plot
from harness.report.page.styles import Styles
from harness.report.page.thinning import thinned_steps
from harness.report.plots import MAX_LEGEND, Line

MAX_POINTS = 30_000
"""Over all curves of a plot; more make it slow and the page large."""
POINTS = (40, 500)
"""Of one curve: the fewest and the most."""
FEW_BANDS = 4
"""More lie over each other, and are drawn fainter."""
RISE = 10
"""Times the highest first loss that a curve is drawn to: one that diverges goes to 1e30."""


def plots(report: Report) -> list[Plot]:
    """Those for which there is something to draw."""
    styles = Styles(report.experiments, report.experiment_of)
    found = [
        _best_curves(report, styles),
        _all_curves(report, styles),
        lr_plot(report, styles),
        batch_plot(report, styles),
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
        "A click on a name hides its curve."
    )
    if len(report.experiments) > 1:
        reading += " One colour an experiment."
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
    if all(len(band.mean) == 1 for band in bands):  # or none at all
        return None
    limit = min(max(MAX_POINTS // len(bands), POINTS[0]), POINTS[1])
    traces: list[dict[str, Any]] = []
    lines = styles.rows([band.name for band in bands])
    is_thinned, few = False, len(bands) <= FEW_BANDS
    for band, line in zip(bands, lines, strict=True):
        steps = thinned_steps(band.mean, limit)
        is_thinned |= len(steps) < len(band.mean)
        traces += _band(band, steps, line, 0.18 if few else 0.07)
    if len(bands) > MAX_LEGEND:
        reading += f" {len(bands)} curves are too many for a legend: point at one to see its name."
    if is_thinned:
        reading += f" At most {limit} steps of each are drawn, the extremes among them."
    lows = [v for band in bands for v in band.low.values()]
    highs = [v for band in bands for v in band.high.values()]
    top = RISE * max(next(iter(band.high.values())) for band in bands)
    yaxis: dict[str, Any] = {"title": {"text": plotly_text(report.metric)}}
    if min(lows) > 0:
        yaxis |= log_axis([*lows, *(min(high, top) for high in highs)])
        if max(highs) > top:
            yaxis["range"] = [math.log10(min(lows) / 1.5), math.log10(top)]
            reading += f" What rises above {top:.3g} is cut off; a double click shows it."
    last = max(max(band.mean) for band in bands)
    layout = {
        "xaxis": {"title": {"text": "step"}, **log_axis([1, last])},
        "yaxis": yaxis,
        "showlegend": len(bands) <= MAX_LEGEND,
    }
    return Plot(name, heading, reading, traces, layout)


def _band(
    band: CurveBand, steps: Sequence[int], line: Line, opacity: float
) -> list[dict[str, Any]]:
    """The line, and behind it what lies between the lowest and the highest run."""
    name = plotly_text(band.name)
    common = {"legendgroup": name, "x": list(steps), "type": "scatter"}
    mode = "markers" if len(steps) == 1 else "lines"
    mean = {
        **common,
        "y": [digits(band.mean[step]) for step in steps],
        "name": name,
        "mode": mode,
        "line": drawn_line(line),
        "marker": {"color": line.colour},
    }
    if band.low == band.high:
        return [mean]
    edge: dict[str, Any] = {**common, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    edge |= {"showlegend": False, "name": name}
    low = {**edge, "y": [digits(band.low[step]) for step in steps]}
    high = {**edge, "y": [digits(band.high[step]) for step in steps]}
    return [low, high | {"fill": "tonexty", "fillcolor": _faint(line.colour, opacity)}, mean]


def _reaching_plot(contest: Contest, styles: Styles, number: int) -> Plot | None:
    if math.isnan(contest.target):
        return None
    traces = []
    lines = styles.rows([contender.row.name for contender in contest.contenders])
    for contender, line in zip(contest.contenders, lines, strict=True):
        steps = [step for step in contender.reached.first_steps if step is not None]
        label = plotly_text(contender.row.name)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": steps,
                "y": [label] * len(steps),
                "marker": {"color": line.colour, "size": 12, "opacity": 0.75},
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


def _faint(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"

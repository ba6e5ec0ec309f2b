"""The final value over one setting: the learning rate, and the batch size.

On a logarithmic axis an interval that reaches to 0 or below has no lower end, and one that nearly
does would press all else together: it is drawn down to a tenth of the lowest value of the plot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.report.page.content import Report
from harness.report.page.markup import plotly_text
from harness.report.page.plot import Plot, digits, drawn_line, log_axis
from harness.report.page.styles import Styles
from harness.report.plots import Line
from harness.report.sensitivity import LrCurve
from harness.report.statistics import Interval

BELOW = 10
"""Times below the lowest value of the plot that an interval is drawn to at most."""

_Point = tuple[float, Interval, str]  # the setting, the final value, the row


def lr_plot(report: Report, styles: Styles) -> Plot:
    """Over the learning rate, with a cross where runs diverged."""
    curves = report.lr_curves
    points = [[(p.lr, p.final, p.name) for p in curve.points if p.final] for curve in curves]
    starts = [p.initial for curve in curves for p in curve.points if p.num_diverged]
    floor = _floor([final.mean for each in points for _, final, _ in each] + starts)
    lines = styles.curves([curve.experiment for curve in curves])
    traces = []
    for curve, drawn, line in zip(curves, points, lines, strict=True):
        traces.append(_with_intervals(curve.label, drawn, line, floor))
        traces += _crosses(curve, line)
    reading = (
        "The mean at the last step over the learning rate, with its 95 % interval over the seeds. "
        f"A cross stands at the loss before training, where runs diverged.{_cut(points, floor)}"
    )
    lrs = [point.lr for curve in curves for point in curve.points]
    layout = _over("learning rate", report.metric, lrs, points, starts)
    return Plot("lr-curves", "Learning rate against loss", reading, traces, layout)


def batch_plot(report: Report, styles: Styles) -> Plot:
    """Over the batch size."""
    curves = report.batch_curves
    points = [[(p.value, p.final, p.name) for p in curve.points if p.final] for curve in curves]
    floor = _floor([final.mean for each in points for _, final, _ in each])
    lines = styles.curves([curve.experiment for curve in curves])
    traces = [
        _with_intervals(curve.label, drawn, line, floor)
        for curve, drawn, line in zip(curves, points, lines, strict=True)
    ]
    reading = "The mean at the last step over the batch size, with its 95 % interval."
    sizes = [size for each in points for size, _, _ in each]
    layout = _over("batch size", report.metric, sizes, points)
    reading += _cut(points, floor)
    return Plot("batch-curves", "Batch size against loss", reading, traces, layout)


def _floor(values: Sequence[float]) -> float:
    """Where intervals end that reach further down; minus infinity on a linear axis."""
    return min(values) / BELOW if values and min(values) > 0 else -math.inf


def _cut(points: Sequence[Sequence[_Point]], floor: float) -> str:
    """What to say of intervals that are not drawn whole."""
    if any(final.low < floor for each in points for _, final, _ in each):
        return f" Intervals that reach below {floor:.3g} are cut off there."
    return ""


def _with_intervals(
    label: str, points: Sequence[_Point], line: Line, floor: float
) -> dict[str, Any]:
    finals = [final for _, final, _ in points]
    up = [digits(f.high - f.mean) if f.n > 1 else 0 for f in finals]
    down = [digits(f.mean - max(f.low, floor)) if f.n > 1 else 0 for f in finals]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": plotly_text(label),
        "x": [x for x, _, _ in points],
        "y": [digits(final.mean) for final in finals],
        "text": [plotly_text(name) for _, _, name in points],
        "error_y": {"type": "data", "array": up, "arrayminus": down, "thickness": 1.5},
        "line": drawn_line(line),
        "marker": {"color": line.colour, "size": 8},
    }


def _crosses(curve: LrCurve, line: Line) -> list[dict[str, Any]]:
    lost = [point for point in curve.points if point.num_diverged]
    if not lost:
        return []
    return [
        {
            "type": "scatter",
            "name": f"{plotly_text(curve.label)}: diverged",
            "mode": "markers",
            "x": [point.lr for point in lost],
            "y": [digits(point.initial) for point in lost],
            "text": [f"{p.num_diverged} of {len(p.losses)} diverged" for p in lost],
            "marker": {"symbol": "x", "size": 10, "color": line.colour},
        }
    ]


def _over(
    setting: str,
    metric: str,
    xs: Sequence[float],
    points: Sequence[Sequence[_Point]],
    starts: Sequence[float] = (),
) -> dict[str, Any]:
    values = [*(final.mean for each in points for _, final, _ in each), *starts]
    yaxis: dict[str, Any] = {"title": {"text": plotly_text(metric)}}
    if values and min(values) > 0:
        yaxis |= log_axis(values)
    return {"xaxis": {"title": {"text": setting}, **log_axis(xs)}, "yaxis": yaxis}

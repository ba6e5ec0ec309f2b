"""Loss curves over each other, as a picture.

Colours are Okabe and Ito's eight, which the colour-blind can tell apart; the line style changes
when they run out, and the same name has the same place in the order everywhere.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.compare import CurveBand

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
STYLES = ("-", "--", ":", "-.")
MAX_LEGEND = 24


def curves_figure(bands: Sequence[CurveBand], metric: str) -> Figure:
    """The curves of a metric over the steps, log-scaled where every value is positive."""
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    for i, band in enumerate(bands):
        colour, style = COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]
        steps = list(band.mean)
        values = list(band.mean.values())
        if len(steps) == 1:
            axes.plot(steps, values, "o", color=colour, label=band.name)
            continue
        axes.plot(steps, values, style, color=colour, linewidth=1.5, label=band.name)
        if band.low != band.high:
            low, high = list(band.low.values()), list(band.high.values())
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    if bands and all(value > 0 for band in bands for value in band.low.values()):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(metric)
    axes.grid(visible=True, which="major", alpha=0.3)
    if 0 < len(bands) <= MAX_LEGEND:
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
    return figure


def write_png(figure: Figure, path: Path) -> None:
    """The figure as a PNG file of 150 dots an inch; written whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    figure.savefig(temporary, format="png", dpi=150)
    temporary.replace(path)


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element that can stand in a page; it refers to nothing outside."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]

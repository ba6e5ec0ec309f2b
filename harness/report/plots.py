"""Loss curves over each other, as a picture.

Colours are Okabe and Ito's eight, which the colour-blind can tell apart; the line style changes
when they run out, and the same name has the same place in the order everywhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.bands import CurveBand

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_STYLES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}  # as matplotlib has them
DASHES = tuple(_STYLES)
MAX_LEGEND = 24


@dataclasses.dataclass(frozen=True)
class Line:
    """How a curve is drawn: its colour, and one of `DASHES`."""

    colour: str
    dash: str


def curves_figure(bands: Sequence[CurveBand], metric: str, styles: Sequence[Line] = ()) -> Figure:
    """The curves of a metric over the steps, log-scaled where every value is positive.

    ``styles`` are those of the curves; by default each has the next of `COLOURS`.
    """
    from matplotlib.figure import Figure  # no pyplot: no global state, no display

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    lines: list[Line2D] = []
    for i, band in enumerate(bands):
        line = styles[i] if styles else _line(i)
        steps = list(band.mean)
        values = list(band.mean.values())
        marker = "o" if len(steps) == 1 else None
        style, colour = _STYLES[line.dash], line.colour
        lines += axes.plot(steps, values, style, color=colour, linewidth=1.5, marker=marker)
        if band.low != band.high:
            low, high = list(band.low.values()), list(band.high.values())
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    if bands and all(value > 0 for band in bands for value in band.low.values()):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(metric)
    axes.grid(visible=True, which="major", alpha=0.3)
    if 0 < len(bands) <= MAX_LEGEND:
        _add_legend(figure, lines, [band.name for band in bands])
    return figure


def _line(i: int) -> Line:
    return Line(COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)])


def _add_legend(figure: Figure, lines: Sequence[Line2D], names: Sequence[str]) -> None:
    """Names as they are: matplotlib would hide one with _ in front, and read $...$ as a formula."""
    blank = [" "] * len(names)
    legend = figure.legend(lines, blank, loc="outside right upper", fontsize="small", frameon=False)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def write_png(figure: Figure, path: Path) -> None:
    """The figure as a PNG file of 150 dots an inch; written whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # a link there would lead elsewhere
    with _any_script():
        figure.savefig(temporary, format="png", dpi=150)
    temporary.replace(path)


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element that can stand in a page.

    It refers to nothing outside (the only addresses in it name its XML namespaces), and the same
    figure gives the same text.
    """
    import matplotlib

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _any_script(), matplotlib.rc_context({"svg.hashsalt": "harness"}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


@contextlib.contextmanager
def _any_script() -> Iterator[None]:
    """Letters that the font lacks are drawn as boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield

"""The plots of a search as PNG files.

Optuna draws with pyplot, which has one style, one canvas and one list of figures for the whole
process. All three are as they were afterwards: matplotlib's own style and the Agg canvas, which
needs no display, are set for one drawing only, and what it opened is closed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from optuna.visualization import matplotlib as drawings

from harness.search.plot_choice import Plot

DPI = 150
MAX_LEGEND = 12
"""Curves with a line of their own in the legend; of more, the colour tells the number."""


def write_picture(plot: Plot, path: Path) -> None:
    """Draw `plot` into the file `path`."""
    with _pyplot_to_ourselves():
        getattr(drawings, plot.function)(plot.study, **plot.arguments)
        figure = pyplot.gcf()
        for axes in figure.axes:
            bar = axes.get_label() == "<colorbar>"
            if not bar:
                axes.set(**{f"{letter}scale": "log" for letter in plot.log_axes})
            _label_ticks(axes.xaxis, most_decades=2)  # numbers lie side by side
            _label_ticks(axes.yaxis)
        if plot.function in _FINISH:
            _FINISH[plot.function](plot, figure)
        figure.savefig(path, dpi=DPI, bbox_inches="tight")


@contextlib.contextmanager
def _pyplot_to_ourselves() -> Iterator[None]:
    canvas, opened = matplotlib.get_backend(), set(pyplot.get_fignums())
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["text.parse_math"] = False  # a user's $...$ is no formula
        matplotlib.rcParams["figure.constrained_layout.use"] = True  # nothing lies on another
        pyplot.switch_backend("agg")
        try:
            yield
        finally:
            for number in set(pyplot.get_fignums()) - opened:
                pyplot.close(number)
            with contextlib.suppress(ImportError):  # it needs a display, and there is none
                pyplot.switch_backend(canvas)


def _label_ticks(axis: Axis, most_decades: float = 3) -> None:
    """Whole numbers for trials and steps, and no powers along a logarithmic axis.

    Up to `most_decades`, 2 and 5 have a number too.
    """
    if axis.get_label_text() in ("Trial", "Step"):
        axis.set_major_locator(MaxNLocator(integer=True))
    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and low > 0:
        decades = math.log10(high) - math.log10(low)
        some = (1, 2, 5) if decades > 1 else tuple(range(1, 10))
        axis.set_major_locator(LogLocator(subs=some if decades <= most_decades else (1,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _legend_inside(_: Plot, figure: Figure) -> None:
    figure.axes[0].legend()


def _turn_labels(_: Plot, figure: Figure) -> None:
    """Beside each other, parameters leave no room for numbers and names lying flat."""
    for axes in figure.axes[:-1] if len(figure.axes) > 2 else []:
        axes.tick_params(axis="x", rotation=45)
        pyplot.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")


def _name_in_full(plot: Plot, figure: Figure) -> None:
    """Room for each axis, and its whole name, of which Optuna keeps the first 17 letters."""
    names = [plot.arguments["target_name"], *plot.arguments["params"]]
    figure.set_size_inches(max(6.4, 2 * len(names)), 4.8)
    figure.axes[0].set_xticks(
        range(len(names)), names, rotation=330, ha="left", rotation_mode="anchor"
    )


def _tell_curves_apart(_: Plot, figure: Figure) -> None:
    """Many curves by shade, for Optuna has twenty colours and lists every trial in the legend."""
    axes = figure.axes[0]
    legend = axes.get_legend()
    if legend is None or len(axes.lines) <= MAX_LEGEND:
        return
    legend.remove()
    numbers = [int(str(line.get_label()).removeprefix("Trial")) for line in axes.lines]
    scale, shades = Normalize(min(numbers), max(numbers)), matplotlib.colormaps["viridis_r"]
    for line, number in zip(axes.lines, numbers, strict=True):
        line.set_color(shades(float(scale(number))))
    bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, label="Trial")
    _label_ticks(bar.ax.yaxis)


def _away_from_numbers(_: Plot, figure: Figure) -> None:
    """The names of three axes, which matplotlib writes over their numbers."""
    for axes in figure.axes:
        if axes.name == "3d":
            for letter in "xyz":
                getattr(axes, f"{letter}axis").labelpad = 12


_FINISH: Mapping[str, Callable[[Plot, Figure], None]] = {
    "plot_optimization_history": _legend_inside,
    "plot_slice": _turn_labels,
    "plot_parallel_coordinate": _name_in_full,
    "plot_intermediate_values": _tell_curves_apart,
    "plot_pareto_front": _away_from_numbers,
}
"""What a picture lacks as Optuna leaves it, by Optuna's function."""

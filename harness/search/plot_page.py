"""The plots of a search as one page that works without a network.

plotly.js stands in it once, for all plots; what a user wrote is shown as it was written.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from typing import Any

from optuna import visualization
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from harness.search.plot_choice import Plot

_CONFIG = {"displaylogo": False, "responsive": True}
_MARKUP = re.compile(r"<(?!br>|/?extra>)")
"""The start of any tag that Optuna itself does not write."""


def page(title: str, summary: str, plots: Sequence[Plot]) -> str:
    """The whole page; `summary` is the line of text below the title."""
    name = html.escape(title)
    script = f"<script>{get_plotlyjs()}</script>" if plots else ""
    body = "".join(map(_section, plots)) or "<p>No trial has come to a value that can be drawn.</p>"
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{name}</title><style>{_STYLE}</style>{script}</head>\n"
        f"<body><h1>{name}</h1>\n<p>{html.escape(summary)}</p>\n{body}</body></html>\n"
    )


def _section(plot: Plot) -> str:
    return (
        f"<section><h2>{html.escape(plot.heading)}</h2><p>{html.escape(plot.reading)}</p>"
        f"<figure>{_drawn(plot)}</figure></section>\n"
    )


def _drawn(plot: Plot) -> str:
    figure = getattr(visualization, plot.function)(plot.study, **plot.arguments)
    figure.update_layout(title=None, margin={"t": 40})
    if plot.function == "plot_parallel_coordinate":  # the whole names, which Optuna cuts short
        names = [plot.arguments["target_name"], *plot.arguments["params"]]
        figure.update_xaxes(ticktext=names)
    for letter in plot.log_axes:
        figure.update_layout({f"{axis.plotly_name}_type": "log" for axis in _axes(figure, letter)})
    for letter in "xy":
        _label_ticks(figure, letter)
    height = figure.layout.height or 450
    text: str = to_html(
        _as_written(figure.to_dict()),
        config=_CONFIG,
        include_plotlyjs=False,
        full_html=False,
        default_height=f"{height}px",
        div_id=plot.file,
    )
    return text


def _axes(figure: Any, letter: str) -> list[Any]:
    return list(getattr(figure, f"select_{letter}axes")())


def _label_ticks(figure: Any, letter: str) -> None:
    """Numbers as they are along a logarithmic axis, where plotly has 5, 2, 100, 5, 2, 1000."""
    for axis in _axes(figure, letter):
        if axis.type == "log":
            name = axis.plotly_name.replace("axis", "")  # as the traces call it
            drawn = [t for t in figure.data if letter == "y" or (t.xaxis or "x") == name]
            values = [v for t in drawn for v in t[letter] or () if 0 < v < math.inf]
            span = max(values) / min(values)
            axis.dtick = 1 if span > 200 else "D2" if span > 10 else None
            axis.tickformat = ".3~g"


def _as_written(node: Any) -> Any:
    """`node` with its text escaped, for plotly takes text for HTML."""
    if isinstance(node, dict):
        return {key: _as_written(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_as_written(value) for value in node]
    return _MARKUP.sub("&lt;", node.replace("&", "&amp;")) if isinstance(node, str) else node


_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;"
    "max-width:70rem;padding:0 1rem}figure{margin:0;background:#fff;overflow-x:auto}"
    "h2{margin:2.5rem 0 0}"
)

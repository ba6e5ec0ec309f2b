"""A plot in plain data: Plotly's traces and layout, and what they have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from harness.report.plots import Line


@dataclasses.dataclass(frozen=True)
class Plot:
    """A plot: its id, what it shows in a sentence, traces and layout."""

    name: str
    heading: str
    reading: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 420


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """Numbers as they are along a logarithmic axis, where Plotly has 5, 2, 100, 5, 2."""
    span = max(values) / min(values) if values else 1
    tick = {"dtick": 1 if span > 200 else "D2"} if span > 10 else {}
    return {"type": "log", "tickformat": ".3~g", **tick}


def drawn_line(line: Line) -> dict[str, Any]:
    """A line as Plotly has it."""
    return {"color": line.colour, "dash": line.dash, "width": 2}


def digits(value: float) -> float:
    """What is drawn: seven digits.

    >>> digits(0.123456789)
    0.1234568
    """
    return float(f"{value:.7g}")

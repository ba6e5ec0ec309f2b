"""HTML from values: what a user wrote is escaped, and every number keeps all of its digits.

A number stands in a `<data>` element: its text is short, its `value` is the whole, its `title`
shows that on a mouse, and `data-key` says which number it is.
"""

from __future__ import annotations

import html
import math
from typing import NamedTuple

text = html.escape


def figure(value: float) -> str:
    """Four significant digits, nothing for what is missing.

    >>> figure(0.00044354), figure(1.0), figure(123456.0), figure(float("nan"))
    ('0.0004435', '1', '1.235e+05', '')
    """
    return "" if math.isnan(value) else f"{value:.4g}"


def number(value: float, key: str, shown: str | None = None) -> str:
    """A number, by default as `figure` shows it; nothing for NaN."""
    if math.isnan(value):
        return ""
    whole = repr(value)
    short = text(figure(value) if shown is None else shown)
    return f'<data value="{whole}" title="{whole}" data-key="{text(key)}">{short}</data>'


def link(address: str, inner: str) -> str:
    """A link; ``inner`` is markup."""
    return f'<a href="{text(address)}">{inner}</a>'


def plotly_text(words: str) -> str:
    """Text for Plotly, which reads tags and entities in all text that it is given."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Cell(NamedTuple):
    """A cell of a table: its markup, and what it sorts by (text where that is none)."""

    markup: str
    order: float | None = None


def text_cell(words: str) -> Cell:
    """Plain text."""
    return Cell(text(words))


def name_cell(words: str, address: str = "") -> Cell:
    """A run's or a row's name, which a narrow screen may break after / and , alone."""
    inner = text(words).replace("/", "/<wbr>").replace(",", ",<wbr>")
    return Cell(link(address, inner) if address else inner)


def number_cell(value: float, key: str) -> Cell:
    """A number, which sorts by its whole value; what is missing stands last."""
    return Cell(number(value, key), value)

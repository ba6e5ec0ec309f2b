"""One line of the table: what was measured, its spread, and the limit that it must keep.

A figure is a median with the least and the greatest of its rounds. Where two things are compared
it is a ratio, which a busy machine disturbs far less than it disturbs seconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

HEADER = ("what", "median", "min to max", "limit", "verdict")


@dataclasses.dataclass(frozen=True)
class Spread:
    """A median, or a ratio of medians, with the extremes of the single rounds."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Figure:
    """A row; `unit` is empty for a ratio or a count, and the value may reach `limit`.

    With `at_least` the limit is a lower one.
    """

    what: str
    spread: Spread
    unit: str = ""
    limit: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """`ok`, `over` or `under`; empty where there is no limit."""
        if self.limit is None:
            return ""
        if self.at_least:
            return "ok" if self.spread.value >= self.limit else "under"
        return "ok" if self.spread.value <= self.limit else "over"

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        value, low, high = (
            shown(number) for number in (self.spread.value, self.spread.low, self.spread.high)
        )
        limit = "" if self.limit is None else f"{shown(self.limit)} {self.unit}".strip()
        limit = f"at least {limit}" if self.at_least else limit
        around = "" if low == high else f"{low} to {high}"
        return (self.what, f"{value} {self.unit}".strip(), around, limit, self.verdict)


def shown(number: float) -> str:
    """Three significant digits, thousands with a comma: -0.0021, 0.0512, 18.0, 2,349.

    >>> [shown(n) for n in (0, 0.05123, 18.01, 2349)]
    ['0', '0.0512', '18.0', '2,349']
    """
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    text = f"{number:#.3g}".rstrip(".")
    return "0" if number == 0 else text


def plain_table(figures: Sequence[Figure]) -> str:
    """Columns in line, for a terminal."""
    return in_line([HEADER, *(figure.cells() for figure in figures)])


def markdown_table(figures: Sequence[Figure]) -> str:
    """The same for a README."""
    return in_markdown([HEADER, *(figure.cells() for figure in figures)])


def in_line(rows: Sequence[Sequence[str]]) -> str:
    """Rows of any table, its header first, as columns in line."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def in_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The same in Markdown."""
    ruled = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)

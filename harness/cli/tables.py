"""Tables on a terminal, and as aligned plain lines where the output is a pipe.

Cells are plain text: what a user wrote is never taken for markup, and control characters are
shown as escapes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harness.errors import escape

MOST_FOLDED = 1000  # rows; nobody reads more of them by eye, and 10,000 would take six seconds


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """Print rows of text under a head; the columns in ``right`` are aligned to the right."""
    head = [escape(column) for column in head]
    rows = [[escape(cell) for cell in row] for row in rows]
    if sys.stdout.isatty() and len(rows) <= MOST_FOLDED:
        _print_folded(head, rows, right)
    else:
        _print_lines([head, *rows], right)


def _print_folded(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    """As wide as the terminal is, long text folded: 0.6 ms a row."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(head):
        if i in right:  # a number is shown whole or not at all
            width = max(len(column), *(len(row[i]) for row in rows), 0)
            table.add_column(Text(column), justify="right", no_wrap=True, min_width=width)
        else:
            table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def _print_lines(rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    """Aligned and never folded, for the program that reads them: 10 us a row."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - _width(cell))
            cells.append(space + cell if i in right else cell + space)
        print("  ".join(cells).rstrip())


def _width(cell: str) -> int:
    """In columns: a letter may take two of them, or none."""
    if cell.isascii():
        return len(cell)
    from rich.cells import cell_len

    return cell_len(cell)

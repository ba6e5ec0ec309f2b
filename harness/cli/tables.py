"""Tables on a terminal, and as aligned plain lines where the output is a pipe.

Cells are plain text: what a user wrote is never taken for markup, and control characters are
shown as escapes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harness.errors import escape

PIPE_WIDTH = 400  # columns; lines of a pipe are not folded


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """Print rows of text under a head; the columns in ``right`` are aligned to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(box=SIMPLE_HEAD if terminal else None, pad_edge=False)
    for i, column in enumerate(head):
        if i in right:  # a number is shown whole or not at all
            width = max(len(column), *(len(row[i]) for row in rows), 0)
            table.add_column(Text(column), justify="right", no_wrap=True, min_width=width)
        else:
            table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape(cell)) for cell in row))
    console = Console(width=None if terminal else PIPE_WIDTH, highlight=False)
    console.print(table)

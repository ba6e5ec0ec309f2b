"""A table that sorts by its headers and filters by text; without scripts it is a plain one.

Headers are buttons, so Tab and Enter reach them; `aria-sort` tells the order. The first column
names the row and stays in sight when a phone scrolls sideways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.page.markup import Cell, text


def table(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]
) -> str:
    """The table ``name`` (its id); each row has a name of its own and a cell for each column."""
    numeric = [_is_numeric([cells[i] for _, cells in rows]) for i in range(len(columns))]
    heads = "".join(
        f'<th scope="col"{_class(number)}><button type="button">{text(column)}</button></th>'
        for column, number in zip(columns, numeric, strict=True)
    )
    body = "\n".join(_row(label, cells, numeric) for label, cells in rows)
    return (
        f'<div class="table" id="{name}"><p class="filter"><label>Filter <input type="search" '
        f'autocomplete="off"></label> <output>{len(rows)} rows</output></p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>\n{body}\n</tbody></table></div></div>\n"
    )


def _row(label: str, cells: Sequence[Cell], numeric: Sequence[bool]) -> str:
    first, *others = (
        f"{_order(cell)}{_class(number)}>{cell.markup}"
        for cell, number in zip(cells, numeric, strict=True)
    )
    rest = "".join(f"<td{other}</td>" for other in others)
    return f'<tr data-row="{text(label)}"><th scope="row"{first}</th>{rest}</tr>'


def _order(cell: Cell) -> str:
    """What a cell sorts by, where that is not its text."""
    if cell.order is None:
        return ""
    return f' data-order="{"" if math.isnan(cell.order) else repr(cell.order)}"'


def _class(numeric: bool) -> str:
    return ' class="n"' if numeric else ""


def _is_numeric(cells: Sequence[Cell]) -> bool:
    return bool(cells) and all(cell.order is not None for cell in cells)

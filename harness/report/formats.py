"""A comparison as text for people and programs: cells, Markdown, CSV, HTML.

What a user wrote is escaped for where it goes: names cannot become markup, nor formulas in a
spreadsheet.
"""

from __future__ import annotations

import csv
import html
import io
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")  # in Markdown
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> str:
    """A value as tables show it: four significant decimals, nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"
    return str(value)


def shown_columns(frame: DataFrame) -> list[str]:
    """The columns worth a reader's while: those that hold anything, `n` only where it says more."""
    hidden = {"experiment"}
    if "n" in frame and (frame["n"] <= 1).all():
        hidden |= {"n", "low", "high"}
    if "diverged" in frame and not frame["diverged"].any():
        hidden |= {"diverged"}
    return [
        str(column)
        for column in frame.columns
        if column not in hidden and any(cell(value) for value in frame[column])
    ]


def markdown(frame: DataFrame) -> str:
    """The table in GitHub's Markdown."""
    columns = shown_columns(frame)
    rows = [[escaped(cell(row[c])) for c in columns] for _, row in frame.iterrows()]
    head = f"| {' | '.join(escaped(c) for c in columns)} |"
    rule = f"|{'|'.join('---:' if _numeric(frame[c]) else '---' for c in columns)}|"
    return "\n".join([head, rule, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def escaped(words: str) -> str:
    """What a user wrote, as Markdown on one line that GitHub shows as it is.

    >>> escaped("a_b <i> [x](y)")
    'a\\\\_b &lt;i&gt; \\\\[x\\\\](y)'
    """
    return html.escape(_SPECIAL.sub(r"\\\1", " ".join(words.split())), quote=False)


def csv_text(frame: DataFrame) -> str:
    """All columns with full precision, as RFC 4180 has it, with CRLF at the ends of lines.

    Text that a spreadsheet would run begins with '.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)  # with another end of line it would leave a CR in text unquoted
    writer.writerow(list(frame.columns))
    for row in frame.itertuples(index=False):
        writer.writerow([_csv_cell(value) for value in row])
    return buffer.getvalue()


def html_page(frame: DataFrame, svg: str, title: str) -> str:
    """One page that stands alone: the curves and the table."""
    columns = shown_columns(frame)
    head = "".join(f"<th scope='col'>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell(row[c]))}</td>" for c in columns) + "</tr>"
        for _, row in frame.iterrows()
    )
    name = html.escape(title)
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{name}</title><style>{_STYLE}</style></head>\n<body><h1>{name}</h1>\n"
        f"<figure>{svg}</figure>\n"
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"</div></body></html>\n"
    )


_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;"
    "max-width:70rem;padding:0 1rem}figure{margin:0;background:#fff}svg{max-width:100%;"
    "height:auto}.scroll{overflow-x:auto}table{border-collapse:collapse;"
    "font-variant-numeric:tabular-nums}th,td{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #8886;white-space:nowrap}"
)


def _numeric(column: Any) -> bool:
    return bool(column.dtype.kind in "if")


def guarded(text: str) -> str:
    """Text for CSV, with ' before what a spreadsheet would run."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return guarded(str(value))

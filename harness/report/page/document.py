"""The whole page: one file that works without a network and asks nothing of one.

Its policy for contents forbids any request. plotly.js, 4.8 MB, stands in it once, compressed to a
third, and the browser unpacks it: everything but the plots is there before.
"""

from __future__ import annotations

import base64
import gzip
import importlib.resources
import json
import math
from typing import Any

from harness.report.page import sections
from harness.report.page.content import Report
from harness.report.page.markup import text
from harness.report.page.plot import Plot
from harness.report.page.plots import plots
from harness.report.page.reached import reached_table
from harness.report.page.summary import summary

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def page(report: Report) -> str:
    """The page's text."""
    drawn = {plot.name: plot for plot in plots(report)}
    body = "".join(_body(report, drawn))
    name = text(report.sweep)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: report</title><style>\n{_file('page.css')}</style></head>\n<body>\n"
        f"{_header(report, drawn)}<main>\n{body}</main>\n{_scripts(drawn)}</body></html>\n"
    )


def _body(report: Report, drawn: dict[str, Plot]) -> list[str]:
    parts = [summary(report), _figure(drawn.get("best-curves"), "best")]
    parts += [sections.claims(report), sections.comparison(report)]
    parts.append(_figure(drawn.get("curves")))
    if report.lr_curves:
        parts.append(_figure(drawn.get("lr-curves"), more=sections.sensitivity_table(report)))
    parts.append(_figure(drawn.get("batch-curves")))
    for i, contest in enumerate(report.contests):
        parts.append(_figure(drawn.get(f"reaching-{i}"), more=reached_table(contest, i)))
    parts += [sections.runs(report), sections.reproduce(report)]
    return parts


def _header(report: Report, drawn: dict[str, Plot]) -> str:
    places = {"claims": "Claims", "comparison": "Comparison"}
    places |= {name: plot.heading for name, plot in drawn.items() if name != "best-curves"}
    places |= {"runs": "Runs", "reproduce": "How to reproduce"}
    links = "".join(f'<li><a href="#{key}">{text(word)}</a></li>' for key, word in places.items())
    about = f"<p>{text(report.description)}</p>" if report.description else ""
    return (
        '<a class="skip" href="#summary">Skip to the verdict</a>\n'
        f"<header><div><h1>{text(report.sweep)}</h1>{about}</div>"
        '<button type="button" id="theme" hidden>Dark</button></header>\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n'
    )


def _figure(plot: Plot | None, section: str = "", more: str = "") -> str:
    if plot is None:
        return ""
    heading = f"<h2>{text(plot.heading)}</h2>"
    axes = [key[0] for key in ("xaxis", "yaxis") if plot.layout[key].get("type") == "log"]
    buttons = "".join(
        f'<button type="button" data-axis="{axis}" aria-pressed="true">log {axis}</button>'
        for axis in axes
    )
    return (
        f'<section id="{section or plot.name}">{heading}<figure>'
        f'<figcaption>{text(plot.reading)}</figcaption><p class="axes" hidden>{buttons}</p>'
        f'<div class="plot" data-plot="{plot.name}" style="height:{plot.height}px" role="img" '
        f'aria-label="{text(plot.heading)}"></div></figure>{more}</section>\n'
    )


def _scripts(drawn: dict[str, Plot]) -> str:
    script = f"<script>\n{_file('page.js')}</script>\n"
    if not drawn:
        return script
    from plotly.offline import get_plotlyjs

    data = {name: {"data": plot.traces, "layout": plot.layout} for name, plot in drawn.items()}
    packed = gzip.compress(get_plotlyjs().encode(), compresslevel=6, mtime=0)
    return (
        f'<script type="application/json" id="plots">{_json(data)}</script>\n'
        f'<script type="text/plain" id="plotly">{base64.b64encode(packed).decode()}</script>\n'
        f"{script}"
    )


def _json(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(_finite(value), separators=(",", ":")).replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _file(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")

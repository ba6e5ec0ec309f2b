"""Claims, tables, runs and how to reproduce them, as sections of the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from harness.report.formats import shown_columns
from harness.report.page.content import CheckedClaim, Report
from harness.report.page.markup import Cell, name_cell, number, number_cell, text, text_cell
from harness.report.page.table import table
from harness.report.rows import ComparedRun
from harness.report.sensitivity import edge_warnings, to_rows
from harness.report.settings import shared_settings, telling_settings


def claims(report: Report) -> str:
    """Every claim, those that fail first."""
    if not report.claims:
        return _section("claims", "Claims", "<p>The file makes no claim.</p>")
    order = {False: 0, None: 1, True: 2}
    ranked = sorted(report.claims, key=lambda claim: order[claim.holds])
    rows = [(claim.name, _claim_cells(claim)) for claim in ranked]
    columns = ("about", "claim", "verdict", "observed", "remark")
    return _section("claims", "Claims", table("claims-table", "Claims", columns, rows))


def _claim_cells(claim: CheckedClaim) -> list[Cell]:
    words, sign = {True: ("holds", "good"), False: ("FAILS", "bad"), None: ("undecided", "open")}[
        claim.holds
    ]
    seen = claim.observed
    if isinstance(seen, float):
        observed = Cell(number(seen, "observed"))
    else:
        observed = text_cell("" if seen is None else str(seen))
    return [
        name_cell(claim.name),
        text_cell(claim.text),
        Cell(f'<span class="{sign}">{words}</span>'),
        observed,
        text_cell(claim.detail),
    ]


def comparison(report: Report) -> str:
    """The ranked table, as `harness compare` has it."""
    frame = report.frame
    columns = shown_columns(frame)
    rows = []
    for record in frame.to_dict(orient="records"):
        cells = [_frame_cell(column, record[column]) for column in columns]
        rows.append((str(record["name"]), cells))
    body = (
        f"<p>Best first, by {text(report.metric)} at the last step. <b>final</b> is the mean over "
        "the seeds that finished, <b>low</b> to <b>high</b> its 95 % interval (Student's t).</p>"
    )
    if report.missing:
        body += f"<p>Not in the store yet: {text(', '.join(report.missing))}</p>"
    body += table("comparison-table", "Comparison", columns, rows)
    return _section("comparison", "Comparison", body)


def _frame_cell(column: str, value: object) -> Cell:
    if isinstance(value, int | float):
        return number_cell(value, column)
    return name_cell(str(value)) if column == "name" else _setting_cell(str(value))


def _setting_cell(value: str) -> Cell:
    """A setting, which is text; one that is a number sorts as one."""
    try:
        return Cell(text(value), float(value))
    except ValueError:
        return text_cell(value)


def sensitivity_table(report: Report) -> str:
    """What the curves over the learning rate come to."""
    found = to_rows(report.lr_curves)
    columns = list(found[0])
    rows = [
        (str(row["name"]), [_frame_cell(column, row[column]) for column in columns])
        for row in found
    ]
    warnings = edge_warnings(report.lr_curves)
    told = "".join(f'<p class="warning">{text(warning)}</p>' for warning in warnings)
    return table("sensitivity-table", "Learning-rate sensitivity", columns, rows) + told


def runs(report: Report) -> str:
    """Every run with its settings: those that differ in the table, those of all below it."""
    settings = [run.record.params for run in report.runs]
    telling = telling_settings(settings)
    telling = [path for path in telling if path not in ("seed.model", "seed.data")]
    columns = ["run", "state", "last", "seconds", "engine", "weights seed", "data seed", *telling]
    rows = [(run.name, _run_cells(report, run, telling)) for run in report.runs]
    common = shared_settings(settings)
    body = (
        "<p>A run's name leads to its page in MLflow, while <code>harness ui</code> runs.</p>"
        + table("runs-table", "Runs", columns, rows)
        + f"<details><summary>Settings of every run</summary>{_definitions(common.items())}"
        "</details>"
    )
    return _section("runs", "Runs", body)


def _run_cells(report: Report, run: ComparedRun, telling: Sequence[str]) -> list[Cell]:
    record = run.record
    value = record.metrics.get(report.metric, float("nan"))
    seconds = float("nan") if record.seconds is None else record.seconds
    model, data = run.seed
    return [
        name_cell(run.name, report.run_link(run)),
        text_cell(record.state),
        number_cell(value, "last"),
        number_cell(seconds, "seconds"),
        text_cell(record.engine or ""),
        _setting_cell(model),
        _setting_cell(data),
        *(_setting_cell(record.params.get(path, "")) for path in telling),
    ]


def reproduce(report: Report) -> str:
    """Commands, commit, versions and machines."""
    lines = "\n".join(commands(report))
    parts = [
        f"<pre><code>{text(lines)}</code></pre>",
        f"<p>Store: <code>{text(report.store)}</code>. This page was made on {report.made}.</p>",
    ]
    for environment in report.environments:
        noun = "run was" if environment.num_runs == 1 else "runs were"
        parts.append(f"<h3>{environment.num_runs} {noun} made with</h3>")
        parts.append(_definitions(environment.facts.items()))
    return _section("reproduce", "How to reproduce", "".join(parts))


def commands(report: Report) -> list[str]:
    """What to type, at the commit where there is one."""
    facts = report.environments[0].facts
    commit = facts.get("commit")
    lines = [f"git checkout {shlex.quote(commit)}"] if commit else []
    if facts.get("uncommitted changes") == "true":
        lines.append("# there were changes that this commit does not have")
    file = shlex.quote(report.file)
    return [
        *lines,
        "pip install -c constraints.txt -e .",
        f"harness run {file}",
        f"harness report {file}",
    ]


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    entries = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in pairs)
    return f'<dl class="settings">{entries}</dl>'


def _section(name: str, heading: str, body: str) -> str:
    return f'<section id="{name}"><h2>{text(heading)}</h2>{body}</section>\n'

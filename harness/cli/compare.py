"""`harness compare [FILE]`: the ranked table, one side against another, learning rates."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.errors import reporting
from harness.cli.files import check_folder, write_text, writing
from harness.cli.options import AsJson, TrackingUri
from harness.errors import UsageError, escape
from harness.spec.metrics import TRAIN_LOSS

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.comparison.compare import Comparison
    from harness.report.statistics import Method
    from harness.report.versus import Versus

OutputPath = Path | None

FileOrStore = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="The sweep file; without it, the whole store.", show_default=False
    ),
]
At = Annotated[
    list[int] | None, typer.Option("--at", metavar="STEP", help="A step too; repeatable.")
]
Two = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--versus",
        metavar="A B",
        help="Two rows, or the best of two experiments: which is better, and how sure that is.",
        show_default=False,
    ),
]
Target = Annotated[
    float | None,
    typer.Option(
        "--target",
        metavar="LOSS",
        help="With --versus: when each first reaches it (default: the worse side's final).",
        show_default=False,
    ),
]
Between = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--between",
        metavar="LOW HIGH",
        help="With --sensitivity: the learning rates that count (default: all).",
        show_default=False,
    ),
]


def compare(
    file: FileOrStore = None,
    metric: Annotated[str, typer.Option("--metric", help="What is compared.")] = TRAIN_LOSS,
    at: At = None,
    versus: Two = None,
    target: Target = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="The final loss over the learning rate instead.")
    ] = False,
    between: Between = None,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Intervals of means by the bootstrap, not t.")
    ] = False,
    csv: Annotated[OutputPath, typer.Option("--csv", help="Write the table as CSV.")] = None,
    png: Annotated[OutputPath, typer.Option("--png", help="Draw the curves.")] = None,
    html: Annotated[
        OutputPath, typer.Option("--html", help="Write table and curves as one page.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs: final value, intervals over seeds, chosen steps, the settings that differ."""
    with reporting(as_json=as_json):
        for flag, path in (("--csv", csv), ("--png", png), ("--html", html)):
            check_folder(flag, path)
        _check_flags(versus, target, between, sensitivity=sensitivity)
        from harness.comparison.compare import comparison

        method: Method = "bootstrap" if bootstrap else "t"
        made = comparison(
            file, tracking_uri=tracking_uri, metric=metric, at=at or (), method=method
        )
        found, frame, warnings = _versus(made, versus, target), made.frame, made.warnings
        if sensitivity:
            from harness.comparison.sensitivity import sensitivity_curves, to_frame
            from harness.report.sensitivity import edge_warnings

            curves = sensitivity_curves(made.source, metric=metric, between=between)
            frame, warnings = to_frame(curves), (*warnings, *edge_warnings(curves))
        _write_files(made, frame, csv, png, html, title=str(file or "all runs"))
        for warning in warnings:
            print(f"harness: {escape(warning)}", file=sys.stderr)
        if as_json:
            _print_json(made, found, frame if sensitivity else None)
        elif found is not None:
            _print_versus(found)
        else:
            _print(frame, made.missing, as_markdown=markdown)


def _check_flags(
    versus: tuple[str, str] | None,
    target: float | None,
    between: tuple[float, float] | None,
    *,
    sensitivity: bool,
) -> None:
    if versus is not None and sensitivity:
        raise UsageError("--versus and --sensitivity are two questions: ask one at a time")
    if target is not None and versus is None:
        raise UsageError("--target goes with --versus A B")
    if between is not None and not sensitivity:
        raise UsageError("--between goes with --sensitivity")


def _versus(
    made: Comparison, versus: tuple[str, str] | None, target: float | None
) -> Versus | None:
    from harness.comparison.versus import versus_of

    if versus is None:
        return None
    return versus_of(made.selected, *versus, metric=made.metric, target=target)


def _write_files(
    made: Comparison,
    frame: DataFrame,
    csv: OutputPath,
    png: OutputPath,
    html: OutputPath,
    title: str,
) -> None:
    from harness.report.formats import csv_text, html_page
    from harness.report.plots import curves_figure, to_svg, write_png

    if csv is not None:
        write_text(csv, csv_text(frame))
    if png is not None or html is not None:
        figure = curves_figure(made.bands(), made.metric)
        if png is not None:
            with writing(png):
                write_png(figure, png)
        if html is not None:
            write_text(html, html_page(frame, to_svg(figure), title))


def _print_json(made: Comparison, found: Versus | None, sensitivity: DataFrame | None) -> None:
    from harness.report.compare import to_json_rows

    answer: dict[str, Any] = {"rows": to_json_rows(made.frame)}
    if found is not None:
        answer["versus"] = found.to_json()
    if sensitivity is not None:
        answer["sensitivity"] = to_json_rows(sensitivity)
    print(json.dumps(answer))


def _print(frame: DataFrame, missing: tuple[str, ...], *, as_markdown: bool) -> None:
    from harness.cli.tables import print_table
    from harness.report.formats import cell, markdown, shown_columns

    if as_markdown:
        print(markdown(frame), end="")
        return
    columns = shown_columns(frame)
    rows = [[cell(row[column]) for column in columns] for _, row in frame.iterrows()]
    numbers = [i for i, c in enumerate(columns) if frame[c].dtype.kind in "if"]
    print_table(columns, rows, right=numbers)
    if missing:
        print(f"not in the store yet: {', '.join(missing)}")


def _print_versus(found: Versus) -> None:
    from harness.cli.tables import print_table
    from harness.report.versus_table import COLUMNS, difference_lines, side_rows

    print(escape(found.sentence), end="\n\n")
    print_table(COLUMNS, side_rows(found), right=range(1, len(COLUMNS)))
    for line in difference_lines(found):
        print(escape(line))

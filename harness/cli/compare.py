"""`harness compare [FILE]`: the ranked table, and the curves over each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.files import check_folder, write_text, writing
from harness.cli.options import AsJson, TrackingUri

if TYPE_CHECKING:
    from harness.comparison import Comparison

OutputPath = Path | None


def compare(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="The sweep file; without it, the whole store.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="What is compared.")] = "train/loss",
    at: Annotated[
        list[int] | None, typer.Option("--at", metavar="STEP", help="A step too; repeatable.")
    ] = None,
    csv: Annotated[OutputPath, typer.Option("--csv", help="Write the table as CSV.")] = None,
    png: Annotated[OutputPath, typer.Option("--png", help="Draw the curves.")] = None,
    html: Annotated[
        OutputPath, typer.Option("--html", help="Write table and curves as one page.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs: final value, chosen steps, perplexity, and the settings that differ."""
    with reporting(as_json=as_json):
        for flag, path in (("--csv", csv), ("--png", png), ("--html", html)):
            check_folder(flag, path)
        from harness.comparison import comparison

        made = comparison(file, tracking_uri=tracking_uri, metric=metric, at=at or ())
        _write_files(made, csv, png, html, title=str(file or "all runs"))
        _print(made, as_json=as_json, as_markdown=markdown)


def _write_files(
    made: Comparison, csv: OutputPath, png: OutputPath, html: OutputPath, title: str
) -> None:
    from harness.report.formats import csv_text, html_page
    from harness.report.plots import curves_figure, to_svg, write_png

    if csv is not None:
        write_text(csv, csv_text(made.frame))
    if png is not None or html is not None:
        figure = curves_figure(made.bands, made.metric)
        if png is not None:
            with writing(png):
                write_png(figure, png)
        if html is not None:
            write_text(html, html_page(made.frame, to_svg(figure), title))


def _print(made: Comparison, *, as_json: bool, as_markdown: bool) -> None:
    from harness.cli.tables import print_table
    from harness.report.compare import to_json_rows
    from harness.report.formats import cell, markdown, shown_columns

    if as_json:
        print(json.dumps({"rows": to_json_rows(made.frame)}))
    elif as_markdown:
        print(markdown(made.frame), end="")
    else:
        columns = shown_columns(made.frame)
        rows = [[cell(row[column]) for column in columns] for _, row in made.frame.iterrows()]
        numbers = [i for i, c in enumerate(columns) if made.frame[c].dtype.kind in "if"]
        print_table(columns, rows, right=numbers)
        if made.missing:
            print(f"not in the store yet: {', '.join(made.missing)}")

"""`harness report FILE`: everything about a sweep as one page, or as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.files import check_folder, write_text
from harness.cli.options import File, TrackingUri
from harness.errors import escape
from harness.spec.metrics import TRAIN_LOSS

if TYPE_CHECKING:
    from harness.comparison.report import Gathered


def report(
    file: File,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="PATH",
            help="Where the page goes (default: SWEEP-report.html here).",
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown", help="Print Markdown for a pull request; a page only with --html."
        ),
    ] = False,
    metric: Annotated[str, typer.Option("--metric", help="What is compared.")] = TRAIN_LOSS,
    log: Annotated[
        bool,
        typer.Option("--log/--no-log", help="Keep the page in the sweep's MLflow experiment too."),
    ] = True,
    tracking_uri: TrackingUri = None,
) -> None:
    """Write a page of its own: who won and how sure that is, claims, tables, plots, every run."""
    with reporting():
        check_folder("--html", html)
        from harness.comparison.report import gather
        from harness.tracking.experiments import slug

        gathered = gather(file, tracking_uri=tracking_uri, metric=metric)
        if markdown:
            from harness.report.page.markdown import markdown_of

            print(markdown_of(gathered.report), end="")
        if html is not None or not markdown:
            path = html or Path(f"{slug(gathered.report.sweep)}-report.html")
            _write(gathered, path, log=log)


def _write(gathered: Gathered, path: Path, *, log: bool) -> None:
    from harness.comparison.report import log_files
    from harness.report.page.document import page

    text = page(gathered.report)
    write_text(path, text)
    print(escape(str(path)))
    if log:
        log_files(gathered, text)

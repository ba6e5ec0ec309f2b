"""The command `harness`: its subcommands, registered by name.

Each command imports what it needs when it runs, so that `--help` and `validate` import neither
torch nor MLflow.
"""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from harness.cli import (
    compare,
    diff,
    evaluate,
    export,
    garbage,
    generate,
    ls,
    plan,
    report,
    run,
    schema,
    search,
    show,
    ui,
    validate,
)

# New objects between two passes of the garbage collector. With Python's 700 it passes over what
# torch and MLflow are made of, a million objects, again and again: 0.4 s of a sweep of 64 short
# runs. What a sweep itself leaves is freed by reference counts.
NEW_OBJECTS = 100_000

app = typer.Typer(
    name="harness",
    help="Declared, checked and resumable training sweeps for small GPTs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("run")(run.run)
app.command("search")(search.search)
app.command("plan")(plan.plan)
app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.command("ls")(ls.ls)
app.command("show")(show.show_run)
app.command("diff")(diff.diff)
app.command("export")(export.export)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("eval")(evaluate.evaluate)
app.command("generate")(generate.generate)
app.command("gc")(garbage.gc)
app.command("ui")(ui.ui)


def _version(value: bool) -> None:
    if value:
        import importlib.metadata

        print(f"harness {importlib.metadata.version('harness')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Declared, checked and resumable training sweeps for small GPTs."""


def main() -> None:
    """The entry point."""
    gc.set_threshold(NEW_OBJECTS)
    try:
        app()
    finally:
        gc.freeze()  # or the exit looks through all of it for cycles, 1.0 s after torch and MLflow

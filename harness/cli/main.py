"""The command `harness`: its subcommands, registered by name.

Each command imports what it needs when it runs, so that `--help` and `validate` import neither
torch nor MLflow.
"""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import compare, evaluate, generate, plan, run, schema, ui, validate

app = typer.Typer(
    name="harness",
    help="Declared, checked and resumable training sweeps for small GPTs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("validate")(validate.validate)
app.command("schema")(schema.schema)
app.command("compare")(compare.compare)
app.command("eval")(evaluate.evaluate)
app.command("generate")(generate.generate)
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
    app()

"""`harness search FILE [NAME]`: only the searches of a sweep, or one of them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.options import AsJson, File, Set, TrackingUri
from harness.cli.run import Quiet, Wait

if TYPE_CHECKING:
    from harness.spec.sweep_file import Sweep

Name = Annotated[str | None, typer.Argument(help="A search of the file; all without one.")]
NumTrials = Annotated[
    int | None, typer.Option("--n-trials", min=1, max=100_000, help="Trials in all, not more.")
]
Parallel = Annotated[
    int | None,
    typer.Option("--parallel", min=1, max=100_000, help="Trials asked and trained together."),
]


def search(
    file: File,
    name: Name = None,
    set_: Set = None,
    num_trials: NumTrials = None,
    parallel: Parallel = None,
    wait: Wait = False,
    tracking_uri: TrackingUri = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the searches of a sweep: what is missing of them; then check their claims.

    Exit codes are those of `run`.
    """
    with reporting(as_json=as_json):
        from harness.spec.load import load_sweep

        sweep = load_sweep(file, overrides=set_ or (), only=[name] if name else ())
        sweep = _changed(sweep, name, num_trials, parallel)
        from harness.cli.progress import progress_for
        from harness.cli.summary import print_summary
        from harness.sweep import run_sweep

        with progress_for(quiet=quiet or as_json) as observer:
            result = run_sweep(
                sweep,
                tracking_uri=tracking_uri,
                only=[name] if name else (),
                wait=wait,
                observer=observer,
                experiments=False,
            )
        if as_json:
            print(json.dumps(result.to_json()))
        else:
            print_summary(result, quiet=quiet)
        raise typer.Exit(result.exit_code)


def _changed(sweep: Sweep, name: str | None, num_trials: int | None, parallel: int | None) -> Sweep:
    """The sweep with the flags' numbers in the searches that are run.

    Raises NothingMatched where there is no such search.
    """
    from harness.errors import NothingMatched, nearest, show

    names = [search.name for search in sweep.searches]
    if not names:
        raise NothingMatched(f"{sweep.name} declares no searches")
    if name is not None and name not in names:
        near = nearest(name, names)
        hint = f"; did you mean {near}?" if near else f" (there are: {', '.join(names)})"
        raise NothingMatched(f"no search is called {show(name)}{hint}")
    given = {"n_trials": num_trials, "parallel": parallel}
    update = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(
        sweep,
        searches=tuple(
            dataclasses.replace(search, config=search.config.model_copy(update=update))
            if name in (None, search.name)
            else search
            for search in sweep.searches
        ),
    )

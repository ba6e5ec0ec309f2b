"""A sweep file to a checked `Sweep`: all its mistakes at once, before anything is created.

Reads the file, resolves every entry into run configs, and checks what only the whole file can
tell: names, numbers of runs, claims against each other. Imports neither torch nor MLflow; a file
of ten experiments takes some tens of milliseconds.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from harness.errors import Problem, SweepFileError, escape, nearest
from harness.spec.entries import Resolver
from harness.spec.experiment_entry import EXPERIMENT_KEYS, ExperimentReader, read_expansions
from harness.spec.header import check_top, named_entries, read_defaults, text
from harness.spec.limits import MAX_RUNS
from harness.spec.overrides import read_override
from harness.spec.problems import Problems
from harness.spec.search_entry import SEARCH_KEYS, SearchReader, entries_by_name
from harness.spec.sweep_file import Sweep
from harness.spec.sweep_text import MAX_BYTES, read_text, split_lines
from harness.spec.yaml_reader import parse


def load_sweep(
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    max_runs: int = MAX_RUNS,
) -> Sweep:
    """The checked sweep of a file.

    ``overrides`` are `PATH=VALUE` texts laid on top of every entry that ``only`` (globs over
    names; none means all) selects; where such an entry sweeps the path, that is a mistake.

    Raises SweepFileError with all the problems found, UsageError for an override without `=`.
    """
    path = Path(path)
    content = read_text(str(path), _read(path))
    root, found_in_yaml = parse(str(path), content)
    problems = Problems(str(path), split_lines(content), found_in_yaml)
    check_top(root, problems)
    experiments = named_entries(root, "experiments", EXPERIMENT_KEYS, problems)
    searches = named_entries(root, "searches", SEARCH_KEYS, problems)
    resolver = Resolver(
        defaults=read_defaults(root, problems),
        entries=entries_by_name(experiments, searches, problems),
        overrides=[item for o in overrides if (item := read_override(o, problems)) is not None],
        base_dir=path.resolve().parent,
        problems=problems,
    )
    expansions = read_expansions(experiments, max_runs, problems)
    if sum(expansion.count for expansion in expansions.values()) > max_runs:
        problems.raise_if_any()
    reader = ExperimentReader(resolver, only, problems)
    built = {name: reader.read(name, node, expansions[name]) for name, node in experiments.items()}
    reader.check_claims(built, experiments)
    search_reader = SearchReader(resolver, list(searches), only, problems)
    found = [search_reader.read(name, node) for name, node in searches.items()]
    problems.raise_if_any()
    return Sweep(
        path=path,
        name=str(root.entries()["name"].value),
        description=text(root, "description", problems),
        experiments=tuple(built.values()),
        searches=tuple(search for search in found if search is not None),
        overrides=tuple(overrides),
    )


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SweepFileError([Problem(escape(str(path)), 0, 0, "", "must be a regular file")])
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [file.name for file in folder.glob("*.y*ml")])
        hint = f"; did you mean {near}?" if near else ""
        message = f"cannot be read: {error.strerror}{hint}"
        raise SweepFileError([Problem(escape(str(path)), 0, 0, "", message)]) from None

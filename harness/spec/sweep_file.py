"""A checked sweep file: its experiments with their runs and claims, and its searches.

Frozen data that the loader makes and everything above reads.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from harness.spec.expectations import Claim
from harness.spec.run_config import RunConfig
from harness.spec.search import SearchConfig
from harness.text.corpora import CorpusInfo


@dataclasses.dataclass(frozen=True)
class DeclaredRun:
    """One run of an experiment: its name, its point and its resolved settings.

    ``group`` is the name without the seed; ``point`` holds the swept settings as (dotted path,
    compact JSON), the seeds left out; ``seed_index`` is None where there are no `seeds`.
    """

    name: str
    experiment: str
    group: str
    point: tuple[tuple[str, str], ...]
    seed_index: int | None
    config: RunConfig
    corpus: CorpusInfo


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One entry under `experiments:` with the runs that it expands to and what it claims."""

    name: str
    description: str
    runs: tuple[DeclaredRun, ...]
    claims: tuple[Claim, ...]

    @functools.cached_property
    def by_point(self) -> dict[tuple[frozenset[tuple[str, str]], int | None], DeclaredRun]:
        """The runs by swept settings, in no order, and seed."""
        return {(frozenset(run.point), run.seed_index): run for run in self.runs}

    @property
    def has_seeds(self) -> bool:
        """Whether its runs form groups that differ in nothing but seeds."""
        return any(run.seed_index is not None for run in self.runs)


@dataclasses.dataclass(frozen=True)
class Search:
    """One entry under `searches:`: the run config that its trials start from, and the search.

    ``base`` is the run config at the first point of the space.
    """

    name: str
    description: str
    base: RunConfig
    corpus: CorpusInfo
    config: SearchConfig


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A whole file. ``overrides`` are the `--set` values it was read with, as written."""

    path: Path
    name: str
    description: str
    experiments: tuple[Experiment, ...]
    searches: tuple[Search, ...]
    overrides: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[DeclaredRun, ...]:
        """Every run of every experiment, in file order."""
        return tuple(run for experiment in self.experiments for run in experiment.runs)

    def experiment(self, name: str) -> Experiment:
        """The experiment of that name; KeyError when there is none."""
        for experiment in self.experiments:
            if experiment.name == name:
                return experiment
        raise KeyError(name)

"""A checked sweep file: its experiments with their runs and claims, and its searches.

Frozen data that the loader makes and everything above reads.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.spec.distributions import Value
from harness.spec.expectations import Claim
from harness.spec.names import compact, trial_name
from harness.spec.run_config import RunConfig
from harness.spec.search import SearchConfig
from harness.text.corpora import CorpusInfo


@dataclasses.dataclass(frozen=True)
class DeclaredRun:
    """One run of an experiment, or a trial of a search: its name, point and resolved settings.

    ``group`` is the name without the seed; ``point`` holds the swept settings as (dotted path,
    compact JSON), the seeds left out; ``seed_index`` is None where there are no `seeds`. ``trial``
    is the number of a trial, whose ``experiment`` is the name of its search.
    """

    name: str
    experiment: str
    group: str
    point: tuple[tuple[str, str], ...]
    seed_index: int | None
    config: RunConfig
    corpus: CorpusInfo
    trial: int | None = None


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

    ``base`` is the run config at the first point of the space. ``resolve`` gives the run config of
    any point (dotted path to value), with its corpus; it raises SweepFileError where two values
    that are valid alone are not valid together.
    """

    name: str
    description: str
    base: RunConfig
    corpus: CorpusInfo
    config: SearchConfig
    resolve: Callable[[Mapping[str, Value]], tuple[RunConfig, CorpusInfo]] = dataclasses.field(
        compare=False, repr=False
    )

    def trial(self, number: int, point: Mapping[str, Value]) -> DeclaredRun:
        """The run of a trial, by its number in the study; see ``resolve`` for what it raises."""
        config, corpus = self.resolve(point)
        name = trial_name(self.name, number)
        shown = tuple((path, compact(value)) for path, value in point.items())
        return DeclaredRun(name, self.name, name, shown, None, config, corpus, number)


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

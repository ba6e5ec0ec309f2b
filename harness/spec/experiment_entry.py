"""An entry under `experiments:` to its runs and its claims."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from harness.errors import show
from harness.spec.claim_checks import ClaimChecker, DeclaredClaim
from harness.spec.entries import Resolver
from harness.spec.expand import Expansion, points, read_expansion, run_name
from harness.spec.expectations import Expectation, claims
from harness.spec.fingerprint import identity
from harness.spec.layers import RUN_KEYS, Layer, point_layer
from harness.spec.names import selects
from harness.spec.nodes import Node
from harness.spec.problems import Entry, Problems
from harness.spec.sweep_file import DeclaredRun, Experiment
from harness.text.corpora import encode

MAX_RUN_NAME = 1000  # a name is also a tag, which MLflow cuts at 8,000 characters

EXPERIMENT_KEYS = (*RUN_KEYS, "extends", "matrix", "zip", "exclude", "seeds", "expect")


def read_expansions(
    entries: Mapping[str, Node], max_runs: int, problems: Problems
) -> dict[str, Expansion]:
    """The axes of every experiment; the runs are counted by multiplication and not yet built."""
    expansions, total = {}, 0
    for name, node in entries.items():
        expansions[name] = read_expansion(node, problems)
        total += expansions[name].count
        if total > max_runs:
            places = [node.entries().get(key) for key in ("matrix", "zip", "seeds")]
            place = next((n for n in places if n is not None), node)
            message = f"makes {total:,} runs in this file; at most {max_runs:,} are allowed"
            problems.at(place, f"{message} (--max-runs N raises it)", key=True)
            break
    return expansions


@dataclasses.dataclass
class ExperimentReader:
    """Builds experiments with what they share: the resolver and the names asked for."""

    resolver: Resolver
    only: Sequence[str]
    problems: Problems
    broken: set[str] = dataclasses.field(default_factory=set)
    """The experiments of which some run was refused."""

    def read(self, name: str, node: Node, expansion: Expansion) -> Experiment:
        """The experiment with every valid run; mistakes go to the problems."""
        layer = self._overrides(name, expansion)
        runs = tuple(self.resolver.runs(name, node.path, expansion, layer))
        self._check_runs(name, node, runs, expansion)
        description = self.resolver.sections(name).get("description", Node("")).value
        declared = tuple(item.claim for item in self.declared_claims(node))
        return Experiment(name, str(description), runs, declared)

    def _overrides(self, name: str, expansion: Expansion) -> Layer:
        """The `--set` layer of an experiment; empty for one that `--only` leaves out."""
        overrides = self.resolver.overrides
        if not overrides or not self._selected(name, expansion):
            return {}
        for path, node in overrides:
            if path in expansion.paths:
                self.problems.at(node, f"experiments.{name} sweeps this path; change it there")
        return point_layer(item for item in overrides if item[0] not in expansion.paths)

    def _selected(self, name: str, expansion: Expansion) -> bool:
        names = [name, *(run_name(name, point) for point in points(expansion))]
        return not self.only or any(selects(self.only, n) for n in names)

    def _check_runs(
        self, name: str, node: Node, runs: Sequence[DeclaredRun], expansion: Expansion
    ) -> None:
        wanted = points(expansion)
        if len(runs) < len(wanted):
            self.broken.add(name)
        if not wanted:
            self.problems.at(node.entries()["exclude"], "excludes every point", key=True)
        seen: set[str] = set()
        place = node.entries().get("matrix") or node.entries().get("zip") or node
        for run in runs:
            if len(run.name) > MAX_RUN_NAME:
                message = f"makes a run's name of {len(run.name):,} characters, and the most is"
                self.problems.at(place, f"{message} {MAX_RUN_NAME:,}: {show(run.name)}", key=True)
                return
            if run.name in seen:
                self.problems.at(place, f"two runs are called {show(run.name)}", key=True)
                return
            seen.add(run.name)

    def declared_claims(self, node: Node) -> list[DeclaredClaim]:
        """The claims of an entry, each with the node that makes it."""
        expect = node.entries().get("expect")
        if expect is None or expect.value is None:
            return []
        if not isinstance(expect.value, tuple):
            self.problems.at(expect, f"must be a list of claims, got {show(expect.plain())}")
            return []
        declared = []
        for item in expect.items():
            try:
                found = Expectation.model_validate(item.plain())
            except ValidationError as error:
                self.problems.validation(error, Expectation, Entry(item.path, item))
            else:
                declared += [DeclaredClaim(claim, item) for claim in claims(found)]
        return declared

    def check_claims(
        self, experiments: Mapping[str, Experiment], nodes: Mapping[str, Node]
    ) -> None:
        """Tells the claims that can never be checked, now that every experiment is known."""
        evaluations = self.resolver.file_evaluations
        checker = ClaimChecker(experiments, same_run, evaluations, self.broken, self.problems)
        for name, experiment in experiments.items():
            for declared in self.declared_claims(nodes[name]):
                checker.check(experiment, declared)


def same_run(a: DeclaredRun, b: DeclaredRun) -> bool:
    """Whether two runs have one fingerprint; texts are encoded only where all else is equal."""
    if identity(a.config, "") != identity(b.config, ""):
        return False
    if a.corpus == b.corpus:
        return True
    if a.corpus.num_tokens != b.corpus.num_tokens:
        return False
    digests = [encode(corpus, None, write=False).digest for corpus in (a.corpus, b.corpus)]
    return digests[0] == digests[1]

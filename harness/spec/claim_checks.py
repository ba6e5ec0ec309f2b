"""Whether the claims of a file can be checked at all: steps, partners and seeds that exist.

A step beyond the run's last is a mistake in the file, unless only `--set` made it so: then the
claim is reported as not decided and the sweep goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping

from harness.errors import show
from harness.spec.evaluations import HOLD_OUT, Evaluations
from harness.spec.expectations import Claim
from harness.spec.metrics import METRICS
from harness.spec.nodes import Node
from harness.spec.pairing import partner
from harness.spec.problems import Problems
from harness.spec.sweep_file import DeclaredRun, Experiment
from harness.spec.wording import unknown_name

MAX_LISTED = 4
SameRun = Callable[[DeclaredRun, DeclaredRun], bool]


@dataclasses.dataclass(frozen=True)
class DeclaredClaim:
    """A claim and the entry of `expect:` that makes it."""

    claim: Claim
    node: Node


@dataclasses.dataclass
class ClaimChecker:
    """Checks the claims of every experiment against all of them.

    ``same_run`` says whether two runs have one fingerprint; ``evaluations`` holds by run name how
    many steps and which evaluations the file says, before `--set`; of the ``broken`` experiments
    some run was refused, so that no partner says nothing.
    """

    experiments: Mapping[str, Experiment]
    same_run: SameRun
    evaluations: Mapping[str, Evaluations]
    broken: Collection[str]
    problems: Problems

    def check(self, experiment: Experiment, declared: DeclaredClaim) -> None:
        """Tells every reason why a claim cannot be checked, the first of each kind."""
        claim, node = declared.claim, declared.node
        if claim.experiment is not None and claim.experiment not in self.experiments:
            message = unknown_name("experiment", claim.experiment, list(self.experiments))
            self.problems.at(_deepest(node, claim), message)
            return
        if claim.experiment == experiment.name:
            self.problems.at(_deepest(node, claim), "compares the experiment with itself")
            return
        seeded = any(run.seed_index for run in experiment.runs)
        if claim.over_mean and not seeded and experiment.name not in self.broken:
            message = "over: mean needs at least 2 seeds; add seeds: N to the experiment"
            self.problems.at(node.entries()["over"], message)
        for run in experiment.runs:
            if self._check_run(run, claim, node):
                return

    def _check_run(self, run: DeclaredRun, claim: Claim, node: Node) -> bool:
        """Whether a problem was found; the further runs would only repeat it."""
        message = self._place_problem(run, claim)
        at = _place_node(node, claim)
        if message is None and claim.experiment is not None:
            at = _deepest(node, claim)
            message = self._partner_problem(run, claim)
        if message is not None:
            self.problems.at(at, message)
        return message is not None

    def _place_problem(self, run: DeclaredRun, claim: Claim) -> str | None:
        steps, place = self.evaluations[run.name].steps, claim.place
        named = [place.step, *(reference.step for reference in claim.references)]
        last_only = METRICS[claim.metric].recorded == "last step"
        if last_only and (place.window is not None or not {*named} <= {None, steps}):
            return f"{claim.metric} is recorded at the last step only ({steps:,})"
        beyond = [step for step in (*named, place.window) if step is not None and step > steps]
        if beyond:
            return f"{run.name} has {steps:,} steps, got {show(beyond[0])}"
        return self._evaluation_problem(run, claim, named)

    def _evaluation_problem(
        self, run: DeclaredRun, claim: Claim, named: Iterable[int | None]
    ) -> str | None:
        """Why a metric of evaluations has no value at the ``named`` steps or over the window."""
        evaluations = self.evaluations[run.name]
        if METRICS[claim.metric].recorded != "evaluations":
            return None
        if not evaluations.holds_out:
            return f"{claim.metric} of {run.name} {HOLD_OUT}"
        missing = [step for step in named if step is not None and step not in evaluations]
        if missing:
            where = evaluations.in_words()
            return f"{claim.metric} of {run.name} is computed at {where}, got {missing[0]:,}"
        window = claim.place.window or 1
        if window > len(evaluations):
            return f"{run.name} has {evaluations.counted()}, got {window:,}"
        return None

    def _have(self, claim: Claim) -> str:
        """The runs there are to compare with."""
        assert claim.experiment is not None
        names = [run.name for run in self.experiments[claim.experiment].runs]
        more = ", ..." if len(names) > MAX_LISTED else ""
        return f"it has {', '.join(names[:MAX_LISTED])}{more}"

    def _partner_problem(self, run: DeclaredRun, claim: Claim) -> str | None:
        assert claim.experiment is not None
        other = partner(run, self.experiments[claim.experiment])
        if other is None and claim.experiment in self.broken:
            return None
        if other is None:
            return f"no run of {claim.experiment} has the point of {run.name}; {self._have(claim)}"
        if claim.relation == "same_as":
            return self._same_as_problem(run, other, claim)
        steps = self.evaluations[other.name].steps
        wanted = claim.place.step or claim.place.window or 1
        if wanted > steps:
            return f"{other.name} has {steps:,} steps, got {wanted:,}"
        if METRICS[claim.metric].recorded == "last step" and claim.place.step not in (None, steps):
            return f"{other.name} records {claim.metric} at its last step only ({steps:,})"
        return self._evaluation_problem(other, claim, [claim.place.step])

    def _same_as_problem(self, run: DeclaredRun, other: DeclaredRun, claim: Claim) -> str | None:
        if METRICS[claim.metric].recorded == "last step":
            return f"{claim.metric} is recorded at the last step only; same_as compares every step"
        ours, theirs = self.evaluations[run.name], self.evaluations[other.name]
        if ours.steps != theirs.steps:
            return f"{run.name} has {ours.steps:,} steps and {other.name} {theirs.steps:,}"
        problem = self._evaluation_problem(other, claim, [])
        if problem is not None:
            return problem
        if METRICS[claim.metric].recorded == "evaluations" and ours.interval != theirs.interval:
            where = f"{ours.in_words()}, {other.name} at {theirs.in_words()}"
            return f"{run.name} is evaluated at {where}"
        if self.same_run(run, other):
            return f"{run.name} and {other.name} have one fingerprint: they are one run"
        return None


def _deepest(node: Node, claim: Claim) -> Node:
    """The node that names the other experiment."""
    inner = node.entries().get(claim.relation, node)
    return inner.entries().get("experiment", inner)


def _place_node(node: Node, claim: Claim) -> Node:
    for key in ("at", "last"):
        inner = node.entries().get(key)
        if inner is not None:
            return inner.entries().get(str(claim.place.step), inner)
    return node.entries()["metric"]

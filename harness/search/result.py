"""What a search came to: counts, the best trial or the front, and its claims."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping

from harness.spec.distributions import Value

STATES = ("finished", "pruned", "diverged", "failed", "infeasible")


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """A trial that ended: its number in the study, its point, and its values where it has them.

    ``reports`` are its values by step.
    """

    number: int
    state: str
    params: Mapping[str, Value]
    values: tuple[float, ...]
    reports: Mapping[int, float]
    run_id: str | None
    message: str = ""

    @property
    def is_finite(self) -> bool:
        """Whether it finished with numbers that can be compared."""
        return self.state == "finished" and all(map(math.isfinite, self.values))

    @property
    def value(self) -> float | None:
        """The value of a search with one metric."""
        return self.values[0] if self.values else None


@dataclasses.dataclass(frozen=True)
class SearchClaimResult:
    """A claim on a search: whether it holds (None: undecided), and what was seen."""

    text: str
    holds: bool | None
    observed: Value
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """A search after the call. ``study`` is its name in the storage at ``storage``."""

    name: str
    study: str
    storage: str
    directions: tuple[str, ...]
    trials: tuple[TrialResult, ...]
    claims: tuple[SearchClaimResult, ...] = ()
    run_id: str | None = None
    num_new: int = 0
    message: str = ""

    @property
    def states(self) -> dict[str, int]:
        """How many trials ended how."""
        counts = Counter(trial.state for trial in self.trials)
        return {state: counts[state] for state in STATES if counts[state]}

    @property
    def best(self) -> TrialResult | None:
        """The best finished trial, the first of equals; None with several metrics."""
        if len(self.directions) > 1:
            return None
        ended = [trial for trial in self.trials if trial.is_finite]
        sign = 1 if self.directions[0] == "minimize" else -1
        return min(ended, key=lambda t: (sign * t.values[0], t.number), default=None)

    @property
    def front(self) -> tuple[TrialResult, ...]:
        """With several metrics, the finished trials that no other beats in all of them."""
        if len(self.directions) == 1:
            return ()
        ended = [trial for trial in self.trials if trial.is_finite]
        return tuple(t for t in ended if not any(self._dominates(other, t) for other in ended))

    def _dominates(self, one: TrialResult, other: TrialResult) -> bool:
        signs = [1 if way == "minimize" else -1 for way in self.directions]
        pairs = [(s * a, s * b) for s, a, b in zip(signs, one.values, other.values, strict=True)]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def best_text(result: SearchResult) -> str:
    """The best trial in a line: its value and its point; with several metrics the front's size."""
    if len(result.directions) > 1:
        return f"{len(result.front)} on the Pareto front" if result.front else ""
    best = result.best
    if best is None:
        return ""
    point = ", ".join(f"{path}={_shown(value)}" for path, value in best.params.items())
    return f"{best.values[0]:.6g} at {point} (trial {best.number})"


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

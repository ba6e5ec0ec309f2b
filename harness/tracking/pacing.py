"""When a run's waiting losses are written while others train: often, but never at their cost.

One run is written every 2 s. With 1,024 open, at 2 ms each through rows and 15 through MLflow's
client, that alone would take the time of training, or eight times as much. So writing live spends
a share of the time that passes, and a run's turn comes again when all others can have had theirs.
"""

from __future__ import annotations

SHARE = 0.2  # of the time that passes
MOST_CREDIT_S = 0.5  # what is not spent does not pile up into a long pause


class Pacing:
    """Counts the time that writing live may take; ask at every point that comes in."""

    def __init__(self) -> None:
        self._credit_s, self._counted_at = 0.0, 0.0
        self._cost_s = 0.0  # of one write, as measured lately

    def allows(self, now: float, waited_s: float, interval_s: float, num_open: int) -> bool:
        """Whether a run that waited so long is written now, given how often it should be."""
        passed_s = now - self._counted_at
        self._credit_s = min(MOST_CREDIT_S, self._credit_s + SHARE * passed_s)
        self._counted_at = now
        return self._credit_s > 0 and waited_s >= max(interval_s, num_open * self._cost_s / SHARE)

    def spend(self, cost_s: float) -> None:
        """Count a write; its cost decides how soon a run's next turn comes."""
        self._credit_s -= cost_s
        self._cost_s = cost_s if self._cost_s == 0 else 0.8 * self._cost_s + 0.2 * cost_s

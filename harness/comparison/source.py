"""A sweep file with its store, or a whole store: read once, whatever is asked of it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from harness.planning import PlannedRun
from harness.report.rows import Curve
from harness.search.context import study_name
from harness.search.planned import PlannedSearch
from harness.spec.load import load_sweep
from harness.spec.sweep_file import Sweep
from harness.sweep import SweepPlan
from harness.tracking.read import find_runs, histories
from harness.tracking.store import Store, open_store


class Curves:
    """A metric's values by step, of runs that are read all at once, when the first is asked for."""

    def __init__(self, store: Store, run_ids: Iterable[str] = ()) -> None:
        self.store, self.run_ids = store, tuple(dict.fromkeys(run_ids))
        self._known: dict[str, dict[str, Curve]] = {}

    def among(self, run_ids: Iterable[str]) -> Curves:
        """Those of other runs of the store; what either reads, the other knows."""
        made = Curves(self.store, run_ids)
        made._known = self._known
        return made

    def __call__(self, run_id: str, metric: str) -> Curve:
        """Of one of the runs."""
        known = self._known.setdefault(metric, {})
        if run_id not in known:
            missing = [each for each in self.run_ids if each not in known]
            known |= histories(self.store, missing, metric)
        return known[run_id]


class Source:
    """A sweep with its store, or without one the whole store: its records, plans and curves.

    Raises StoreError where there is no store, or it cannot be read.
    """

    def __init__(self, sweep: Sweep | None, tracking_uri: str | None) -> None:
        self.sweep, self.store = sweep, open_store(tracking_uri, create=False)
        self._plan = SweepPlan(sweep, store=self.store) if sweep is not None else None
        self.records = find_runs(self.store) if self._plan is None else self._plan.stored
        self.curves = Curves(self.store)

    @functools.cached_property
    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs of the sweep; of a whole store none."""
        return self._plan.runs() if self._plan is not None else ()

    def studies(self) -> set[str]:
        """The names of the studies of the sweep's searches; none of them is read."""
        if self._plan is None:
            return set()
        return {study_name(self._plan, search) for search in self._plan.sweep.searches}

    @functools.cached_property
    def searches(self) -> tuple[PlannedSearch, ...]:
        """The searches of the sweep, read from their studies; of a whole store none."""
        return self._plan.searches() if self._plan is not None else ()


def open_source(file: str | Path | None, tracking_uri: str | None) -> Source:
    """The source of a sweep file, or without one of the whole store."""
    return Source(load_sweep(file) if file is not None else None, tracking_uri)

"""The searches of a call, one after another, and their claims once all are there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from harness.observer import Observer
from harness.planning import Corpora
from harness.search.claims import check_claims
from harness.search.context import Context
from harness.search.result import SearchResult
from harness.search.run_search import run_search, stored_result
from harness.spec.sweep_file import Search, Sweep
from harness.tracking.read import find_usable_runs
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store


def run_searches(
    sweep: Sweep,
    searches: Sequence[Search],
    store: Store,
    recorder: Recorder,
    observer: Observer,
    corpora: Corpora,
) -> tuple[SearchResult, ...]:
    """Run searches of a sweep in order; results with their claims checked.

    A claim that compares with a search that is not among them reads what earlier calls left of it.
    """
    stored = find_usable_runs(store, sweep.name)
    context = Context(sweep, store, recorder, observer, corpora, stored)
    results: dict[str, SearchResult | None] = {}
    for search in searches:
        results[search.name] = run_search(context, search)
    wanted = {other for search in searches for _, other in search.config.compared_with()}
    for search in sweep.searches:
        if search.name in wanted and search.name not in results:
            results[search.name] = stored_result(context, search)
    found = []
    for search in searches:
        result = results[search.name]
        assert result is not None
        claims = check_claims(search, result, results)
        found.append(dataclasses.replace(result, claims=claims))
    return tuple(found)

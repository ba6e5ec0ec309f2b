"""The searches of a plan: as a table with its sum in a line, and as `--json` prints them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.cli.tables import print_table
from harness.errors import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.search.planned import PlannedSearch


def note_forced(searches: Sequence[PlannedSearch], *, force: bool) -> None:
    """What `run --force` notes, where it has searches to leave alone."""
    from harness.cli.progress import Notes
    from harness.sweep import FORCED_SEARCHES

    if force and searches:
        Notes().on_note(FORCED_SEARCHES)


def to_json(planned: PlannedSearch) -> dict[str, Any]:
    """The keys of a search's result, of what is there now, and what is to be done.

    ``n_trials`` is as many as the study will have; ``states`` counts those that have ended.
    """
    from harness.results import search_json

    config = planned.search.config
    return {
        **search_json(planned.result),
        "n_trials": planned.num_trials,
        "to_do": planned.num_to_do,
        "reason": planned.reason,
        "sampler": config.sampler.name,
        "pruner": config.pruner.name,
        "engine": _engine(planned),
        "parallel": config.parallel,
    }


def print_searches(searches: Sequence[PlannedSearch]) -> None:
    """The plan of searches as a table, and its sum in a line."""
    rows = [
        [
            planned.search.name,
            planned.result.study,
            str(planned.num_trials),
            str(planned.num_to_do),
            ", ".join(f"{n} {state}" for state, n in planned.result.states.items()),
            planned.search.config.sampler.name,
            planned.search.config.pruner.name,
            _engine(planned),
            str(planned.search.config.parallel),
            planned.reason,
        ]
        for planned in searches
    ]
    head = ["search", "study", "trials", "to do", "ended", "sampler", "pruner", "engine"]
    print_table([*head, "parallel", "reason"], rows, right=[2, 3, 8])
    print(_sum(searches))


def _engine(planned: PlannedSearch) -> str:
    return " or ".join(planned.engines)


def _sum(searches: Sequence[PlannedSearch]) -> str:
    to_do: Counter[str] = Counter()
    for planned in searches:
        if not planned.is_done:
            to_do[planned.reason] += planned.num_to_do
    why = f" ({', '.join(f'{n:,} {reason}' for reason, n in to_do.items())})" if to_do else ""
    total = sum(planned.num_trials for planned in searches)
    left = to_do.total()
    return (
        f"{counted(len(searches), 'search')} of {counted(total, 'trial')}: "
        f"{left:,} to do{why}, {total - left:,} already done"
    )

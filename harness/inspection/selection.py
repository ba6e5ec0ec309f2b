"""Which records of a store a command is about: by name, sweep, state, kind and engine.

Trials of searches and records that a newer one replaced are left out unless they are asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import get_args

from harness.errors import NothingMatched, UsageError, nearest, show
from harness.spec.names import selects
from harness.spec.run_config import Engine
from harness.tracking import keys
from harness.tracking.read import StoredRun

STATES = (keys.RUNNING, *keys.STATUS_OF_STATE)
KINDS: tuple[str, ...] = get_args(keys.Kind)
ENGINES = tuple(sorted(set(get_args(Engine)) - {"auto"}))


@dataclasses.dataclass(frozen=True)
class Selection:
    """What is asked for; an empty field asks for everything. Names and sweeps are globs.

    A name is a run's own, one that shares it, its experiment's, or its id.
    """

    names: Sequence[str] = ()
    sweeps: Sequence[str] = ()
    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    engines: Sequence[str] = ()
    with_trials: bool = False
    with_superseded: bool = False

    @classmethod
    def of(
        cls, *asked: Sequence[str] | None, with_trials: bool, with_superseded: bool
    ) -> Selection:
        """From names, sweeps, states, kinds and engines, each None where it was not given."""
        names, sweeps, states, kinds, engines = (field or () for field in asked)
        return cls(names, sweeps, states, kinds, engines, with_trials, with_superseded)

    def __post_init__(self) -> None:
        """Raises UsageError for a state, a kind or an engine that no record can have."""
        given_and_known = {
            "state": (self.states, STATES),
            "kind": (self.kinds, KINDS),
            "engine": (self.engines, ENGINES),
        }
        for what, (given, known) in given_and_known.items():
            for word in given:
                if word not in known:
                    near = nearest(word, known)
                    hint = f"; did you mean {near}?" if near else ""
                    allowed = ", ".join(known)
                    raise UsageError(f"no {what} is called {show(word)}{hint} ({allowed})")

    def takes(self, run: StoredRun) -> bool:
        """Whether the record is asked for, hidden or not."""
        return (
            (not self.names or self._takes_name(run))
            and (not self.sweeps or any(selects(self.sweeps, name) for name in _sweeps_of(run)))
            and (not self.states or run.state in self.states)
            and (not self.kinds or run.kind in self.kinds)
            and (not self.engines or run.engine in self.engines)
        )

    def shows(self, run: StoredRun) -> bool:
        """Whether a record that is asked for is shown."""
        if run.superseded_by is not None and not self.with_superseded:
            return False
        return self.with_trials or not is_trial(run)

    def _takes_name(self, run: StoredRun) -> bool:
        names = (*run.names, run.experiment, run.run_id)
        return any(selects(self.names, name) for name in names)


def is_trial(run: StoredRun) -> bool:
    """Whether it is a search's alone, and not the record of a sweep's run too."""
    return keys.TRIAL in run.tags and not run.aliases


def select(runs: Sequence[StoredRun], selection: Selection) -> list[StoredRun]:
    """The records that are asked for and shown, in their order.

    Raises NothingMatched where there is none, and says what is hidden, or the nearest name.
    """
    taken = [run for run in runs if selection.takes(run)]
    shown = [run for run in taken if selection.shows(run)]
    if shown:
        return shown
    raise NothingMatched(_nothing(runs, taken, selection))


def _nothing(runs: Sequence[StoredRun], taken: Sequence[StoredRun], selection: Selection) -> str:
    if not runs:
        return "harness has recorded nothing in this store yet: run `harness run FILE` first"
    if taken:
        trials = sum(1 for run in taken if is_trial(run))
        hidden = f"{trials} trials (--trials shows them)" if trials else "replaced records (--all)"
        return f"nothing matches but {hidden}"
    given = (*selection.names, *selection.sweeps)
    asked = [*map(show, given), *_flags(selection)]
    known = {name for run in runs for name in (*run.names, run.experiment, *_sweeps_of(run))}
    near = next(filter(None, (nearest(word, known) for word in given)), None)
    hint = f"; did you mean {show(near)}?" if near else ""
    return f"none of the store's records matches {', '.join(asked)}{hint}"


def _flags(selection: Selection) -> list[str]:
    """What else is asked for; its words are known ones, so that none is near another."""
    fields = {"state": selection.states, "kind": selection.kinds, "engine": selection.engines}
    return [f"--{what} {word}" for what, words in fields.items() for word in words]


def _sweeps_of(run: StoredRun) -> set[str]:
    return {run.sweep, *(alias.sweep for alias in run.aliases)}

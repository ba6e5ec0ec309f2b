"""What a sweep would do, run by run, and why: the fingerprint against what the store holds.

A run is done when its fingerprint is in the store as finished or diverged, whatever it was called
there. Otherwise it is trained, and the reason says what stood in the way: nothing of that name
(`new`), one that did not end (`unfinished`, `failed`), another fingerprint under that name
(`changed`), or the user's wish (`forced`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from harness.spec.fingerprint import fingerprint, group_fingerprint
from harness.spec.names import selects, selects_search
from harness.spec.sweep_file import DeclaredRun, Search, Sweep
from harness.text.corpora import Corpus, encode
from harness.tracking import keys
from harness.tracking.read import StoredRun

Reason = Literal["new", "unfinished", "failed", "changed", "forced", "finished"]


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One declared run with its identity, and what is to be done about it.

    ``stored`` is the record that shows it (when nothing is to be done) or that it goes on in (when
    it is unfinished or failed). ``replaces`` is the record that a new one takes the place of.
    ``owner`` is the name of the earlier run of this sweep that has the same fingerprint and is
    trained instead; empty for a run that is trained itself.
    """

    declared: DeclaredRun
    corpus: Corpus
    fingerprint: str
    group: str
    reason: Reason
    stored: StoredRun | None = None
    replaces: StoredRun | None = None
    owner: str = ""

    @property
    def name(self) -> str:
        """The run's name."""
        return self.declared.name

    @property
    def engine(self) -> str:
        """The resolved engine."""
        return self.declared.config.engine

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
        return self.reason == "finished"

    @property
    def is_trained(self) -> bool:
        """Whether this run itself goes to an engine: not done, and not another's."""
        return not self.is_done and not self.owner


def selected_runs(sweep: Sweep, only: Sequence[str]) -> list[DeclaredRun]:
    """The runs whose own name or experiment one of the globs matches; all without globs."""
    return [
        run
        for run in sweep.runs
        if not only or selects(only, run.name) or selects(only, run.experiment)
    ]


def selected_searches(sweep: Sweep, only: Sequence[str]) -> list[Search]:
    """The searches that one of the globs matches, or a trial of which it could; all without."""
    return [s for s in sweep.searches if not only or selects_search(only, s.name)]


class Corpora:
    """Corpora by the text and the tokenizer, each encoded once.

    Files and builtins are cached in ``cache_dir``; with ``write`` False nothing is written there.
    """

    def __init__(self, cache_dir: Path | None, *, write: bool) -> None:
        self.cache_dir, self.write = cache_dir, write
        self._made: dict[object, Corpus] = {}

    def of(self, run: DeclaredRun) -> Corpus:
        """The corpus of a run; CorpusError when its file changed since the sweep was loaded."""
        key = (run.corpus.source, run.corpus.tokenizer.name, run.corpus.repeat)
        if key not in self._made:
            self._made[key] = encode(run.corpus, self.cache_dir, write=self.write)
        return self._made[key]


def plan_runs(
    sweep: Sweep,
    runs: Iterable[DeclaredRun],
    stored: Sequence[StoredRun],
    corpora: Corpora,
    *,
    force: bool = False,
    torch_version: str = "",
) -> list[PlannedRun]:
    """The plan, in the order of the runs; ``stored`` is every record of the store.

    An unfinished run that was begun under another ``torch_version`` is begun again, for the bits
    of the two would not fit together.
    """
    index = _Index(sweep.name, stored)
    planned: list[PlannedRun] = []
    first: dict[str, PlannedRun] = {}
    for run in runs:
        corpus = corpora.of(run)
        identity = fingerprint(run.config, corpus.digest)
        group = group_fingerprint(run.config, corpus.digest)
        base = PlannedRun(run, corpus, identity, group, "new")
        if identity in first:
            owner = first[identity]
            made = dataclasses.replace(
                base, reason=owner.reason, stored=owner.stored, owner=owner.name
            )
        else:
            made = first[identity] = _decide(base, index, force, torch_version)
        planned.append(made)
    return planned


class _Index:
    """The records of a store by fingerprint and by name."""

    def __init__(self, sweep: str, stored: Sequence[StoredRun]) -> None:
        self.by_fingerprint: dict[str, list[StoredRun]] = {}
        self.sweep = sweep
        self.names: set[str] = set()
        for run in stored:
            if run.kind != "run" or run.fingerprint is None:
                continue
            if run.superseded_by is None:
                self.by_fingerprint.setdefault(run.fingerprint, []).append(run)
            if run.sweep == sweep:
                self.names.add(run.name)
            self.names |= {alias.run for alias in run.aliases if alias.sweep == sweep}


def _decide(base: PlannedRun, index: _Index, force: bool, torch_version: str) -> PlannedRun:
    # A pruned trial's record is the trial's: its losses end where the search stopped it.
    known = [
        run
        for run in index.by_fingerprint.get(base.fingerprint, [])
        if run.state != "pruned" or (run.sweep, run.name) == (index.sweep, base.name)
    ]
    done = [run for run in known if run.is_done]
    if done and not force:
        return dataclasses.replace(base, reason="finished", stored=done[0])
    if known and force:
        return dataclasses.replace(base, reason="forced", replaces=(done or known)[-1])
    if known:
        last = known[-1]
        reason: Reason = "failed" if last.state == "failed" else "unfinished"
        if torch_version and last.tags.get(keys.TORCH) != torch_version:
            return dataclasses.replace(base, reason=reason, replaces=last)
        return dataclasses.replace(base, reason=reason, stored=last)
    return dataclasses.replace(base, reason="changed" if base.name in index.names else "new")

"""What the searches of a call share, and which study is a search's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Protocol

from harness.observer import Observer
from harness.planning import Corpora
from harness.search.curves import Curves
from harness.spec.fingerprint import fingerprint
from harness.spec.sweep_file import DeclaredRun, Search, Sweep
from harness.tracking import keys
from harness.tracking.read import StoredRun, history
from harness.tracking.store import Store

if TYPE_CHECKING:
    from harness.tracking.recorder import Recorder


class Declared(Protocol):
    """What the name of a study hangs on."""

    sweep: Sweep
    corpora: Corpora


@dataclasses.dataclass
class Context:
    """What the searches of a call share; ``stored`` are all records, kept up to date."""

    sweep: Sweep
    store: Store
    recorder: Recorder
    observer: Observer
    corpora: Corpora
    stored: list[StoredRun]

    def curves_of(self, run_id: str) -> Curves:
        """What a record holds of the run's losses."""
        curves = Curves()
        losses, evaluations = (
            history(self.store, run_id, metric) for metric in (keys.TRAIN_LOSS, keys.VAL_LOSS)
        )
        curves.add(losses.items(), evaluations.items())
        return curves


def study_name(context: Declared, search: Search) -> str:
    """The study of a search: a changed search is another study, and the old one is kept."""
    digest = hashlib.sha256(definition(context, search).encode()).hexdigest()[:8]
    return f"{context.sweep.name}/{search.name}/{digest}"


def definition(context: Declared, search: Search) -> str:
    """Everything that decides a trial, as JSON; how many there are and what is claimed does not."""
    config = search.config
    named = DeclaredRun(search.name, search.name, "", (), None, search.base, search.corpus)
    decides = {
        **config.model_dump(
            mode="python",
            exclude={"n_trials", "timeout_s", "storage", "expect", "space", "constraints"},
        ),
        "space": [
            (
                p.name,
                p.values.model_dump(mode="json", exclude={"when"}),
                sorted(p.conditions.items()),
            )
            for p in config.space.parameters
        ],
        "constraints": [str(constraint) for constraint in config.constraints],
        "base": fingerprint(search.base, context.corpora.of(named).digest),
    }
    return json.dumps(decides, sort_keys=True, separators=(",", ":"), default=str)

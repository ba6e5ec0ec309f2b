"""The chapter's run after some steps, and its checkpoint."""

from __future__ import annotations

import dataclasses

from chapter import chapter_corpus, chapter_run

from harness.gpt.checkpoint import Checkpoint
from harness.train.engines import ENGINES
from harness.train.resume import checkpoint_of
from harness.train.state import start

STEPS = 2


def trained(seed: int) -> Checkpoint:
    """A checkpoint after `STEPS`, of another model for another seed."""
    run = chapter_run()
    seeds = run.config.seed.model_copy(update={"model": seed})
    config = run.config.model_copy(update={"seed": seeds})
    state = start(config, chapter_corpus(dataclasses.replace(run, config=config)))
    ENGINES["plain"](state, lambda records: {0} if records[-1].first_step >= STEPS else ())
    return checkpoint_of(state, f"v1-{seed:032x}")

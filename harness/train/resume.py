"""From a training to its checkpoint and back, to the same bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import torch

from harness.errors import CheckpointError, escape
from harness.gpt.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_training_state,
    verify_checkpoint,
)
from harness.gpt.training_file import TrainingSnapshot
from harness.gpt.weights import CorpusHead
from harness.spec.records import SavedCheckpoint
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus
from harness.train.state import TrainingState, start


def checkpoint_of(state: TrainingState, fingerprint: str) -> Checkpoint:
    """The checkpoint of a run as it is now, for `save_checkpoint`; shares the run's tensors."""
    return Checkpoint(
        model=state.model,
        tokenizer=state.corpus.info.tokenizer,
        corpus=CorpusHead.of(state.corpus, state.config.train.seq_len),
        training=TrainingSnapshot.take(state.step, state.optimizer, state.batches, state.device),
        fingerprint=fingerprint,
    )


def restore(state: TrainingState, directory: Path) -> None:
    """Take a run that `start` made to where the checkpoint in `directory` left it.

    The dropout stream is torch's global one: train the run right after. Raises CheckpointError for
    a checkpoint that is damaged or of other settings.
    """
    loaded = load_checkpoint(directory)
    snapshot = load_training_state(directory)
    if loaded.config != state.model.config or loaded.corpus.digest != state.corpus.digest:
        raise CheckpointError(
            f"{escape(str(directory))}: the checkpoint's model or corpus is not this run's; resume "
            "it with the settings that it was begun with"
        )
    with torch.no_grad():
        state.model.load_state_dict(loaded.model.state_dict())
    snapshot.restore(state.optimizer, state.batches, state.device)
    state.step = snapshot.step


@dataclasses.dataclass(frozen=True)
class Begun:
    """A run ready for its next step: after ``saved``, or at its start where that is None.

    ``unusable`` says of each newer checkpoint what is wrong with it.
    """

    state: TrainingState
    saved: SavedCheckpoint | None
    unusable: tuple[str, ...]


def begin_or_resume(
    config: RunConfig, corpus: Corpus, fingerprint: str, saved: Iterable[SavedCheckpoint]
) -> Begun:
    """A run taken to the first of ``saved`` that is whole and its own, or else to its start.

    The dropout stream is torch's global one, as after `restore`.
    """
    unusable: list[str] = []
    for checkpoint in saved:
        state = start(config, corpus)  # anew each time: a failure may leave half of another in it
        try:
            _check(checkpoint, fingerprint)
            restore(state, checkpoint.directory)
        except CheckpointError as error:
            unusable.append(str(error))
        else:
            return Begun(state, checkpoint, tuple(unusable))
    return Begun(start(config, corpus), None, tuple(unusable))


def _check(checkpoint: SavedCheckpoint, fingerprint: str) -> None:
    """A CheckpointError unless the checkpoint is whole, of that step and of that run."""
    manifest = verify_checkpoint(checkpoint.directory)
    where = escape(str(checkpoint.directory))
    if manifest.fingerprint != fingerprint:
        raise CheckpointError(f"{where}: is the checkpoint of another run")
    if manifest.step != checkpoint.step:
        raise CheckpointError(f"{where}: is of step {manifest.step}, not {checkpoint.step}")

"""From a training to its checkpoint and back, to the same bits."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.errors import CheckpointError, escape
from harness.gpt.checkpoint import Checkpoint, load_checkpoint, load_training_state
from harness.gpt.training_file import TrainingSnapshot
from harness.gpt.weights import CorpusHead
from harness.train.state import TrainingState


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

"""The engine `plain`: the four lines of section 14.5, and one hook after them.

The hook carries everything that happens to a run while it trains: recording, checkpoints,
pruning, Ctrl-C. Losses are those of `bare` to the last bit.
"""

from __future__ import annotations

from harness.gpt.batch import get_batch
from harness.spec.records import LossRecord
from harness.train.on_steps import OnSteps
from harness.train.state import TrainingState, begin


def train(state: TrainingState, on_steps: OnSteps) -> None:
    """Train until the last step, or until `on_steps` answers with run 0.

    The loss at step N is computed before update N; when the hook hears of it, `state` holds the
    weights after update N. A loss that is not finite is passed on like any other: the hook
    decides what it means.
    """
    begin(state)
    model, optimizer, data, batches = state.model, state.optimizer, state.data, state.batches
    B, T = state.config.train.batch_size, state.config.train.seq_len
    while state.step < state.config.train.steps:
        x, y = get_batch(data, B, T, batches)  # (B, T)
        optimizer.zero_grad()
        _, loss = model(x, y)
        loss.backward()
        optimizer.step()
        state.step += 1
        stop = on_steps([LossRecord(0, state.step, (loss.item(),))])
        if 0 in stop:
            return

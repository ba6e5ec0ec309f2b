"""The engine `bare`: section 14.5's loop, with nothing around the four lines.

The yardstick for everything else: a run by any other engine that says `same_as` one of these has
the same losses to the last bit. No hook is called while it trains, so it cannot be stopped,
pruned or resumed midway.
"""

from __future__ import annotations

from harness.gpt.batch import get_batch
from harness.spec.records import LossRecord
from harness.train.on_steps import OnSteps
from harness.train.state import TrainingState, begin


def train(state: TrainingState, on_steps: OnSteps) -> None:
    """Train to the last step, then hand all losses to `on_steps` at once.

    The loss at step N is computed before update N. A loss that is not finite changes nothing here.
    """
    begin(state)
    model, optimizer, data, batches = state.model, state.optimizer, state.data, state.batches
    first, last = state.step + 1, state.config.train.steps
    B, T = state.config.train.batch_size, state.config.train.seq_len
    losses: list[float] = []
    for _ in range(first, last + 1):
        x, y = get_batch(data, B, T, batches)
        optimizer.zero_grad()
        _, loss = model(x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    state.step = last
    if losses:
        on_steps([LossRecord(0, first, losses)])

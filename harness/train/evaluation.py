"""`val/loss`: how well a model predicts what it was not trained on.

The windows are those of `eval_batches` batches, drawn once from the held-out ids by a generator of
its own, and the same at every evaluation: a curve shows the model alone, not the luck of the draw.

Guarantees: the value is a function of the weights and the run config, whichever engine trained them
and whatever it was trained beside, so that a checkpoint gives it again to the bit; evaluating draws
from none of the streams that training draws from.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import torch

from harness.gpt.batch import windows
from harness.gpt.evaluation import evaluating
from harness.gpt.model import GPT
from harness.spec.run_config import RunConfig
from harness.train.state import prepare_process

# Windows go through the model together, up to so many tokens, or a batch where that is more: the
# chapter's 8 batches of 4 x 8 tokens take 0.8 ms at once and 5 ms one after another.
TOKENS_TOGETHER = 1024


class Evaluation:
    """The evaluation of a run on its held-out ids: at least seq_len + 2, on the run's device."""

    def __init__(self, config: RunConfig, held_out: torch.Tensor) -> None:
        self.config, self.held_out = config, held_out
        train = config.train
        num_windows = train.eval_batches * train.batch_size
        generator = torch.Generator().manual_seed(window_seed(config.seed.data))
        size = (num_windows,)  # one draw of all takes the same numbers as one draw a batch
        self.starts = torch.randint(0, len(held_out) - train.seq_len - 1, size, generator=generator)
        self.together = max(train.batch_size, TOKENS_TOGETHER // train.seq_len)

    def loss(self, model: GPT) -> float:
        """The mean cross-entropy over the tokens of all windows in nats, dropout off."""
        prepare_process(self.config)
        seq_len = self.config.train.seq_len
        sums: list[float] = []
        with evaluating(model):
            for first in range(0, len(self.starts), self.together):
                starts = self.starts[first : first + self.together]
                x, y = windows(self.held_out, starts, seq_len)  # (n, T)
                _, loss = model(x, y)
                assert loss is not None
                sums.append(loss.item() * y.numel())
        return math.fsum(sums) / (len(self.starts) * seq_len)


def evaluation_of(
    config: RunConfig, held_out: torch.Tensor, model_now: Callable[[], GPT]
) -> Callable[[], float] | None:
    """What gives `val/loss` of the model that `model_now` gives; None where nothing is held out."""
    if not len(held_out):
        return None
    evaluation = Evaluation(config, held_out)
    return lambda: evaluation.loss(model_now())


def window_seed(data_seed: int) -> int:
    """The seed of the windows' generator, from `seed.data`: another stream than the batches'.

    The first 63 bits of SHA-256 over "val/loss " and the seed in decimal.
    """
    digest = hashlib.sha256(f"val/loss {data_seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1

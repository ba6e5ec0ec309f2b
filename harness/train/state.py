"""A training in progress: what the engines advance, hooks look at and checkpoints save.

Guarantees: a run's numbers depend on its config and corpus alone. `start` seeds right before the
model is built; batches come from a generator of the run's own; `begin`, which every engine calls
first, sets threads, determinism and the dropout stream, whatever ran in this process before.
"""

from __future__ import annotations

import dataclasses
import os

import torch

from harness.errors import UsageError
from harness.gpt.model import GPT
from harness.gpt.seed import set_seed
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus
from harness.train.data import corpus_tensor, split
from harness.train.optimizers import build_optimizer

# cuBLAS sums in a fixed order only with one of these workspaces (torch's notes on randomness).
DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")
WORKSPACE_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"


@dataclasses.dataclass
class TrainingState:
    """One run between two steps."""

    config: RunConfig
    corpus: Corpus
    model: GPT
    optimizer: torch.optim.Optimizer
    data: torch.Tensor
    """The ids that are trained on, on the run's device; see `split`."""
    held_out: torch.Tensor
    """The other ids, beside them."""
    batches: torch.Generator
    """Draws the batches, on the CPU whatever the device."""
    step: int = 0
    """Updates made so far."""

    @property
    def device(self) -> torch.device:
        """Where the model and the data are."""
        return self.data.device


def start(config: RunConfig, corpus: Corpus) -> TrainingState:
    """A run before its first step.

    Weights are drawn on the CPU, from `seed.model`, and then moved to the device. Raises
    UsageError when the device is not there.
    """
    device = _device(config)
    prepare_process(config)
    config = config.with_vocab_size(corpus.info.tokenizer.vocab_size)
    assert (config.model.vocab_size or 0) >= corpus.info.tokenizer.vocab_size
    set_seed(config.seed.model)
    model = GPT.from_config(config.model).to(device)
    optimizer = build_optimizer(model.parameters(), config.optimizer)
    batches = torch.Generator().manual_seed(config.seed.data)
    data, held_out = split(corpus_tensor(corpus).to(device), config.data)
    return TrainingState(config, corpus, model, optimizer, data, held_out, batches)


def begin(state: TrainingState) -> None:
    """Make the process ready for the run's next step; an engine calls it before its loop.

    The dropout stream is torch's global one. It starts here for a new run; one that goes on has
    been given its own by `restore` just before.
    """
    prepare_process(state.config)
    state.model.train()
    if state.step == 0:
        set_seed(state.config.seed.data)


def deterministic(config: RunConfig) -> bool:
    """Whether running `config` again on such a machine is promised to give the same bits."""
    if config.train.device == "cpu":
        return True
    return os.environ.get(WORKSPACE_VARIABLE, DETERMINISTIC_WORKSPACES[0]) in (
        DETERMINISTIC_WORKSPACES
    )


def prepare_process(config: RunConfig) -> None:
    """Threads and determinism, which torch keeps for the whole process."""
    torch.set_num_threads(config.train.threads)
    on_cuda = config.train.device != "cpu"
    if on_cuda:
        os.environ.setdefault(WORKSPACE_VARIABLE, DETERMINISTIC_WORKSPACES[0])
    if torch.are_deterministic_algorithms_enabled() != on_cuda:  # to ask imports nothing
        torch.use_deterministic_algorithms(on_cuda)


def _device(config: RunConfig) -> torch.device:
    device = torch.device(config.train.device)
    if device.type == "cuda":
        found = torch.cuda.device_count()
        if (device.index or 0) >= found:
            raise UsageError(
                f"train.device: {config.train.device} is not on this machine, which has {found} "
                "CUDA devices; cpu always is"
            )
    return device

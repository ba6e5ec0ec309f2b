"""One run of a stack, and its way from and to the state that the other engines train.

Making a torch module takes as long as 65 steps of training in a stack, so that neither it nor an
optimizer is made unless a checkpoint or an evaluation asks for it.

Guarantees: what `state` gives is what this run would have alone, to the bit, between any two
chunks; a state at any step, of any engine, can be gone on with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.gpt.model import GPT
from harness.gpt.seed import set_seed
from harness.spec.run_config import RunConfig
from harness.spec.stacking import unsupported
from harness.text.corpora import Corpus
from harness.train.data import corpus_tensor, split
from harness.train.optimizers import build_optimizer
from harness.train.stacked.batches import Windows
from harness.train.stacked.layout import num_weights, shape_of, weight_shapes
from harness.train.stacked.settings import NUM_MOMENTS, settings_of
from harness.train.stacked.weights import initial_weights
from harness.train.state import TrainingState

Floats = npt.NDArray[np.float32]
ADAM_STATE = ("exp_avg", "exp_avg_sq")
SGD_STATE = ("momentum_buffer",)


class StackedRun:
    """One run between two chunks of steps.

    `weights` (P,) and each of `moments` (P,) are in the order of `layout`; while the run is in a
    stack they are views of a lane, and always as of `step`.
    """

    def __init__(
        self,
        config: RunConfig,
        corpus: Corpus,
        data: torch.Tensor,
        held_out: torch.Tensor,
        weights: Floats,
        moments: list[Floats],
        batches: torch.Generator,
        step: int,
    ) -> None:
        assert unsupported(config) is None, unsupported(config)
        self.config, self.corpus = config, corpus
        self.data, self.held_out = data, held_out
        self.weights, self.moments = weights, moments
        self.step = step
        self.shape = shape_of(config)
        self.settings = settings_of(config.optimizer)
        self.ids: npt.NDArray[Any] = data.numpy()
        self.windows = Windows(batches, len(data), self.shape)

    @property
    def batches(self) -> torch.Generator:
        """Draws the batches; as after `step`."""
        return self.windows.generator()

    @property
    def parameter_places(self) -> range:
        """The module's parameters, counted as torch's optimizer counts them."""
        return range(len(weight_shapes(self.shape)))

    @property
    def remaining(self) -> int:
        """Steps to go."""
        return self.config.train.steps - self.step

    def state(self) -> TrainingState:
        """The run as a torch model and optimizer of its own, for another engine.

        torch's global random state, which a checkpoint keeps too, is set to what `begin` sets for
        this run, wherever the process was: save right after.
        """
        model = GPT.from_config(self.config.model)
        set_seed(self.config.seed.data)
        optimizer = build_optimizer(model.parameters(), self.config.optimizer)
        batches = torch.Generator()
        batches.set_state(self.batches.get_state())
        state = TrainingState(
            *(self.config, self.corpus, model, optimizer),
            *(self.data, self.held_out, batches, self.step),
        )
        self.write_to(state)
        return state

    def write_to(self, state: TrainingState) -> None:
        """Put weights, optimizer state and step into a state of the same settings."""
        self.write_weights(state.model)
        parameters = list(state.model.parameters())
        for i, kept in self.optimizer_state().items():
            state.optimizer.state[parameters[i]] = kept
        state.step = self.step

    def write_weights(self, model: GPT) -> None:
        """Put the weights into a module of the same config."""
        with torch.no_grad():
            for parameter, row in zip(model.parameters(), self._split(self.weights), strict=True):
                parameter.copy_(row)

    def optimizer_state(self) -> dict[int, dict[str, torch.Tensor]]:
        """What torch's optimizer would keep of each parameter, by its place; copies."""
        if self.step == 0:
            return {}
        rows = [self._split(moment) for moment in self.moments]
        if self.settings.family == "adam":
            return {
                i: {"step": torch.tensor(float(self.step))}
                | {name: row[i].clone() for name, row in zip(ADAM_STATE, rows, strict=True)}
                for i in self.parameter_places
            }
        if self.config.optimizer.arguments()["momentum"] == 0:
            return {}  # torch keeps nothing
        return {i: {SGD_STATE[0]: rows[0][i].clone()} for i in self.parameter_places}

    def _split(self, flat: Floats) -> list[torch.Tensor]:
        """The flat row as tensors in the shapes of the model's parameters."""
        shapes = weight_shapes(self.shape)
        row = torch.from_numpy(np.ascontiguousarray(flat))
        pieces = row.split_with_sizes([math.prod(one) for one in shapes])
        return [piece.view(s) for piece, s in zip(pieces, shapes, strict=True)]


def start_runs(begun: Iterable[tuple[RunConfig, Corpus]]) -> list[StackedRun]:
    """Runs before their first step; those of equal corpora share one tensor of ids."""
    tensors: dict[str, torch.Tensor] = {}
    runs = []
    for config, corpus in begun:
        if corpus.digest not in tensors:
            tensors[corpus.digest] = corpus_tensor(corpus)
        runs.append(_start(config, corpus, tensors[corpus.digest]))
    return runs


def _start(config: RunConfig, corpus: Corpus, ids: torch.Tensor) -> StackedRun:
    config = config.with_vocab_size(corpus.info.tokenizer.vocab_size)
    shape = shape_of(config)
    moments = _no_moments(config)
    weights = initial_weights(shape, config.seed.model)
    batches = torch.Generator().manual_seed(config.seed.data)
    data, held_out = split(ids, config.data)
    return StackedRun(config, corpus, data, held_out, weights, moments, batches, 0)


def run_of(state: TrainingState) -> StackedRun:
    """A run that goes on from `state`, at whatever step, and advances its `batches`."""
    parameters = list(state.model.parameters())
    family = settings_of(state.config.optimizer).family
    moments = _no_moments(state.config)
    kept = [state.optimizer.state.get(parameter, {}) for parameter in parameters]
    for moment, name in zip(moments, ADAM_STATE if family == "adam" else SGD_STATE, strict=True):
        if state.step > 0 and all(name in one for one in kept):
            moment[:] = _joined(one[name] for one in kept)
    weights = _joined(parameters)
    return StackedRun(
        *(state.config, state.corpus, state.data, state.held_out),
        *(weights, moments, state.batches, state.step),
    )


def _no_moments(config: RunConfig) -> list[Floats]:
    size, family = num_weights(shape_of(config)), settings_of(config.optimizer).family
    return [np.zeros(size, np.float32) for _ in range(NUM_MOMENTS[family])]


def _joined(tensors: Iterable[torch.Tensor]) -> Floats:
    flat: Floats = torch.cat([tensor.detach().flatten() for tensor in tensors]).numpy()
    return flat

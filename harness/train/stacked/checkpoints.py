"""A run of a stack as a model and a checkpoint, without a torch optimizer, in a module made once.

torch's first optimizer imports `torch._dynamo`, and so does a module on the device `meta`: 0.9 s,
of the 6 that a sweep of 64 short runs takes. Making a module for each run took 2.8 ms of the 10
that its end took. Evaluations take the same module: 0.8 ms, as long as 100 steps of training in a
stack, and the value is to the bit the one that `plain` computes from these weights.

Guarantee: the files are, to the byte, those of `harness.train.resume.checkpoint_of` on the state
that `StackedRun.state` makes (a test compares them for each optimizer).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import torch

from harness.gpt.checkpoint import Checkpoint
from harness.gpt.model import GPT
from harness.gpt.seed import TORCH
from harness.gpt.training_file import BATCHES, TrainingSnapshot
from harness.gpt.weights import CorpusHead
from harness.spec.run_config import ModelConfig
from harness.train.evaluation import evaluation_of
from harness.train.optimizers import TORCH_CLASSES
from harness.train.stacked.run import StackedRun


class Checkpoints:
    """Makes models and checkpoints of a stack's runs: each is good until the next one is made."""

    def __init__(self) -> None:
        self._models: dict[ModelConfig, GPT] = {}

    def of(self, run: StackedRun, fingerprint: str) -> Checkpoint:
        """The checkpoint of a run as it is now."""
        return Checkpoint(
            model=self.model_of(run),
            tokenizer=run.corpus.info.tokenizer,
            corpus=CorpusHead.of(run.corpus, run.config.train.seq_len),
            training=_snapshot(run),
            fingerprint=fingerprint,
        )

    def model_of(self, run: StackedRun) -> GPT:
        """The model of a run as it is now."""
        config = run.config.model
        if config not in self._models:
            self._models[config] = GPT.from_config(config).eval()
        run.write_weights(self._models[config])
        return self._models[config]

    def evaluation_of(self, run: StackedRun) -> Callable[[], float] | None:
        """What gives `val/loss` of a run as it is then; see `harness.train.evaluation`."""
        model_now = functools.partial(self.model_of, run)
        return evaluation_of(run.config, run.held_out, model_now)


def _snapshot(run: StackedRun) -> TrainingSnapshot:
    """Of torch's global random state, where `set_seed` would put it for this run."""
    seeded = torch.Generator().manual_seed(run.config.seed.data)
    return TrainingSnapshot(
        step=run.step,
        optimizer_class=run.config.optimizer.torch_class,
        optimizer={"state": run.optimizer_state(), "param_groups": [_param_group(run)]},
        random={BATCHES: run.batches.get_state(), TORCH: seeded.get_state()},
        torch_version=torch.__version__,
    )


def _param_group(run: StackedRun) -> dict[str, object]:
    """The only group, as torch's optimizer has it; its Adam is its AdamW with a switch."""
    config = run.config.optimizer
    group = {**_defaults(config.torch_class), **config.arguments()}
    if run.settings.family == "adam":
        group["decoupled_weight_decay"] = config.torch_class == "AdamW"
    return {**group, "params": list(run.parameter_places)}


@functools.cache
def _defaults(torch_class: str) -> dict[str, object]:
    """What torch's class takes for arguments that are not given."""
    parameters = inspect.signature(TORCH_CLASSES[torch_class]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "params"}

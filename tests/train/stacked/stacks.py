"""Runs of all kinds in stacks, and what comes out of them as bits."""

import numpy as np
from chapter_run import make_config, make_corpus

from harness.train.stacked.driver import train
from harness.train.stacked.run import StackedRun, start_runs

ODD_SHAPES = {
    "chapter": {},
    "C6 H3 T5 B3 V5": {
        "model": {"embed_dim": 6, "num_heads": 3, "num_layers": 1, "max_seq_len": 7},
        "data": {"text": "a b c d e", "repeat": 9},
        "train": {"batch_size": 3, "seq_len": 5},
    },
    "T1 B1": {
        "model": {"embed_dim": 4, "num_heads": 1, "num_layers": 1, "max_seq_len": 1},
        "train": {"batch_size": 1, "seq_len": 1},
    },
    "C5 H5 N3 B17": {
        "model": {"embed_dim": 5, "num_heads": 5, "num_layers": 3, "max_seq_len": 9},
        "train": {"batch_size": 17, "seq_len": 9},
    },
    "C12 H2 T33 V11": {
        "model": {"embed_dim": 12, "num_heads": 2, "num_layers": 2, "max_seq_len": 40},
        "data": {"text": "a b c d e f g h i j k", "repeat": 20},
        "train": {"batch_size": 2, "seq_len": 33},
    },
    "V1 C1": {
        "model": {"embed_dim": 1, "num_heads": 1, "num_layers": 1, "max_seq_len": 3},
        "data": {"text": "a", "repeat": 20},
        "train": {"batch_size": 2, "seq_len": 3},
    },
}

OPTIMIZERS = [
    {"name": "adamw", "lr": 1e-2},
    {"name": "adamw", "lr": 3e-2, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.3},
    {"name": "adamw", "lr": 1e-2, "betas": (0.0, 0.5), "weight_decay": 0.0},
    {"name": "adam", "lr": 1e-2},
    {"name": "adam", "lr": 1e-3, "weight_decay": 0.1},
    {"name": "sgd", "lr": 0.1},
    {"name": "sgd", "lr": 0.05, "weight_decay": 0.01},
    {"name": "sgd", "lr": 0.02, "momentum": 0.9},
    {"name": "sgd", "lr": 0.02, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.02},
    {"name": "sgd", "lr": 0.02, "momentum": 0.8, "nesterov": True},
]


def start(*configs) -> list[StackedRun]:
    return start_runs((config, make_corpus(config)) for config in configs)


class Heard:
    """A hook that keeps the losses of each run, and stops some at given steps."""

    def __init__(self, stop_at=None):
        self.losses = {}
        self.stop_at = stop_at or {}
        self.num_calls = 0

    def __call__(self, records):
        self.num_calls += 1
        assert len({record.run for record in records}) == len(records)
        for run, first_step, losses in records:
            told = self.losses.setdefault(run, [])
            assert not told or first_step == self.last[run] + 1
            told += losses
            self.last = {**getattr(self, "last", {}), run: first_step + len(losses) - 1}
        return {run for run, step in self.stop_at.items() if self.last.get(run, 0) >= step}


def trained(runs, **options):
    """Losses, weights and moments of each run after training, as bytes."""
    heard = Heard(options.pop("stop_at", None))
    train(runs, heard, **options)
    return [
        (
            np.array(heard.losses.get(i, []), np.float32).tobytes(),
            run.weights.tobytes(),
            [moment.tobytes() for moment in run.moments],
            run.batches.get_state().numpy().tobytes(),
        )
        for i, run in enumerate(runs)
    ]


__all__ = ["ODD_SHAPES", "OPTIMIZERS", "Heard", "make_config", "start", "trained"]

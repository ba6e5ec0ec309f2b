"""Optuna's samplers, made anew for every trial.

A sampler rebuilt from its seed begins its random numbers again: after a resume, a random search
repeats its points. Here each trial has a sampler of its own, seeded by the search's seed and the
trial's number. A suggestion then depends on these and on the study so far, never on how many calls
made the study, and there is no state of a sampler to keep.
"""

from __future__ import annotations

import hashlib

import optuna

from harness.spec.samplers import CmaEs, Grid, SamplerConfig

# Samplers that keep something in the study at every ask: the study is rebuilt by asking again.
# CMA-ES keeps its state as a pickle, which is never read back from a database this way.
KEEPS_STATE = frozenset({"cmaes", "qmc"})


def sampler_for(config: SamplerConfig, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of trial ``number``.

    A grid's points are enumerated by `grid.grid_points`; its sampler never chooses.
    """
    own = trial_seed(config.seed, number)
    if isinstance(config, Grid):
        return optuna.samplers.RandomSampler(seed=own)
    made = getattr(optuna.samplers, config.optuna_class)
    arguments = config.arguments()
    if config.name == "qmc":  # one sequence for all trials; only what it cannot draw is a trial's
        arguments |= {
            "independent_sampler": optuna.samplers.RandomSampler(seed=own),
            "warn_asynchronous_seeding": False,
        }
    else:
        arguments["seed"] = own
    if isinstance(config, CmaEs):
        arguments["independent_sampler"] = optuna.samplers.RandomSampler(seed=own)
    if config.name in ("qmc", "cmaes", "gp"):
        arguments["warn_independent_sampling"] = False
    sampler: optuna.samplers.BaseSampler = made(**arguments)
    return sampler


def trial_seed(seed: int, number: int) -> int:
    """A seed for one trial, 0 to 2^31 - 1."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1

"""The loop under Optuna: `with_optuna.py LR ...`, one trial a rate; nothing reaches the disk."""

from __future__ import annotations

import sys

import optuna
from plain_loop import train


def main() -> None:
    rates = list(map(float, sys.argv[1:]))

    def objective(trial: optuna.Trial) -> float:
        last = 0.0

        def on_loss(step: int, loss: float) -> None:
            nonlocal last
            trial.report(loss, step)
            last = loss

        train(trial.suggest_categorical("lr", rates), on_loss)
        return last

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"lr": rates}, seed=0))
    study.optimize(objective, n_trials=len(rates))
    assert len(study.trials) == len(rates)


if __name__ == "__main__":
    main()

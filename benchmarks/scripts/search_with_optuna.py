"""A learning-rate search as it is scripted today: `search_with_optuna.py SEED WAY`.

Optuna's `optimize` around the plain loop, a report every ten steps, the study in SQLite. WAY is how
it reaches MLflow: `per-step` (a run a trial, `mlflow.log_metric` at every step) or `callback`
(`MLflowCallback`: a run a trial with its value and parameters, and no curve). Prints the seconds
after the imports and the best value, as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings

import mlflow
import optuna
from optuna_integration.mlflow import MLflowCallback
from plain_loop import PARAMS, train

N_TRIALS, REPORT_EVERY, LAST = 64, 10, 20
STORE = "sqlite:///mlflow.db"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", type=int)
    parser.add_argument("way", choices=["per-step", "callback"])
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")  # the callback is deprecated, and is what users have
    began = time.perf_counter()
    best = search(arguments.seed, per_step=arguments.way == "per-step")
    print(json.dumps({"seconds": time.perf_counter() - began, "best": best}))


def search(seed: int, *, per_step: bool) -> float:
    mlflow.set_tracking_uri(STORE)
    study = optuna.create_study(
        study_name="adamw-lr",
        storage="sqlite:///optuna.db",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=25, reduction_factor=3),
    )
    study.enqueue_trial({"lr": 1e-2})
    if per_step:
        mlflow.set_experiment("search")
        study.optimize(logged_objective, n_trials=N_TRIALS)
    else:
        callback = MLflowCallback(tracking_uri=STORE, metric_name="loss")
        study.optimize(lambda trial: objective(trial), n_trials=N_TRIALS, callbacks=[callback])
    assert len(study.trials) == N_TRIALS
    return study.best_value


def logged_objective(trial: optuna.Trial) -> float:
    with mlflow.start_run(run_name=f"trial {trial.number}"):
        mlflow.log_params(PARAMS)
        return objective(trial, logged=True)


def objective(trial: optuna.Trial, *, logged: bool = False) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    if logged:
        mlflow.log_param("lr", lr)
    losses: list[float] = []

    def on_loss(step: int, loss: float) -> None:
        losses.append(loss)
        if logged:
            mlflow.log_metric("train/loss", loss, step=step)
        if step % REPORT_EVERY == 0:
            trial.report(statistics.fmean(losses[-LAST:]), step)
            if trial.should_prune():
                raise optuna.TrialPruned

    train(lr, on_loss)
    return statistics.fmean(losses[-LAST:])


if __name__ == "__main__":
    main()

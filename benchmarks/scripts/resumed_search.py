"""The control of a search: `resumed_search.py N_TRIALS STEPS` in a directory with a store.

Optuna's `optimize` with the study in SQLite, `load_if_exists`, and after a kill what is missing of
the trials; a run of MLflow a trial, with `mlflow.log_metric` at every step.
"""

from __future__ import annotations

import sys

import mlflow
import optuna
import torch

import harness


def main() -> None:
    n_trials, steps = map(int, sys.argv[1:])
    mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
    mlflow.set_experiment("search")
    study = optuna.create_study(
        study_name="search",
        storage="sqlite:///mlruns/optuna.db",
        sampler=optuna.samplers.TPESampler(seed=0),
        load_if_exists=True,
    )
    study.optimize(lambda trial: train(trial, steps), n_trials=n_trials - len(study.trials))


def train(trial: optuna.Trial, steps: int) -> float:
    lr = trial.suggest_float("lr", 1e-4, 1.0, log=True)
    with mlflow.start_run(run_name=f"trial-{trial.number}"):
        harness.set_seed(0)
        model = harness.GPT(vocab_size=3, embed_dim=4, num_heads=1, num_layers=1, max_seq_len=8)
        optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        data = torch.tensor([0, 1, 2] * 8)
        harness.set_seed(42)
        for step in range(1, steps + 1):
            x, y = harness.get_batch(data, 2, 4)
            optimizer.zero_grad()
            _, loss = model(x, y)
            loss.backward()
            optimizer.step()
            mlflow.log_metric("train/loss", loss.item(), step=step)
        return loss.item()


if __name__ == "__main__":
    main()

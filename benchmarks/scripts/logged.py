"""A sweep as it is scripted today: `logged.py LR ...` in a directory with a store of MLflow's own.

One run after another, `mlflow.log_metric` at every step, a checkpoint of torch's as an artifact.
"""

from __future__ import annotations

import sys

import mlflow
import torch
from plain_loop import PARAMS, train


def main() -> None:
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("sweep")
    for lr in map(float, sys.argv[1:]):
        with mlflow.start_run(run_name=f"lr={lr}"):
            mlflow.log_params({**PARAMS, "lr": lr})
            model, optimizer = train(
                lr, lambda step, loss: mlflow.log_metric("train/loss", loss, step=step)
            )
            checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(checkpoint, "checkpoint.pt")
            mlflow.log_artifact("checkpoint.pt")


if __name__ == "__main__":
    main()

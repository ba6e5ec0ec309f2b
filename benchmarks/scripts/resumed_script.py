"""The control: a sweep as it is scripted today, with what is usually done to resume it.

`resumed_script.py NUM_RUNS STEPS [WORKERS]` in a directory with a store: the loop with
`mlflow.log_metric` at every step, `torch.save` in place every 25 steps, the run's id in a file, and
after a kill the same run again from the checkpoint, which is an artifact at the end. There is no
protection against a kill in the middle of anything, the random states are not saved, and points
have the time of the clock.
"""

from __future__ import annotations

import concurrent.futures
import json
import sys
from pathlib import Path

import mlflow
import torch

import harness

EVERY = 25


def main() -> None:
    num_runs, steps, *workers = map(int, sys.argv[1:])
    mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
    mlflow.set_experiment("script")
    if workers:
        with concurrent.futures.ProcessPoolExecutor(*workers) as pool:
            list(pool.map(train, range(num_runs), [steps] * num_runs))
        return
    for i in range(num_runs):
        train(i, steps)


def train(i: int, steps: int) -> None:
    kept = Path(f"run-{i}.json")
    state = json.loads(kept.read_text()) if kept.exists() else {}
    if state.get("done"):
        return
    run_id = state.get("run_id")
    with mlflow.start_run(run_id=run_id, run_name=None if run_id else f"run-{i}") as run:
        kept.write_text(json.dumps({"run_id": run.info.run_id}))
        harness.set_seed(i)
        model = harness.GPT(vocab_size=3, embed_dim=4, num_heads=1, num_layers=1, max_seq_len=8)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        data, first = torch.tensor([0, 1, 2] * 8), 1
        checkpoint = Path(f"run-{i}.pt")
        if checkpoint.exists():
            saved = torch.load(checkpoint)
            model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            first = saved["step"] + 1
        harness.set_seed(42)
        for step in range(first, steps + 1):
            x, y = harness.get_batch(data, 2, 4)
            optimizer.zero_grad()
            _, loss = model(x, y)
            loss.backward()
            optimizer.step()
            mlflow.log_metric("train/loss", loss.item(), step=step)
            if step % EVERY == 0:
                saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**saved, "step": step}, checkpoint)
        mlflow.log_artifact(str(checkpoint))
    kept.write_text(json.dumps({"run_id": run.info.run_id, "done": True}))


if __name__ == "__main__":
    main()

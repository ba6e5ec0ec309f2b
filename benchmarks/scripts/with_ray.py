"""The loop under Ray Tune on two cores: `with_ray.py LR ...`, one trial a rate.

On the loopback alone and without usage statistics; results go to the working directory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import ray
from ray import tune

HERE = Path(__file__).resolve().parent


def objective(config: dict[str, float]) -> None:
    from plain_loop import train

    train(config["lr"], lambda step, loss: tune.report({"loss": loss, "step": step}))


def main() -> None:
    rates = list(map(float, sys.argv[1:]))
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    tuner = tune.Tuner(
        objective,
        param_space={"lr": tune.grid_search(rates)},
        run_config=tune.RunConfig(storage_path=str(Path.cwd()), verbose=0),
    )
    results = tuner.fit()
    assert len(results) == len(rates)
    assert results.num_errors == 0


if __name__ == "__main__":
    main()

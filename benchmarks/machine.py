"""What the figures were measured on; they mean little without it."""

from __future__ import annotations

import datetime
import os

from chapter import chapter_run

from harness.tracking import keys
from harness.tracking.environment import environment_tags


def description() -> str:
    """Date, versions, processor and threads, in two lines."""
    tags = environment_tags()
    names = {
        "harness": keys.VERSION,
        "Python": keys.PYTHON,
        "torch": keys.TORCH,
        "MLflow": keys.MLFLOW,
    }
    versions = ", ".join(f"{name} {tags[key]}" for name, key in names.items())
    threads = chapter_run().config.train.threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    date = datetime.datetime.now().astimezone().date()
    return f"{date}, {versions}\n{tags[keys.CPU]}, {cores} cores, torch threads {threads}"

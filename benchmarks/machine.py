"""What the figures were measured on; they mean little without it."""

from __future__ import annotations

import datetime
import os

from chapter import chapter_run

from harness.tracking import keys
from harness.tracking.environment import environment_tags


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


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
    date = datetime.datetime.now().astimezone().date()
    return f"{date}, {versions}\n{tags[keys.CPU]}, {len(cores())} cores, torch threads {threads}"

"""Sweep files written as text for the tests of `harness.spec`, and what the loader says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import Problem, SweepFileError
from harness.spec.load import load_sweep
from harness.spec.sweep_file import DeclaredRun, Sweep

HEAD = """\
version: 1
name: tested
defaults:
  model: {embed_dim: 8, num_heads: 2, num_layers: 2, max_seq_len: 64}
  data: {text: "one two three four", repeat: 16, tokenizer: words}
  optimizer: {name: adamw, lr: 1e-2}
  train: {steps: 200, batch_size: 4, seq_len: 8}
"""
FIRST = HEAD.count("\n") + 2
"""The line of the first experiment in what `experiments` writes."""


def write(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_bytes(text.encode())
    return path


def load(folder: Path, experiments: str, *, head: str = HEAD, **options: Any) -> Sweep:
    """The sweep of `head` with these lines under `experiments:`."""
    return load_sweep(write(folder, f"{head}experiments:\n{experiments}\n"), **options)


def run(folder: Path, experiments: str, **options: Any) -> DeclaredRun:
    """The one run of the first experiment."""
    (only,) = load(folder, experiments, **options).experiments[0].runs
    return only


def names(folder: Path, experiments: str, **options: Any) -> list[str]:
    return [run.name for run in load(folder, experiments, **options).runs]


def problems(folder: Path, text: str, **options: Any) -> tuple[Problem, ...]:
    """What is wrong with a whole file."""
    with pytest.raises(SweepFileError) as caught:
        load_sweep(write(folder, text), **options)
    return caught.value.problems


def refused(folder: Path, experiments: str, *, head: str = HEAD, **options: Any) -> Problem:
    """The only problem of these lines under `experiments:`."""
    text = f"{head}experiments:\n{experiments}\n"
    (problem,) = problems(folder, text, **options)
    return problem


def marked(problem: Problem) -> str:
    """The text at which the caret points, up to the end of its line."""
    return problem.source[problem.column - 1 :]

"""The largest sweep that is allowed without a flag, planned: 10,000 runs of 100 model shapes."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure
from rounds import in_fresh_process, spread_of

MAX_ROUNDS = 5
SWEEP = """\
version: 1
name: matrix
defaults:
  model: {embed_dim: 8, num_heads: 2, num_layers: 2, max_seq_len: 64}
  data: {text: "I love AI !", repeat: 64, tokenizer: words}
  optimizer: {name: adamw, lr: 1e-2}
  train: {steps: 200, batch_size: 4, seq_len: 8, engine: stacked}
experiments:
  matrix:
    matrix:
      optimizer.lr: [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1]
      train.batch_size: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
      model.embed_dim: [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    seeds: 10
"""
NUM_RUNS, NUM_GROUPS, NUM_SHAPES = 10_000, 1000, 100
LIMIT_S = 3.0


def measure(rounds: int) -> list[Figure]:
    """Seconds and peak memory, each time in a process of its own."""
    taken, peaks = zip(
        *(in_fresh_process(expand) for _ in range(min(rounds, MAX_ROUNDS))), strict=True
    )
    what = f"{NUM_RUNS:,} runs loaded, expanded, fingerprinted, grouped, stacked"
    return [
        Figure(what, spread_of(taken), "s", LIMIT_S),
        Figure("peak memory of that", spread_of(peaks), "MB"),
    ]


def expand() -> tuple[float, float]:
    """Seconds from the file to what is trained together, and the process's peak memory in MB."""
    from harness.planning import Corpora, plan_runs
    from harness.spec.load import load_sweep
    from harness.stacks import form_stacks

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "matrix.yaml"
        path.write_text(SWEEP)
        began = time.perf_counter()
        sweep = load_sweep(path)
        planned = plan_runs(sweep, sweep.runs, [], Corpora(None, write=False))
        stacks = form_stacks(planned)
        seconds = time.perf_counter() - began
    assert len({run.fingerprint for run in planned}) == NUM_RUNS
    assert len({run.group for run in planned}) == NUM_GROUPS
    assert sum(map(len, stacks)) == NUM_RUNS
    assert len(stacks) >= NUM_SHAPES
    return seconds, _peak_mb()


def _peak_mb() -> float:
    """The most memory that this program held. Linux counts in `ru_maxrss` what the process that
    started it held, too: 525 MB after the cases with torch, where 86 were its own."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)

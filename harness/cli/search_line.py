"""How far a search is, in a line: the same in the live table and in a pipe."""

from __future__ import annotations

from harness.observer import SearchProgress


def search_line(progress: SearchProgress) -> str:
    """`adamw-lr: 32 of 64 trials; 20 finished, 12 pruned; best 0.0123 at optimizer.lr=0.09`."""
    states = ", ".join(f"{n} {state}" for state, n in progress.states.items())
    parts = [f"{progress.name}: {progress.num_trials} of {progress.total} trials"]
    parts += [states] if states else []
    parts += [f"best {progress.best}"] if progress.best else []
    return "; ".join(parts)

"""Live writing: one run every interval, many runs within a share of the time."""

from __future__ import annotations

import pytest

from harness.tracking.pacing import SHARE, Pacing

CHUNK_S = 0.25
INTERVAL_S = 2.0


def written(num_runs: int, cost_s: float, seconds: float) -> list[list[float]]:
    """When each run was written, where every run's losses come in at every chunk."""
    pacing, now = Pacing(), 1000.0
    times: list[list[float]] = [[] for _ in range(num_runs)]
    last = [now] * num_runs
    end = now + seconds
    while now < end:
        now += CHUNK_S
        for i in range(num_runs):
            if pacing.allows(now, now - last[i], INTERVAL_S, num_runs):
                now += cost_s
                pacing.spend(cost_s)
                times[i].append(now)
                last[i] = now
    return times


def test_one_run_is_written_every_interval():
    (times,) = written(1, 0.015, 30)
    gaps = [b - a for a, b in zip([1000.0, *times], times, strict=False)]
    assert max(gaps) <= INTERVAL_S + 2 * CHUNK_S
    assert len(times) >= 13


@pytest.mark.parametrize("cost_s", [0.002, 0.015])
def test_many_runs_take_no_more_than_their_share_and_all_have_a_turn(cost_s):
    seconds = 2 * 1024 * cost_s / SHARE + 10
    times = written(1024, cost_s, seconds)
    spent = sum(map(len, times)) * cost_s
    assert spent <= SHARE * seconds + 1.0
    assert all(times)
    assert min(t[0] for t in times) <= 1000 + INTERVAL_S + 2 * CHUNK_S
    counts = [len(t) for t in times]
    assert max(counts) - min(counts) <= 2

"""Curves of many steps with as few points as a screen can show.

Steps are cut into stretches of equal length on a logarithmic axis; of each, the steps of the lowest
and of the highest value stay, and so do the first and the last step. No spike is lost, and every
point that is left is one that was recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.rows import Curve


def thinned_steps(curve: Curve, max_points: int) -> list[int]:
    """At most ``max_points`` (4 or more) of the curve's steps, in order."""
    steps = sorted(curve)
    if len(steps) <= max_points:
        return steps
    num = (max_points - 2) // 2
    first, last = steps[0], steps[-1]
    scale = num / math.log((last + 1) / first)
    stretches: dict[int, list[int]] = {}
    for step in steps:
        stretches.setdefault(int(math.log(step / first) * scale), []).append(step)
    kept = {first, last}
    for members in stretches.values():
        kept |= _ends(members, curve)
    return sorted(kept)


def _ends(steps: Sequence[int], curve: Curve) -> set[int]:
    return {min(steps, key=curve.__getitem__), max(steps, key=curve.__getitem__)}

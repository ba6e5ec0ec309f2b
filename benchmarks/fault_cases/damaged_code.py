"""Damage to the stacked engine's machine code, which lies in the user's cache.

A small function stands for the engine's: it is compiled and kept by the same means. The control is
numba's own cache, which unpickles what it finds and runs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numba

from fault_cases.damage import Victim, both
from fault_cases.processes import Failed, asked, folder_in_memory
from fault_cases.rows import Row, fewer
from harness.train.stacked.cpu import compiling

COST = 3  # whatever is found to be damaged is compiled again
X = 3.25


def rows(tries: int) -> Iterator[Row]:
    with folder_in_memory() as home:
        os.environ[compiling.CACHE_VARIABLE] = str(home / "ours")
        numba.config.CACHE_DIR = str(home / "numbas")
        for call in (_by_us, _by_numba):
            assert asked(call) == polynomial(X)
        places = {
            kind: [next((home / who).rglob(f"*.{kind}")) for who in ("ours", "numbas")]
            for kind in ("nbi", "nbc")
        }
        for kind, name in (("nbi", "index"), ("nbc", "code")):
            path, other = places[kind]
            victim = Victim(
                f"the engine's machine code, {name}",
                path,
                _apart(_by_us),
                "numba's own cache",
                _apart(_by_numba),
                control_path=other,
            )
            yield victim.row(both, "bits flipped, cut short", fewer(tries, COST))


def polynomial(x: float) -> float:
    """Some arithmetic."""
    return ((0.5 * x + 1.25) * x - 2.0) * x + 7.0


def _by_us() -> float:
    return compiling.compiled(polynomial)(X)


def _by_numba() -> float:
    return float(numba.njit(cache=True)(polynomial)(X))


def _apart(call: Callable[[], float]) -> Callable[[Path], float]:
    """In a fork, which damaged code may kill; neither arm refuses anything by an error."""

    def answer(_: Path) -> float:
        try:
            return float(asked(call))
        except Failed as failed:
            raise Broken(str(failed)) from failed

    return answer


class Broken(BaseException):
    """No refusal: the function cannot be called at all, not today and not tomorrow."""

"""The coefficients in `harness/train/stacked/cpu/functions.py`, computed from the mathematics.

Remez's exchange algorithm (1934): of all polynomials of one degree the one with the smallest
largest error touches that error degree + 2 times, with alternating signs. Beginning at Chebyshev's
points, solve for the polynomial and the error that alternates there, move the points to where the
error really is largest, and repeat. All in 60-digit arithmetic (mpmath); the coefficients are
then rounded to float32. Errors are weighted, so that they count in units of the result.

    python tools/fit_functions.py
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np

Function = Callable[[mp.mpf], mp.mpf]
mp.mp.dps = 60


def float32_fit(
    f: Function, weight: Function, low: float, high: float, degree: int
) -> tuple[list[float], mp.mpf]:
    """The polynomial with float32 coefficients (lowest power first), and its largest error.

    Coefficients are rounded one after another, and those that remain are fitted anew each time,
    so that they make good for what rounding the earlier ones cost. (Only on intervals from 0:
    elsewhere such polynomials are no Haar system, and need not alternate.)
    """
    rounded: list[float] = []
    coefficients = _remez(f, weight, low, high, degree, rounded)
    while len(rounded) <= degree:
        rounded.append(float(np.float32(float(coefficients[len(rounded)]))))
        if low == 0 and len(rounded) <= degree:
            coefficients = _remez(f, weight, low, high, degree, rounded)
    grid = [mp.mpf(low) + (mp.mpf(high) - low) * i / 3000 for i in range(3001)]
    return rounded, max(abs((mp.polyval(rounded[::-1], x) - f(x)) * weight(x)) for x in grid)


def _remez(
    f: Function, weight: Function, low: float, high: float, degree: int, fixed: list[float]
) -> list[mp.mpf]:
    """Of the polynomials that begin with `fixed`, the one with the least max |(p - f) * weight|."""
    a, b, n = mp.mpf(low), mp.mpf(high), degree + 2 - len(fixed)
    points = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * (i + 0.5) / n) for i in range(n)]
    grid = [a + (b - a) * mp.mpf(i) / 1000 for i in range(1001)]
    targets, weights = [f(x) for x in grid], [weight(x) for x in grid]
    coefficients: list[mp.mpf] = []
    for _ in range(8):
        rows = [
            [x**k for k in range(len(fixed), degree + 1)] + [(-1) ** i / weight(x)]
            for i, x in enumerate(points)
        ]
        rest = [f(x) - mp.polyval(fixed[::-1] or [0], x) for x in points]
        solved = mp.lu_solve(mp.matrix(rows), mp.matrix(rest))
        coefficients = [*map(mp.mpf, fixed), *list(solved)[:-1]]
        errors = [
            (mp.polyval(coefficients[::-1], x) - y) * w
            for x, y, w in zip(grid, targets, weights, strict=True)
        ]
        found = _extrema(grid, errors, n)
        if found is None:
            break
        points = found
    return coefficients


def _extrema(grid: list[mp.mpf], errors: list[mp.mpf], n: int) -> list[mp.mpf] | None:
    """The point of the largest error in each stretch of one sign, n of them, or None if fewer."""
    best: list[int] = []
    for i, error in enumerate(errors):
        if best and (errors[best[-1]] > 0) == (error > 0):
            best[-1] = max(best[-1], i, key=lambda j: abs(errors[j]))
        else:
            best.append(i)
    while len(best) > n:
        best.pop(0 if abs(errors[best[0]]) < abs(errors[best[-1]]) else -1)
    return [grid[i] for i in best] if len(best) == n else None


def _away_from_zero(x: mp.mpf) -> mp.mpf:
    return x if x else mp.mpf(10) ** -12


def exp_rest(r: mp.mpf) -> mp.mpf:
    """q with exp(r) = 1 + r + r^2 q(r)."""
    r = _away_from_zero(r)
    return (mp.expm1(r) - r) / r**2


def log_rest(f: mp.mpf) -> mp.mpf:
    """q with log(1 + f) = f - f^2 / 2 + f^3 q(f)."""
    f = _away_from_zero(f)
    return (mp.log1p(f) - f + f * f / 2) / f**3


def normal_tail(a: mp.mpf) -> mp.mpf:
    """T with 1 - Phi(a) = exp(-a^2 / 2) T(a), Phi the standard normal distribution function."""
    return mp.ncdf(-a) * mp.exp(a * a / 2)


def main() -> None:
    """Print the coefficients, as functions.py has them."""
    half_log2, root = float(mp.log(2) / 2) * 1.0001, mp.sqrt(mp.mpf(1) / 2)
    fits = {
        "EXP": (exp_rest, lambda r: r * r / mp.exp(r), -half_log2, half_log2, 4),
        "LOG": (
            log_rest,
            lambda f: f**3 / mp.log1p(_away_from_zero(f)) if f else mp.mpf(10) ** -20,
            root - 1,
            2 * root - 1,
            8,
        ),
        "TAIL": (normal_tail, lambda a: mp.exp(-a * a / 2), 0.0, 5.0, 12),
    }
    for name, (f, weight, low, high, degree) in fits.items():
        coefficients, error = float32_fit(f, weight, low, high, degree)
        numbers = ", ".join(map(repr, coefficients))
        print(f"{name} = ({numbers})  # error 2^{float(mp.log(error, 2)):.1f}")


if __name__ == "__main__":
    main()

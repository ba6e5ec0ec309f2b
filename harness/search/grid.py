"""Every point of a space once, in an order shuffled by the seed.

Optuna's own grid sampler stops a study that it is not the driver of by an exception, and knows no
conditions; so the points are enumerated here and enqueued one by one.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from decimal import Decimal

from harness.spec.distributions import Choices, Value
from harness.spec.parameters import Parameter
from harness.spec.space import Space

MAX_POINTS = 1_000_000


def grid_points(space: Space, seed: int) -> list[dict[str, Value]]:
    """All points, shuffled; at most `MAX_POINTS`, the first of them."""
    points = []
    for point in _points(space.parameters, {}):
        points.append(point)
        if len(points) == MAX_POINTS:
            break
    random.Random(seed).shuffle(points)
    return points


def num_points(space: Space, limit: int) -> int:
    """How many points there are, counted up to ``limit``."""
    return sum(1 for _ in itertools.islice(_points(space.parameters, {}), limit))


def _points(
    parameters: tuple[Parameter, ...], point: dict[str, Value]
) -> Iterator[dict[str, Value]]:
    if not parameters:
        yield point
        return
    first, rest = parameters[0], parameters[1:]
    if not first.is_active(point):
        yield from _points(rest, point)
        return
    for value in grid_values(first):
        yield from _points(rest, {**point, first.path: value})


def grid_values(parameter: Parameter) -> tuple[Value, ...]:
    """The values of one parameter, ascending, or its choices as they are written."""
    values = parameter.values
    if isinstance(values, Choices):
        return values.choices
    low, high, points = values.low, values.high, values.points
    if points is not None:
        shares = [i / (points - 1) for i in range(points)]
        if values.log:
            inner = [math.exp(math.log(low) + s * math.log(high / low)) for s in shares[1:-1]]
        else:
            inner = [low + s * (high - low) for s in shares[1:-1]]
        return (low, *inner, high)
    step = Decimal(str(values.step if values.step is not None else 1))
    count = int((Decimal(str(high)) - Decimal(str(low))) / step + Decimal("1e-8")) + 1
    exact = [Decimal(str(low)) + i * step for i in range(count)]
    return tuple(int(value) if values.type == "int" else float(value) for value in exact)

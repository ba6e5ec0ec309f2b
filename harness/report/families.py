"""Rows of one experiment that differ in one setting alone: what a curve over that setting joins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from harness.report.rows import Row
from harness.report.settings import telling_settings

P = TypeVar("P")


@dataclasses.dataclass(frozen=True)
class Family(Generic[P]):
    """What is known at each value of the setting, by ascending value.

    ``settings`` are those that tell the family from the others of its experiment.
    """

    experiment: str
    settings: Mapping[str, str]
    points: tuple[P, ...]

    @property
    def label(self) -> str:
        """The experiment, and the settings by their last parts: `a (steps=10)`."""
        shown = [f"{path.rpartition('.')[2]}={value}" for path, value in self.settings.items()]
        return f"{self.experiment} ({', '.join(shown)})" if shown else self.experiment


def families(
    rows: Sequence[Row], path: str, point_of: Callable[[Row, float], P | None]
) -> list[Family[P]]:
    """A family for each set of rows with at least two values of the setting ``path``.

    ``point_of`` makes a point of a row and its value, which is positive; a row of which it makes
    None does not count.
    """
    members: dict[tuple[str, ...], list[tuple[float, P]]] = {}
    others: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        value = _positive(row.settings.get(path, ""))
        point = None if value is None else point_of(row, value)
        if value is not None and point is not None:
            shared = {key: text for key, text in sorted(row.settings.items()) if key != path}
            family = (row.experiment, *(f"{key}={text}" for key, text in shared.items()))
            members.setdefault(family, []).append((value, point))
            others[family] = shared
    found = [key for key, pairs in members.items() if len({value for value, _ in pairs}) > 1]
    return [
        Family(
            key[0],
            _telling(others[key], [others[other] for other in found if other[0] == key[0]]),
            tuple(point for _, point in sorted(members[key], key=lambda pair: pair[0])),
        )
        for key in found
    ]


def _telling(own: Mapping[str, str], siblings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {path: own[path] for path in telling_settings(siblings) if own.get(path)}


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None

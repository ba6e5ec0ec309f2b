"""The space of a search: its parameters, in the order in which a trial suggests them.

`Space` is what the search package walks: for each parameter in turn, suggest a value if it is
active in the point so far. What needs to know more than the space itself, whether a path exists
and whether a value is in its setting's range, is asked from outside: `check_paths` takes the known
paths, and `Space.probes` gives the points to be tried as run configs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

from pydantic import PlainValidator

from harness.errors import show
from harness.spec.conditions import resolve_conditions
from harness.spec.distributions import Choices, Range, Value
from harness.spec.parameters import Parameter, parse_parameters
from harness.spec.refusals import Refusal
from harness.spec.wording import Location, unknown_name


@dataclasses.dataclass(frozen=True)
class Probe:
    """A point of the space that must make a valid run config.

    `location` is the value that is tried, `origins` where each value of the point was written: a
    value that is wrong in every point is then told once, at its own place.
    """

    location: Location
    point: Mapping[str, Value]
    origins: Mapping[str, Location]


@dataclasses.dataclass(frozen=True)
class Space:
    """The parameters of a search, each after those that its conditions name."""

    parameters: tuple[Parameter, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The settings that are searched."""
        return tuple(dict.fromkeys(parameter.path for parameter in self.parameters))

    def at(self, path: str) -> tuple[Parameter, ...]:
        """The parameters of one setting: several where its range hangs on a condition."""
        return tuple(parameter for parameter in self.parameters if parameter.path == path)

    def complete(self, point: Mapping[str, Value]) -> dict[str, Value]:
        """`point` with the first value of every other parameter that is active in it."""
        full = dict(point)
        for parameter in self.parameters:
            if parameter.path not in full and parameter.is_active(full):
                full[parameter.path] = parameter.values.first
        return full

    def probes(self) -> Iterator[Probe]:
        """Each end of each range and each choice once, the rest of the point at first values.

        A space of k values in all makes k points, not the product: two values that are valid
        alone and not together are found only where one of them comes first.
        """
        for parameter in self.parameters:
            given = {path: wanted[0] for path, wanted in parameter.conditions.items()}
            for keys, value in parameter.values.ends():
                point = self.complete({**given, parameter.path: value})
                yield Probe(parameter.location(*keys), point, self.origins(point))

    def origins(self, point: Mapping[str, Value]) -> dict[str, Location]:
        """Where in the space each value of a point is written: an end of its range, or a choice."""
        return {
            parameter.path: parameter.location(*parameter.values.keys_of(point[parameter.path]))
            for parameter in self.parameters
            if parameter.path in point and parameter.is_active(point)
        }

    def refusals_of(self, point: Mapping[str, Value]) -> Iterator[Refusal]:
        """What in an enqueued, possibly partial point lies outside the space, by path."""
        for path, value in point.items():
            message = self._refuse(path, value, point)
            if message is not None:
                yield Refusal((path,), message)

    def _refuse(self, path: str, value: Value, point: Mapping[str, Value]) -> str | None:
        candidates = self.at(path)
        if not candidates:
            return unknown_name("parameter of this space", path, self.paths)
        reasons = [parameter.contradicts(point) for parameter in candidates]
        possible = [p for p, reason in zip(candidates, reasons, strict=True) if reason is None]
        if not possible:
            return f"{path} is searched only when {' or when '.join(filter(None, reasons))}"
        if any(parameter.values.contains(value) for parameter in possible):
            return None
        allowed = ", or ".join(parameter.values.described() for parameter in possible)
        return f"must be {allowed}, got {show(value)}"


def check_paths(space: Space, known_paths: Collection[str]) -> list[tuple[Location, str]]:
    """Every searched path that is no setting of a run: where (from the search), and what is wrong.

    >>> check_paths(parse_space({"optimizer.lt": {"low": 0.1, "high": 1}}), ["optimizer.lr"])
    [(('space', 'optimizer.lt'), "no setting is called 'optimizer.lt'; did you mean ...")]
    """
    return [
        (("space", path), unknown_name("setting", path, known_paths))
        for path in space.paths
        if path not in known_paths
    ]


def parse_space(value: object) -> Space:
    """The space that a sweep file's `space:` describes; raises pydantic's errors."""
    return Space(resolve_conditions(parse_parameters(value)))


SpaceField = Annotated[
    Space,
    PlainValidator(
        parse_space, json_schema_input_type=dict[str, Range | Choices | list[Range | Choices]]
    ),
]

"""The entries of `space:`, one `Parameter` for each range or set of choices.

A path maps to one range or choices, or to a list of them when the setting is searched over another
range under each condition:

    space:
      optimizer.name: {choices: [adamw, sgd]}
      optimizer.lr:
        - {low: 1e-4, high: 0.2, log: true, when: {optimizer.name: adamw}}
        - {low: 1e-2, high: 1.0, log: true, when: {optimizer.name: sgd}}

Each entry of such a list has a `when`, and no two of them ever hold together. In the study each is
a parameter of its own, since Optuna holds one distribution a name: `Parameter.name`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import PlainValidator, TypeAdapter

from harness.errors import show
from harness.spec.distributions import (
    Choices,
    Distribution,
    Value,
    parse_distribution,
    same,
)
from harness.spec.refusals import Refusal, raise_refusals
from harness.spec.settings import is_whole, takes_numbers
from harness.spec.wording import Location

MAX_PARAMETERS = 500


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One range or set of choices of the setting at `path`.

    `place` is its position in the file's list for that path, None where there is no list.
    `conditions` holds its own `when` and those of the parameters it hangs on.
    """

    path: str
    values: Distribution
    place: int | None = None
    conditions: Mapping[str, tuple[Value, ...]] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the study: the path, with its `when` where one path has several.

        `optimizer.lr[optimizer.name=sgd]`
        """
        if self.place is None:
            return self.path
        terms = (f"{path}={_any_of(values, '|')}" for path, values in self.values.when.items())
        return f"{self.path}[{','.join(terms)}]"

    def location(self, *keys: str | int) -> Location:
        """Where it stands in `space:`, or where `keys` within it do."""
        return (self.path, *(() if self.place is None else (self.place,)), *keys)

    def is_active(self, point: Mapping[str, Value]) -> bool:
        """Whether it is searched in a trial whose categorical parameters are those of `point`."""
        return all(
            path in point and any(same(point[path], value) for value in wanted)
            for path, wanted in self.conditions.items()
        )

    def contradicts(self, point: Mapping[str, Value]) -> str | None:
        """The first of its conditions that `point` sets to another value, in words."""
        for path, wanted in self.conditions.items():
            if path in point and not any(same(point[path], value) for value in wanted):
                return f"{path} is {_any_of(wanted)} (here {show(point[path])})"
        return None


def _any_of(values: tuple[Value, ...], joiner: str = " or ") -> str:
    return joiner.join(value if isinstance(value, str) else show(value) for value in values)


_Placed = tuple[tuple[int | None, Distribution], ...]
_LIST = TypeAdapter[tuple[Distribution, ...]](
    tuple[Annotated[Distribution, PlainValidator(parse_distribution)], ...]
)


def _parse_entry(value: object) -> _Placed:
    if not isinstance(value, tuple) or not any(isinstance(item, dict) for item in value):
        return ((None, parse_distribution(value)),)
    return tuple(enumerate(_LIST.validate_python(value)))


_ENTRIES = TypeAdapter[dict[str, _Placed]](
    dict[str, Annotated[_Placed, PlainValidator(_parse_entry)]]
)


def parse_parameters(value: object) -> tuple[Parameter, ...]:
    """The parameters in the file's order, each range with its type; raises pydantic's errors."""
    entries = _ENTRIES.validate_python(value, strict=True)
    if not entries:
        raise_refusals("space", [Refusal((), "must have at least one parameter")])
    found = [
        Parameter(path, _typed(path, values), place)
        for path, placed in entries.items()
        for place, values in placed
    ]
    if len(found) > MAX_PARAMETERS:
        message = f"must have at most {MAX_PARAMETERS} parameters, got {len(found):,}"
        raise_refusals("space", [Refusal((), message)])
    raise_refusals("space", (refusal for parameter in found for refusal in _misfits(parameter)))
    return tuple(found)


def _typed(path: str, values: Distribution) -> Distribution:
    if isinstance(values, Choices) or values.type is not None:
        return values
    return values.model_copy(update={"type": "int" if is_whole(path) else "float"})


def _misfits(parameter: Parameter) -> Iterator[Refusal]:
    """What a range cannot be because of the setting that it is for."""
    if isinstance(parameter.values, Choices):
        return
    path, values = parameter.path, parameter.values
    if not takes_numbers(path):
        message = f"{path} is not a number, so it has no range: use {{choices: [...]}}"
        yield Refusal(parameter.location(), message)
    elif values.type == "float" and is_whole(path):
        message = f"{path} takes whole numbers: leave type out, or say int"
        yield Refusal(parameter.location("type"), message)
    else:
        for location, message, _ in values.refusals():
            yield Refusal(parameter.location(*location), message)

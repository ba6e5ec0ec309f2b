"""What a searched setting may be: a range of numbers, or one of some choices.

The words are Optuna's (`low high log step`, `choices`), and so are the rules: `log` needs a `low`
above 0 and goes without `step`. Stricter than Optuna is only that `low` lies below `high` and that
choices differ, since a parameter with one value repeated is a typing mistake in a file.

A range is of whole numbers when the setting is (`model.num_layers`) or when it says `type: int`;
`Range.type` is None only while that is not known. `points: N` cuts a range into N values for the
grid sampler, evenly, or evenly in the logarithm with `log`: Optuna has no step on a log range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harness.errors import show
from harness.spec.refusals import Refusal, raise_refusals, unknown_keys

MAX_CHOICES = 1000

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]


def _keep_whole(value: object, handler: ValidatorFunctionWrapHandler) -> float:
    number: float = handler(value)
    return value if isinstance(value, int) else number


Number = Annotated[float, Field(allow_inf_nan=False), WrapValidator(_keep_whole)]
Step = Annotated[float, Field(gt=0, allow_inf_nan=False), WrapValidator(_keep_whole)]


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _parse_value(value: object) -> Value:
    parts = value if isinstance(value, tuple) else (value,)
    if not all(map(_is_scalar, parts)):
        raise PydanticCustomError(
            "harness",
            "must be text, a number, true, false, null or a list of these, got {found}",
            {"found": show(value)},
        )
    if any(isinstance(part, float) and not math.isfinite(part) for part in parts):
        raise PydanticCustomError(
            "harness", "must be a finite number, got {found}", {"found": show(value)}
        )
    return value  # type: ignore[return-value]  # just checked, part by part


Choice = Annotated[
    Value, PlainValidator(_parse_value, json_schema_input_type=Scalar | list[Scalar])
]
_ONE = TypeAdapter[Value](Choice)
_MANY = TypeAdapter[tuple[Value, ...]](tuple[Choice, ...])


def _one_or_many(value: object) -> tuple[Value, ...]:
    return (
        _MANY.validate_python(value) if isinstance(value, tuple) else (_ONE.validate_python(value),)
    )


Wanted = Annotated[
    tuple[Value, ...],
    PlainValidator(_one_or_many, json_schema_input_type=Scalar | list[Scalar | list[Scalar]]),
]


def same(a: Value, b: Value) -> bool:
    """Whether two values are one choice: 1 and 1.0 are, 1 and true are not."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


class _Distribution(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    when: dict[str, Wanted] = Field(
        default_factory=dict,
        description="searched only while each of these other parameters has this value, or one "
        "of these values",
    )


class Range(_Distribution):
    """Numbers from `low` to `high`, both included."""

    low: Number = Field(description="lower end, included")
    high: Number = Field(description="upper end, included; greater than low")
    log: bool = Field(False, description="draw evenly in the logarithm; low is then above 0")
    step: Step | None = Field(None, description="only low + k * step; greater than 0; not with log")
    points: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        None, description="how many values the grid sampler takes from the range; at least 2"
    )
    type: Literal["float", "int"] | None = Field(
        None, description="unset: int where the setting is a whole number, otherwise float"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        raise_refusals("range", self.refusals())
        return self

    def refusals(self) -> Iterator[Refusal]:
        """What contradicts itself, located by key."""
        if self.low >= self.high:
            message = f"high ({show(self.high)}) must be greater than low ({show(self.low)})"
            yield Refusal(("high",), message)
        elif self.step is not None and _exact(self.step) > _exact(self.high) - _exact(self.low):
            width = show(float(_exact(self.high) - _exact(self.low)))
            message = f"must be at most high - low ({width}), got {show(self.step)}"
            yield Refusal(("step",), message)
        if self.log and self.low <= 0:
            message = f"must be greater than 0 with log: true, got {show(self.low)}"
            yield Refusal(("low",), message)
        if self.log and self.step is not None:
            yield Refusal(("step",), "cannot be combined with log: true (Optuna has no such range)")
        if self.points is not None and self.step is not None:
            yield Refusal(("points",), "cannot be combined with step: either one makes the grid")
        if self.type == "int":
            yield from self._not_whole()

    def _not_whole(self) -> Iterator[Refusal]:
        for key in ("low", "high", "step"):
            number = getattr(self, key)
            if number is not None and not float(number).is_integer():
                message = f"must be a whole number in a range of whole numbers, got {show(number)}"
                yield Refusal((key,), message)
        if self.points is not None:
            yield Refusal(("points",), "is for ranges of real numbers; use step for whole numbers")

    def contains(self, value: Value) -> bool:
        """Whether `value` is a number of the range: on its steps, and whole where it is."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.type == "int" and not float(value).is_integer():
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8  # the tolerance of Optuna's own check

    def described(self) -> str:
        """What may be enqueued, for an error message."""
        whole = "a whole number " if self.type == "int" else ""
        steps = f" in steps of {show(self.step)}" if self.step is not None else ""
        return f"{whole}between {show(self.low)} and {show(self.high)}{steps}"

    @property
    def first(self) -> Value:
        """The value that stands for the parameter while another one is tried."""
        return self.low

    def ends(self) -> tuple[tuple[tuple[str | int, ...], Value], ...]:
        """The two values between which all others lie, each with the keys that lead to it."""
        return ((("low",), self.low), (("high",), self.high))

    def keys_of(self, value: Value) -> tuple[str | int, ...]:
        """The keys that lead to `value`: none when it lies between the ends."""
        return ("low",) if value == self.low else ("high",) if value == self.high else ()


class Choices(_Distribution):
    """One of some values, in no order."""

    choices: Annotated[tuple[Choice, ...], Field(max_length=MAX_CHOICES)] = Field(
        description="the values; at least one, all different"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        raise_refusals("choices", self._refusals())
        return self

    def _refusals(self) -> Iterator[Refusal]:
        if not self.choices:
            yield Refusal(("choices",), "must have at least one value, got an empty list")
        seen: dict[Value, int] = {}
        for place, value in enumerate(self.choices):
            # Plain equality, as Optuna finds a choice: it cannot tell 1 from true.
            first = seen.setdefault(value, place)
            if first < place:
                known = show(self.choices[first])
                message = f"{show(value)} is there already (as {known}): choices must differ"
                yield Refusal(("choices", place), message)

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of the choices."""
        return value in self.choices and same(self.choices[self.choices.index(value)], value)

    def described(self) -> str:
        """What may be enqueued, for an error message."""
        return f"one of {', '.join(map(show, self.choices))}"

    @property
    def first(self) -> Value:
        """The value that stands for the parameter while another one is tried."""
        return self.choices[0]

    def ends(self) -> tuple[tuple[tuple[str | int, ...], Value], ...]:
        """Every choice, each with the keys that lead to it."""
        return tuple((("choices", place), value) for place, value in enumerate(self.choices))

    def keys_of(self, value: Value) -> tuple[str | int, ...]:
        """The keys that lead to `value`, which is one of the choices."""
        return ("choices", self.choices.index(value))


Distribution = Range | Choices


def parse_distribution(value: object) -> Distribution:
    """A range or choices from what stands in the file; raises pydantic's errors."""
    if not isinstance(value, dict):
        hint = "; a list of values is written {choices: [...]}" if isinstance(value, tuple) else ""
        message = f"must be a mapping with low and high, or with choices, got {show(value)}{hint}"
        raise_refusals("space", [Refusal((), message)])
    assert isinstance(value, dict)
    known = dict.fromkeys([*Range.model_fields, *Choices.model_fields])
    raise_refusals("space", unknown_keys(value, known))
    if not value.keys() & {"choices", "low", "high"}:
        raise_refusals("space", [Refusal((), "needs low and high, or choices")])
    if "choices" not in value:
        return Range.model_validate(value)
    mixed = [key for key in value if key not in Choices.model_fields]
    message = "belongs to a range of numbers, and this parameter has choices: keep one of the two"
    raise_refusals("space", [Refusal((key,), message, True) for key in mixed])
    return Choices.model_validate(value)


def _exact(number: float) -> Decimal:
    # As written, not as stored: 0.3 - 0.1 is a little below 0.2 in binary.
    return Decimal(str(number))

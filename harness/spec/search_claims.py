"""The claims that a search may make under `expect:`.

    {best: optimizer.lr, between: [0.05, 0.2]}   the best trial's setting (inclusive)
    {best: value, below: 0.01}                   the best trial's value (strict)
    {best: optimizer.name, equals: adamw}        exact
    {better_than: {search: sgd-lr}}              strictly better, in this search's direction

A claim is data and its text; what a study says about it is decided where studies are read. That
`better_than` names another search of the file, with the same metric and direction, is checked by
the loader: `SearchConfig.compared_with`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from harness.errors import shorten, show
from harness.spec.distributions import Choice, Choices, Number, Value, same
from harness.spec.refusals import Refusal, raise_refusals, unknown_keys
from harness.spec.space import Space
from harness.spec.wording import unknown_name

COMPARISONS = ("below", "above", "between", "equals")


class _Claim(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BestClaim(_Claim):
    """A claim on the best trial: on its value, or on one of its settings."""

    best: str = Field(description="value, or a dotted path of the space")
    below: Number | None = Field(None, description="strictly below this number")
    above: Number | None = Field(None, description="strictly above this number")
    between: tuple[Number, Number] | None = Field(None, description="between two numbers, included")
    equals: Choice | None = Field(None, description="exactly this value")

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        given = [key for key in COMPARISONS if key in self.model_fields_set]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            message = f"needs exactly one of {', '.join(COMPARISONS)}, got {found}"
            raise_refusals("claim", [Refusal(tuple(given[1:2]), message)])
        if given[0] != "equals" and getattr(self, given[0]) is None:
            raise_refusals("claim", [Refusal((given[0],), "must be a number, got null")])
        if self.between is not None and self.between[0] > self.between[1]:
            low, high = self.between
            message = (
                f"the first number must be at most the second, got [{show(low)}, {show(high)}]"
            )
            raise_refusals("claim", [Refusal(("between",), message)])
        return self

    @property
    def comparison(self) -> str:
        """Which of `COMPARISONS` it makes."""
        return next(key for key in COMPARISONS if key in self.model_fields_set)

    @property
    def text(self) -> str:
        """The claim in one line."""
        if self.between is not None:
            low, high = self.between
            return f"best {self.best} between {show(low)} and {show(high)}"
        return f"best {self.best} {self.comparison} {_plain(getattr(self, self.comparison))}"

    def holds(self, observed: Value) -> bool:
        """Whether it holds of the best trial's value or setting (null: not set in that trial)."""
        if self.comparison == "equals":
            return same(observed, self.equals)
        if isinstance(observed, bool) or not isinstance(observed, int | float):
            return False
        if self.between is not None:
            return self.between[0] <= observed <= self.between[1]
        if self.below is not None:
            return observed < self.below
        return self.above is not None and observed > self.above

    def refusals(self, space: Space) -> Iterator[Refusal]:
        """What it says of a setting that the space does not search, or not as a number."""
        parameters = space.at(self.best)
        if self.best == "value":
            if self.comparison == "equals" and not _is_number(self.equals):
                yield Refusal(("equals",), f"must be a number, got {show(self.equals)}")
        elif not parameters:
            message = unknown_name("parameter of this space", self.best, ["value", *space.paths])
            yield Refusal(("best",), message)
        elif self.comparison != "equals":
            for parameter in parameters:
                if isinstance(parameter.values, Choices) and not all(
                    map(_is_number, parameter.values.choices)
                ):
                    message = f"{self.best} is not a number: only equals can be claimed of it"
                    yield Refusal((self.comparison,), message)
                    return


class Rival(_Claim):
    """The other search of a comparison."""

    search: Annotated[str, Field(min_length=1)] = Field(description="the name of another search")


class BetterThan(_Claim):
    """A claim that this search's best value is strictly better than another's."""

    better_than: Rival = Field(description="the search that is beaten")

    @property
    def text(self) -> str:
        """The claim in one line."""
        return f"best value better than that of {self.better_than.search}"


SearchClaim = BestClaim | BetterThan


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else show(value)


def parse_search_claim(value: object) -> SearchClaim:
    """A claim from what stands in the file; raises pydantic's errors."""
    for model in (BetterThan, BestClaim):
        key = next(iter(model.model_fields))
        if isinstance(value, dict) and key in value:
            raise_refusals("claim", unknown_keys(value, model.model_fields))
            return model.model_validate(value)
    message = f"must be a mapping with best or better_than, got {_keys(value)}"
    raise_refusals("claim", [Refusal((), message)])
    raise AssertionError(message)


def _keys(value: object) -> str:
    if not isinstance(value, dict):
        return show(value)
    return f"one with {shorten(', '.join(map(str, value)))}" if value else "an empty one"


SearchClaimField = Annotated[
    SearchClaim, PlainValidator(parse_search_claim, json_schema_input_type=BestClaim | BetterThan)
]

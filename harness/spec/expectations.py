"""Claims under `expect:`: what an entry of the list may say, and the claims it makes.

`Expectation` checks one entry as it stands in the file; `claims` turns it into frozen `Claim`s,
one a step where `at` is a mapping. Whether a claim holds is decided elsewhere, from what MLflow
recorded.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from harness.errors import show
from harness.spec.metrics import METRICS, nearest_metric
from harness.spec.reductions import By

Relation = Literal["equals", "approx", "below", "above", "between", "same_as"]
_SIGNS = {"equals": "=", "approx": "=", "below": "<", "above": ">", "between": "between"}
RELATIONS: tuple[Relation, ...] = ("equals", "approx", "below", "above", "between", "same_as")

_STEP = re.compile(r"0*[1-9][0-9]{0,11}")
_NUMBER_SCHEMA = {"type": "number"}
_REFERENCE_SCHEMA = {
    "anyOf": [
        _NUMBER_SCHEMA,
        {
            "type": "object",
            "properties": {"experiment": {"type": "string"}},
            "required": ["experiment"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"step": {"type": "integer", "minimum": 1}},
            "required": ["step"],
            "additionalProperties": False,
        },
    ]
}
_AT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"const": "last"},
        {
            "type": "object",
            "patternProperties": {"^[0-9]+$": _NUMBER_SCHEMA},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}


@dataclasses.dataclass(frozen=True)
class Reference:
    """What a value is compared with: a number, another experiment, or another step of the run."""

    number: float | None = None
    experiment: str | None = None
    step: int | None = None

    def __str__(self) -> str:
        if self.experiment is not None:
            return f"that of {self.experiment}"
        return f"that at step {self.step}" if self.step is not None else f"{self.number:.12g}"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a claim looks: a step, the last one, or the last ``window`` reduced by ``by``.

    The window counts the steps that have a value: all, or those of evaluations.
    """

    step: int | None = None
    window: int | None = None
    by: By = "mean"

    def in_words(self, unit: str) -> str:
        """The place, a window counted in ``unit``."""
        if self.window is not None:
            return f"the last {self.window} {unit} ({self.by})"
        return "the last step" if self.step is None else f"step {self.step}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim about one metric; ``text`` says it in a line."""

    metric: str
    place: Place
    relation: Relation
    references: tuple[Reference, ...]
    tolerance_abs: float | None = None
    tolerance_rel: float | None = None
    over_mean: bool = False

    @property
    def text(self) -> str:
        """The claim in one line, as tables and JUnit files show it."""
        what = " and ".join(str(reference) for reference in self.references)
        if self.relation == "same_as":
            return f"{self.metric} is bit for bit that of {self.references[0].experiment}"
        mean = "mean over seeds of " if self.over_mean else ""
        where = "over" if self.place.window is not None else "at"
        unit = "evaluations" if METRICS[self.metric].recorded == "evaluations" else "steps"
        claimed = f"{mean}{self.metric} {where} {self.place.in_words(unit)}"
        return f"{claimed} {_SIGNS[self.relation]} {what}{self._tolerance()}"

    def _tolerance(self) -> str:
        if self.tolerance_abs is not None:
            return f" (abs {self.tolerance_abs:g})"
        return f" (rel {self.tolerance_rel:g})" if self.tolerance_rel is not None else ""

    @property
    def experiment(self) -> str | None:
        """The other experiment that the claim refers to, if any."""
        return next((r.experiment for r in self.references if r.experiment is not None), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _fail(message: str, **context: object) -> PydanticCustomError:
    return PydanticCustomError("harness", "{message}", {"message": message, **context})


def _reference(value: object) -> Reference:
    if isinstance(value, Reference):
        return value
    if _is_number(value):
        return Reference(number=float(value))  # type: ignore[arg-type]
    if isinstance(value, dict) and len(value) == 1:
        (key, inner), *_ = value.items()
        if key == "experiment" and isinstance(inner, str):
            return Reference(experiment=inner)
        if key == "step" and _is_step(inner):
            return Reference(step=inner)
    wanted = "must be a number, {experiment: NAME} or {step: N}"
    raise _fail(f"{wanted}, got {show(value)}")


def _at(value: object) -> object:
    if value == "last" or _is_step(value):
        return value
    if isinstance(value, dict) and value:
        steps: dict[int, float] = {}
        for key, claimed in value.items():
            if not _STEP.fullmatch(str(key)):
                raise _fail(f"steps count from 1, got {show(key)}", at=(str(key),), on_key=True)
            if int(key) in steps:
                raise _fail(f"step {int(key)} is there already", at=(str(key),), on_key=True)
            if not _is_number(claimed):
                raise _fail(f"must be a number, got {show(claimed)}", at=(str(key),))
            steps[int(key)] = float(claimed)
        return steps
    wanted = "must be a step (from 1), last, or a mapping of steps to values"
    raise _fail(f"{wanted}, got {show(value)}")


def _metric(value: object) -> object:
    if isinstance(value, str) and value not in METRICS:
        near = nearest_metric(value)
        hint = f"; did you mean {near}?" if near else ""
        raise _fail(f"no run logs the metric {show(value)}{hint} (logged: {', '.join(METRICS)})")
    return value


ReferenceField = Annotated[
    Any, BeforeValidator(_reference), WithJsonSchema(_REFERENCE_SCHEMA, mode="validation")
]
AtField = Annotated[Any, BeforeValidator(_at), WithJsonSchema(_AT_SCHEMA, mode="validation")]
Tolerance = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bound = Annotated[float, Field(allow_inf_nan=False)]


class Expectation(BaseModel):
    """One entry of `expect:` as it stands in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    metric: Annotated[
        str,
        BeforeValidator(_metric),
        WithJsonSchema({"enum": list(METRICS)}, mode="validation"),
    ] = Field(description="which metric")
    at: AtField = Field(None, description="a step, last, or a mapping of steps to claimed values")
    last: Annotated[int, Field(ge=1)] | None = Field(None, description="a window of last steps")
    by: By | None = Field(None, description="how the window is reduced")
    equals: ReferenceField = Field(None, description="exactly this value")
    approx: ReferenceField = Field(None, description="this value, within abs or rel")
    abs: Tolerance | None = Field(None, description="absolute tolerance")
    rel: Tolerance | None = Field(None, description="tolerance as a share of the claimed value")
    below: ReferenceField = Field(None, description="less than this (strict)")
    above: ReferenceField = Field(None, description="greater than this (strict)")
    between: tuple[Bound, Bound] | None = Field(None, description="bounds, inclusive")
    same_as: str | None = Field(None, description="an experiment with the same values, bit for bit")
    over: Literal["mean"] | None = Field(None, description="the mean over the seeds")

    @model_validator(mode="after")
    def _says_what_and_where(self) -> Self:
        given: list[str] = [key for key in RELATIONS if getattr(self, key) is not None]
        if isinstance(self.at, dict):
            given.append("at")
        if not given:
            raise _fail(
                "expect says where but not what: add one of equals, approx, below, above, between "
                "or same_as, or write at as a mapping of steps to values"
            )
        if len(given) > 1:
            raise _fail(f"says {given[0]} and {given[1]}; a claim says one", at=given[1])
        self._check_place()
        self._check_tolerance(given[0])
        if self.between is not None and self.between[0] > self.between[1]:
            raise _fail(f"needs low before high, got {show(self.between)}", at="between")
        if self.over and given[0] in ("equals", "same_as"):
            raise _fail(f"over: mean compares an interval and cannot say {given[0]}", at="over")
        return self

    def _check_place(self) -> None:
        if self.last is not None and self.at is not None:
            raise _fail("says both at and last; a claim looks at one place", at="last")
        if self.by is not None and self.last is None:
            raise _fail("goes with last: N", at="by")
        if self.last is not None and self.by is None:
            raise _fail("needs by: mean, median, min or max", at="last")
        if self.same_as is not None and (self.at is not None or self.last is not None):
            raise _fail("compares every step and takes neither at nor last", at="same_as")

    def _check_tolerance(self, relation: str) -> None:
        given = [key for key in ("abs", "rel") if getattr(self, key) is not None]
        wanted = relation in ("approx", "at")
        if wanted and len(given) != 1:
            found = "both" if given else "neither"
            raise _fail(f"needs exactly one of abs and rel, got {found}", at=relation)
        if given and not wanted:
            raise _fail(f"goes with approx or with values in at, not with {relation}", at=given[0])


def claims(expectation: Expectation) -> tuple[Claim, ...]:
    """The claims that one entry makes: one, or one a step where `at` holds values."""
    tolerance = {"tolerance_abs": expectation.abs, "tolerance_rel": expectation.rel}
    over = expectation.over == "mean"
    if isinstance(expectation.at, dict):
        return tuple(
            Claim(
                expectation.metric,
                Place(step=step),
                "approx",
                (Reference(number=value),),
                over_mean=over,
                **tolerance,
            )
            for step, value in expectation.at.items()
        )
    relation = next(key for key in RELATIONS if getattr(expectation, key) is not None)
    place = Place(
        step=expectation.at if isinstance(expectation.at, int) else None,
        window=expectation.last,
        by=expectation.by or "mean",
    )
    references = _references(expectation, relation)
    return (Claim(expectation.metric, place, relation, references, over_mean=over, **tolerance),)


def _references(expectation: Expectation, relation: Relation) -> tuple[Reference, ...]:
    if relation == "between" and expectation.between is not None:
        return tuple(Reference(number=bound) for bound in expectation.between)
    if relation == "same_as":
        return (Reference(experiment=expectation.same_as),)
    reference = getattr(expectation, relation)
    assert isinstance(reference, Reference)
    return (reference,)

"""A search as the sweep file declares it: what is sought, where, by which sampler, how long.

`SearchConfig` is what stands under a name in `searches:`, without the sections of a run. Every rule
that the entry can break by itself is checked here, each at its own key. What needs the rest of the
file is left to the loader, which calls `harness.spec.space.check_paths`, tries the points of
`SearchConfig.probes` as run configs, and looks up the names in `SearchConfig.compared_with`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from harness.errors import counted, show
from harness.spec.constraints import ConstraintField
from harness.spec.distributions import Choice, Range, Value
from harness.spec.metrics import METRICS
from harness.spec.pruners import AnyPruner, NoPruner
from harness.spec.reductions import By
from harness.spec.refusals import Refusal, raise_refusals
from harness.spec.samplers import TPE, AnySampler
from harness.spec.search_claims import BestClaim, BetterThan, SearchClaimField
from harness.spec.space import Probe, SpaceField
from harness.spec.wording import Location, unknown_name

DIRECTIONS = ("minimize", "maximize")
Direction = Literal["minimize", "maximize"]
Count = Annotated[int, Field(ge=1)]


def _metric(name: str) -> str:
    if name not in METRICS:
        raise_refusals("metric", [Refusal((), unknown_name("metric", name, METRICS))])
    return name


def _direction(value: object) -> str:
    if value not in DIRECTIONS:
        message = f"must be minimize or maximize, got {show(value)}"
        raise_refusals("direction", [Refusal((), message)])
    return str(value)


_Metric = Annotated[str, AfterValidator(_metric)]
_Direction = Annotated[str, PlainValidator(_direction)]
_METRIC = TypeAdapter[str](_Metric)
_METRICS = TypeAdapter[tuple[str, ...]](Annotated[tuple[_Metric, ...], Field(min_length=1)])
_DIRECTION = TypeAdapter[str](_Direction)
_DIRECTIONS = TypeAdapter[tuple[str, ...]](tuple[_Direction, ...])


def _parse_metrics(value: object) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        return (_METRIC.validate_python(value, strict=True),)
    names = _METRICS.validate_python(value, strict=True)
    repeated = [place for place, name in enumerate(names) if name in names[:place]]
    raise_refusals(
        "metric", (Refusal((place,), f"{names[place]} is there already") for place in repeated)
    )
    return names


def _parse_directions(value: object) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        return (_DIRECTION.validate_python(value),)
    return _DIRECTIONS.validate_python(value)


MetricName = Annotated[str, WithJsonSchema({"enum": list(METRICS), "type": "string"})]


class Reduce(BaseModel):
    """How the values of a metric over the steps so far become one: `by` over the `last` N."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    last: Count = Field(1, description="how many of the latest steps")
    by: By = Field("mean", description="how they become one")


class SearchConfig(BaseModel):
    """A search without its run sections. Trials, steps and reports are counted from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    metric: Annotated[
        tuple[str, ...],
        PlainValidator(_parse_metrics, json_schema_input_type=MetricName | list[MetricName]),
    ] = Field(description="the value of a trial; several make a Pareto front")
    direction: Annotated[
        tuple[str, ...],
        PlainValidator(_parse_directions, json_schema_input_type=Direction | list[Direction]),
    ] = Field(
        (),
        description="minimize (default) or maximize; one for each metric",
        json_schema_extra={"default": "minimize"},
    )
    reduce: Reduce = Field(Reduce(), description="of metrics that have a curve")
    space: SpaceField = Field(description="what is searched: dotted path to range or choices")
    sampler: AnySampler = Field(TPE(), description="how points are chosen")
    pruner: AnyPruner = Field(NoPruner(), description="which trials are stopped early")
    n_trials: Annotated[int, Field(ge=1, le=100_000)] = Field(
        description="trials in all; running again does only what is missing"
    )
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="no new trials after so many seconds"
    )
    parallel: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1, description="trials that are asked at once and trained in lock-step"
    )
    enqueue: Annotated[tuple[dict[str, Choice], ...], Field(max_length=1000)] = Field(
        (), description="points that are tried first; what they leave open is sampled"
    )
    report_every: Count = Field(
        10, description="optimizer steps between reports, where the pruner has no rungs of its own"
    )
    unpruned_trials: Annotated[int, Field(ge=0)] = Field(
        5, description="the first so many trials are never pruned"
    )
    storage: str | None = Field(
        None, description="an SQLAlchemy URL; unset: sqlite:///mlruns/optuna.db"
    )
    constraints: tuple[ConstraintField, ...] = Field(
        (), description="trials that break one are not trained: params <= 5000"
    )
    expect: tuple[SearchClaimField, ...] = Field((), description="claims on the result")

    @field_validator("direction")
    @classmethod
    def _one_direction_each(cls, directions: tuple[str, ...], info: ValidationInfo) -> object:
        metrics = info.data.get("metric")
        if metrics is not None and len(directions) != len(metrics):
            message = (
                f"must be as many as the metrics: {len(metrics)} of them, "
                f"got {counted(len(directions), 'direction')}"
            )
            raise_refusals("direction", [Refusal((), message)])
        return directions

    @field_validator("reduce")
    @classmethod
    def _something_to_reduce(cls, reduce: Reduce, info: ValidationInfo) -> Reduce:
        metrics = info.data.get("metric")
        if metrics is not None and not _have_curves(metrics):
            message = f"{' and '.join(metrics)}: recorded at the last step only; nothing to reduce"
            raise_refusals("reduce", [Refusal((), message)])
        return reduce

    @field_validator("pruner")
    @classmethod
    def _something_to_prune_by(cls, pruner: AnyPruner, info: ValidationInfo) -> AnyPruner:
        metrics = info.data.get("metric")
        if metrics is None or isinstance(pruner, NoPruner):
            return pruner
        if len(metrics) > 1:
            message = f"must be none with several metrics (here {len(metrics)}), got {pruner.name}"
            raise_refusals("pruner", [Refusal(("name",), message)])
        if not _have_curves(metrics):
            message = f"must be none: {metrics[0]} is recorded at the last step only"
            raise_refusals("pruner", [Refusal(("name",), message)])
        return pruner

    @field_validator("enqueue")
    @classmethod
    def _inside_the_space(
        cls, enqueue: tuple[dict[str, Value], ...], info: ValidationInfo
    ) -> tuple[dict[str, Value], ...]:
        space = info.data.get("space")
        found = []
        for place, point in enumerate(enqueue):
            if not point:
                found.append(Refusal((place,), "must set at least one parameter of the space"))
            elif space is not None:
                found += [Refusal((place, *at), text) for at, text, _ in space.refusals_of(point)]
        raise_refusals("enqueue", found)
        return enqueue

    @field_validator("storage")
    @classmethod
    def _not_blank(cls, storage: str | None) -> str | None:
        if storage is not None and (not storage.strip() or not storage.isprintable()):
            message = f"must be an SQLAlchemy URL such as sqlite:///study.db, got {show(storage)}"
            raise_refusals("storage", [Refusal((), message)])
        return storage

    @field_validator("expect")
    @classmethod
    def _claimable(
        cls, expect: tuple[BestClaim | BetterThan, ...], info: ValidationInfo
    ) -> tuple[BestClaim | BetterThan, ...]:
        metrics, space = info.data.get("metric"), info.data.get("space")
        found = []
        for place, claim in enumerate(expect):
            if metrics is not None and len(metrics) > 1:
                key = "best" if isinstance(claim, BestClaim) else "better_than"
                message = (
                    f"needs one metric: with {len(metrics)} there is a front and no best trial"
                )
                found.append(Refusal((place, key), message))
            elif isinstance(claim, BestClaim) and space is not None:
                found += [Refusal((place, *at), text) for at, text, _ in claim.refusals(space)]
        raise_refusals("expect", found)
        return expect

    @model_validator(mode="before")
    @classmethod
    def _default_directions(cls, data: object) -> object:
        """Minimize each metric where no direction is given."""
        if not isinstance(data, dict) or "direction" in data:
            return data
        metrics = data.get("metric")
        count = len(metrics) if isinstance(metrics, tuple) and metrics else 1
        return {**data, "direction": ("minimize",) * count}

    @model_validator(mode="after")
    def _sampler_suits(self) -> Self:
        raise_refusals("search", (*self._misplaced_points(), *self._unsuited_sampler()))
        return self

    def _misplaced_points(self) -> Iterator[Refusal]:
        for parameter in self.space.parameters:
            values = parameter.values
            if not isinstance(values, Range):
                continue
            if values.points is not None and self.sampler.name != "grid":
                message = f"is for the grid sampler; this search uses {self.sampler.name}"
                yield Refusal(("space", *parameter.location("points")), message)
            if self.sampler.name == "grid" and _is_uncut(values):
                missing = "points (how many values)" if values.log else "step or points"
                message = f"{parameter.path} needs {missing}, or choices, for the grid sampler"
                yield Refusal(("space", *parameter.location()), message)

    def _unsuited_sampler(self) -> Iterator[Refusal]:
        if self.sampler.name != "cmaes":
            return
        if len(self.metric) > 1:
            message = "cmaes takes one metric; use tpe, gp, qmc, random or grid for several"
            yield Refusal(("sampler", "name"), message)
        numbers = [
            parameter
            for parameter in self.space.parameters
            if isinstance(parameter.values, Range) and not parameter.conditions
        ]
        if len(numbers) < 2:
            message = (
                "cmaes needs two or more ranges of numbers without a when, and draws all else "
                f"at random; this space has {len(numbers)}: use tpe or gp"
            )
            yield Refusal(("sampler", "name"), message)

    def probes(self) -> Iterator[Probe]:
        """The points that must be valid runs, located from the search: see `Space.probes`."""
        for probe in self.space.probes():
            yield Probe(("space", *probe.location), probe.point, _in_space(probe.origins))
        for place, given in enumerate(self.enqueue):
            point = self.space.complete(given)
            origins = _in_space(self.space.origins(point))
            origins |= {path: ("enqueue", place, path) for path in given}
            yield Probe(("enqueue", place), point, origins)

    def compared_with(self) -> tuple[tuple[Location, str], ...]:
        """The searches that claims name, each with where: the loader checks that they exist."""
        return tuple(
            (("expect", place, "better_than", "search"), claim.better_than.search)
            for place, claim in enumerate(self.expect)
            if isinstance(claim, BetterThan)
        )


def _in_space(origins: Mapping[str, Location]) -> dict[str, Location]:
    return {path: ("space", *location) for path, location in origins.items()}


def _is_uncut(values: Range) -> bool:
    return values.type == "float" and values.step is None and values.points is None


def _have_curves(metrics: tuple[str, ...]) -> bool:
    return any(METRICS[metric].recorded != "last step" for metric in metrics)

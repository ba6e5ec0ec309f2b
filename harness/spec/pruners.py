"""The pruners a search may name: Optuna's, with their own arguments and defaults.

One model a pruner; ``PRUNERS`` maps the name in the file to it. A test compares fields and
defaults with the installed Optuna's signatures. All arguments are there; only `patient` calls its
inner pruner `wrapped`, a section like `pruner` itself, where Optuna wants an object.

A resource is an optimizer step. To add one: a model and a line in ``PRUNERS``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from harness.errors import show
from harness.spec.refusals import Refusal, raise_refusals

NotNegative = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Factor = Annotated[int, Field(ge=2, le=10**9)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _steps_or_auto(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**9:
        message = (
            f"must be a whole number of optimizer steps from 1 to 1e9, or auto, got {show(value)}"
        )
        raise_refusals("pruner", [Refusal((), message)])
    assert isinstance(value, int)
    return value


StepsOrAuto = Annotated[
    int | Literal["auto"],
    PlainValidator(_steps_or_auto, json_schema_input_type=Count | Literal["auto"]),
]


class PrunerConfig(BaseModel):
    """What every pruner has: its name, and the Optuna class that it stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    optuna_class: ClassVar[str]
    renamed: ClassVar[dict[str, str]] = {}

    name: str

    def arguments(self) -> dict[str, object]:
        """The keyword arguments for the Optuna class, defaults filled in; no inner pruner."""
        return self.model_dump(exclude={"name", *self.renamed})


class NoPruner(PrunerConfig):
    """Every trial trains to its end."""

    optuna_class = "NopPruner"
    name: Literal["none"] = "none"


class _WhenToAsk(PrunerConfig):
    n_warmup_steps: NotNegative = Field(0, description="optimizer steps before it may prune")
    interval_steps: Count = Field(1, description="optimizer steps between two decisions")


class _AgainstOthers(_WhenToAsk):
    n_startup_trials: NotNegative = Field(5, description="trials that finish before it may prune")
    n_min_trials: Count = Field(
        1, description="trials reported at a step before it may prune there"
    )


class Median(_AgainstOthers):
    """Worse than the median of the finished trials at the same step (Golovin et al. 2017)."""

    optuna_class = "MedianPruner"
    name: Literal["median"] = "median"


class Percentile(_AgainstOthers):
    """Not among the best `percentile` percent of the finished trials at the same step."""

    optuna_class = "PercentilePruner"
    name: Literal["percentile"] = "percentile"
    percentile: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = Field(
        description="the share of trials to keep, in percent; 0 to 100"
    )


class SuccessiveHalving(PrunerConfig):
    """Asynchronous successive halving (Li et al. 2018): one in `reduction_factor` goes on."""

    optuna_class = "SuccessiveHalvingPruner"
    name: Literal["successive_halving"] = "successive_halving"
    min_resource: StepsOrAuto = Field(
        "auto", description="optimizer steps to the first rung; auto: from the first full trial"
    )
    reduction_factor: Factor = Field(4, description="of so many trials one passes a rung")
    min_early_stopping_rate: NotNegative = Field(
        0, description="the first rung is min_resource x reduction_factor to this power"
    )
    bootstrap_count: NotNegative = Field(
        0, description="trials that reach a rung before one passes it; not with auto"
    )

    @model_validator(mode="after")
    def _bootstrap_needs_steps(self) -> Self:
        _no_bootstrap_on_auto("min_resource", self.min_resource, self.bootstrap_count)
        return self


class Hyperband(PrunerConfig):
    """Successive halving with several first rungs at once (Li et al. 2018)."""

    optuna_class = "HyperbandPruner"
    name: Literal["hyperband"] = "hyperband"
    min_resource: Count = Field(1, description="optimizer steps to the first rung")
    max_resource: StepsOrAuto = Field(
        "auto", description="optimizer steps of a full trial; auto: from the first full trial"
    )
    reduction_factor: Factor = Field(3, description="of so many trials one passes a rung")
    bootstrap_count: NotNegative = Field(
        0, description="trials that reach a rung before one passes it; not with auto"
    )

    @model_validator(mode="after")
    def _resources_in_order(self) -> Self:
        _no_bootstrap_on_auto("max_resource", self.max_resource, self.bootstrap_count)
        if isinstance(self.max_resource, int) and self.max_resource < self.min_resource:
            message = (
                f"must be at least min_resource ({self.min_resource}), got {self.max_resource}"
            )
            raise_refusals("hyperband", [Refusal(("max_resource",), message)])
        return self


def _no_bootstrap_on_auto(key: str, resource: int | str, bootstrap_count: int) -> None:
    if bootstrap_count and resource == "auto":
        message = f"needs a number of steps for {key}, which is auto here"
        raise_refusals("pruner", [Refusal(("bootstrap_count",), message)])


class Threshold(_WhenToAsk):
    """Outside fixed bounds, or not a number."""

    optuna_class = "ThresholdPruner"
    name: Literal["threshold"] = "threshold"
    lower: Finite | None = Field(None, description="pruned below this value")
    upper: Finite | None = Field(None, description="pruned above this value")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.lower is None and self.upper is None:
            raise_refusals("threshold", [Refusal((), "needs lower, upper or both")])
        elif self.lower is not None and self.upper is not None and self.lower > self.upper:
            message = f"must be at least lower ({show(self.lower)}), got {show(self.upper)}"
            raise_refusals("threshold", [Refusal(("upper",), message)])
        return self


Wrappable = Annotated[
    Median | Percentile | SuccessiveHalving | Hyperband | Threshold, Field(discriminator="name")
]


class Patient(PrunerConfig):
    """Asks another pruner only once the value has stopped improving."""

    optuna_class = "PatientPruner"
    renamed = {"wrapped": "wrapped_pruner"}
    name: Literal["patient"] = "patient"
    wrapped: Wrappable | None = Field(
        description="the pruner that is asked; null: prune as soon as patience is spent"
    )
    patience: NotNegative = Field(description="reports without improvement that it waits for")
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="a smaller improvement counts as none"
    )


AnyPruner = Annotated[
    NoPruner | Median | Percentile | SuccessiveHalving | Hyperband | Threshold | Patient,
    Field(discriminator="name"),
]

PRUNERS: dict[str, type[PrunerConfig]] = {
    "none": NoPruner,
    "median": Median,
    "percentile": Percentile,
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "threshold": Threshold,
    "patient": Patient,
}

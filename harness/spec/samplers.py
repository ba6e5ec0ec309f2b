"""The samplers a search may name: Optuna's, with their own arguments and defaults.

One model a sampler; ``SAMPLERS`` maps the name in the file to it. A test compares fields and
defaults with the installed Optuna's signatures: every argument is either a field here or stands in
`left_out` with the reason. The one difference is `seed`, which Optuna leaves to chance and which
is 0 here, so that a search gives the same trials every time.

Left out everywhere: objects and functions, which a file cannot hold, warnings switched on or off,
and what Optuna 5 has deprecated.

To add one: a model and a line in ``SAMPLERS``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.spec.refusals import Refusal, raise_refusals

Startup = Annotated[int, Field(ge=0, le=100_000)]

_OBJECT = "an object, which a file cannot hold"
_FUNCTION = "a function, which a file cannot hold"
_WARNING = "switches a warning of Optuna's"
_DEPRECATED = "deprecated in Optuna"


class SamplerConfig(BaseModel):
    """What every sampler takes: the seed of its random numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    optuna_class: ClassVar[str]
    left_out: ClassVar[dict[str, str]] = {}

    name: str
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="seed of the sampler; 0 to 2^32 - 1"
    )

    def arguments(self) -> dict[str, object]:
        """The keyword arguments for the Optuna class, defaults filled in."""
        return self.model_dump(exclude={"name"})


class Random(SamplerConfig):
    """Independent draws."""

    optuna_class = "RandomSampler"
    name: Literal["random"] = "random"


class TPE(SamplerConfig):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), multivariate for one objective."""

    optuna_class = "TPESampler"
    left_out = {
        "consider_prior": _DEPRECATED,
        "prior_weight": _DEPRECATED,
        "consider_magic_clip": _DEPRECATED,
        "consider_endpoints": _DEPRECATED,
        "gamma": _DEPRECATED,
        "weights": _DEPRECATED,
        "warn_independent_sampling": _WARNING,
        "constraints_func": _FUNCTION,
    }
    name: Literal["tpe"] = "tpe"
    n_startup_trials: Startup = Field(10, description="random trials before the model is used")
    n_ei_candidates: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        24, description="candidates drawn for the expected improvement"
    )
    multivariate: bool | None = Field(
        None, description="model the parameters jointly; null: yes for one objective"
    )
    group: bool = Field(
        False, description="model the groups of a conditional space each jointly; experimental"
    )
    constant_liar: bool = Field(True, description="count running trials as bad ones")

    @model_validator(mode="after")
    def _group_is_multivariate(self) -> Self:
        if self.group and self.multivariate is False:
            message = "needs multivariate, which is false here"
            raise_refusals("tpe", [Refusal(("group",), message)])
        return self


class CmaEs(SamplerConfig):
    """Covariance matrix adaptation (Hansen & Ostermeier 2001); numbers only, two or more."""

    optuna_class = "CmaEsSampler"
    left_out = {
        "x0": _DEPRECATED,
        "sigma0": _DEPRECATED,
        "restart_strategy": _DEPRECATED,
        "inc_popsize": _DEPRECATED,
        "independent_sampler": _OBJECT,
        "source_trials": _OBJECT,
        "warn_independent_sampling": _WARNING,
    }
    name: Literal["cmaes"] = "cmaes"
    n_startup_trials: Startup = Field(1, description="random trials before the first generation")
    consider_pruned_trials: bool = Field(False, description="learn from pruned trials too")
    popsize: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        None, description="trials in a generation; null: by the number of parameters"
    )
    use_separable_cma: bool = Field(False, description="a diagonal covariance (Ros & Hansen 2008)")
    with_margin: bool = Field(False, description="for steps and whole numbers (Hamano et al. 2022)")
    lr_adapt: bool = Field(False, description="adapt the learning rate (Nomura et al. 2023)")

    @model_validator(mode="after")
    def _one_variant(self) -> Self:
        variants = ("use_separable_cma", "with_margin", "lr_adapt")
        chosen = [key for key in variants if getattr(self, key)]
        if len(chosen) > 1:
            message = f"cannot be combined with {chosen[0]}: Optuna has no such variant"
            raise_refusals("cmaes", [Refusal((chosen[1],), message)])
        return self


class GP(SamplerConfig):
    """Gaussian process with the logarithm of the expected improvement (Ament et al. 2023)."""

    optuna_class = "GPSampler"
    left_out = {
        "independent_sampler": _OBJECT,
        "constraints_func": _FUNCTION,
        "warn_independent_sampling": _WARNING,
    }
    name: Literal["gp"] = "gp"
    n_startup_trials: Startup = Field(10, description="random trials before the model is used")
    deterministic_objective: bool = Field(
        False, description="the same point always has the same value, without noise; experimental"
    )


class QMC(SamplerConfig):
    """Quasi Monte Carlo: a sequence that fills the space evenly (Bergstra & Bengio 2012)."""

    optuna_class = "QMCSampler"
    left_out = {
        "independent_sampler": _OBJECT,
        "warn_asynchronous_seeding": _WARNING,
        "warn_independent_sampling": _WARNING,
    }
    name: Literal["qmc"] = "qmc"
    qmc_type: Literal["sobol", "halton"] = Field("sobol", description="the sequence")
    scramble: bool = Field(False, description="randomise the sequence, by the seed")


class Grid(SamplerConfig):
    """Every point once, in an order shuffled by the seed: choices, steps or points everywhere."""

    optuna_class = "GridSampler"
    left_out = {"search_space": "made from the search's space"}
    name: Literal["grid"] = "grid"


AnySampler = Annotated[Random | TPE | CmaEs | GP | QMC | Grid, Field(discriminator="name")]

SAMPLERS: dict[str, type[SamplerConfig]] = {
    "random": Random,
    "tpe": TPE,
    "cmaes": CmaEs,
    "gp": GP,
    "qmc": QMC,
    "grid": Grid,
}

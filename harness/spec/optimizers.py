"""The optimizers a sweep file may name: their arguments, ranges and defaults.

One pydantic model an optimizer, with exactly the arguments of the class of `torch.optim` that it
stands for, under torch's names; ``OPTIMIZERS`` maps the name in the file to the model and to the
class. Nothing here imports torch: a test compares this table with the installed signatures.
`lr` is required everywhere, since a learning rate that nobody chose says nothing about the
optimizer. Left out are torch's switches that change how a step is launched and never what a user
sweeps (`capturable`, `differentiable`), and Adam's `decoupled_weight_decay`, which is `adamw`.

To add one: a model and a line in ``OPTIMIZERS``.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Rate = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class OptimizerConfig(BaseModel):
    """What every optimizer takes: the learning rate and the switches of its implementation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    torch_class: ClassVar[str]

    lr: Rate = Field(description="learning rate; greater than 0")
    maximize: bool = Field(False, description="ascend instead of descend")
    foreach: bool | None = Field(
        None, description="torch's multi-tensor implementation; null lets torch choose"
    )

    def arguments(self) -> dict[str, object]:
        """The keyword arguments for the torch class, defaults filled in."""
        return self.model_dump(exclude={"name"})


class _Fused(OptimizerConfig):
    fused: bool | None = Field(
        None, description="torch's one-kernel implementation; null lets torch choose"
    )

    @model_validator(mode="after")
    def _one_implementation(self) -> Self:
        if self.fused and self.foreach:
            raise PydanticCustomError(
                "harness", "fused and foreach cannot both be true", {"at": "fused"}
            )
        return self


class _Betas(OptimizerConfig):
    betas: tuple[Beta, Beta] = Field(
        (0.9, 0.999), description="decay of the running means of gradient and squared gradient"
    )
    eps: NonNegative = Field(1e-8, description="added to the denominator")


class AdamW(_Fused, _Betas):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    torch_class = "AdamW"
    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegative = Field(0.01, description="decoupled weight decay a unit of lr")
    amsgrad: bool = Field(False, description="the AMSGrad variant (Reddi et al. 2018)")


class Adam(_Fused, _Betas):
    """Adam (Kingma & Ba 2015); its weight decay is an L2 penalty."""

    torch_class = "Adam"
    name: Literal["adam"] = "adam"
    weight_decay: NonNegative = Field(0.0, description="L2 penalty added to the gradient")
    amsgrad: bool = Field(False, description="the AMSGrad variant (Reddi et al. 2018)")


class SGD(_Fused):
    """Stochastic gradient descent, with optional momentum (Sutskever et al. 2013)."""

    torch_class = "SGD"
    name: Literal["sgd"] = "sgd"
    momentum: NonNegative = Field(0.0, description="momentum factor")
    dampening: Finite = Field(0.0, description="dampening of the momentum")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty added to the gradient")
    nesterov: bool = Field(False, description="Nesterov momentum")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise PydanticCustomError(
                "harness",
                "nesterov needs a momentum greater than 0 and a dampening of 0",
                {"at": "nesterov"},
            )
        return self


class NAdam(_Betas):
    """Adam with Nesterov momentum (Dozat 2016)."""

    torch_class = "NAdam"
    name: Literal["nadam"] = "nadam"
    weight_decay: NonNegative = Field(0.0, description="L2 penalty, or decoupled as set below")
    momentum_decay: NonNegative = Field(0.004, description="decay of the momentum's schedule")
    decoupled_weight_decay: bool = Field(False, description="decay as AdamW does")


class RAdam(_Betas):
    """Rectified Adam (Liu et al. 2020)."""

    torch_class = "RAdam"
    name: Literal["radam"] = "radam"
    weight_decay: NonNegative = Field(0.0, description="L2 penalty, or decoupled as set below")
    decoupled_weight_decay: bool = Field(False, description="decay as AdamW does")


class RMSprop(OptimizerConfig):
    """RMSprop (Hinton's lecture notes, 2012)."""

    torch_class = "RMSprop"
    name: Literal["rmsprop"] = "rmsprop"
    alpha: Beta = Field(0.99, description="decay of the running mean of squared gradients")
    eps: NonNegative = Field(1e-8, description="added to the denominator")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty added to the gradient")
    momentum: NonNegative = Field(0.0, description="momentum factor")
    centered: bool = Field(False, description="normalise by the gradient's variance")


class Adagrad(_Fused):
    """Adagrad (Duchi et al. 2011)."""

    torch_class = "Adagrad"
    name: Literal["adagrad"] = "adagrad"
    lr_decay: NonNegative = Field(0.0, description="decay of the learning rate")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty added to the gradient")
    initial_accumulator_value: NonNegative = Field(0.0, description="start of the sum of squares")
    eps: NonNegative = Field(1e-10, description="added to the denominator")


class Adafactor(OptimizerConfig):
    """Adafactor (Shazeer & Stern 2018), in torch's form."""

    torch_class = "Adafactor"
    name: Literal["adafactor"] = "adafactor"
    beta2_decay: Annotated[float, Field(le=0, allow_inf_nan=False)] = Field(
        -0.8, description="exponent of the decay of the squared gradient's running mean; at most 0"
    )
    eps: tuple[NonNegative | None, NonNegative] = Field(
        (None, 1e-3), description="two terms of regularisation; the first may be null"
    )
    d: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        1.0, description="clipping threshold of the update; at least 1"
    )
    weight_decay: NonNegative = Field(0.0, description="decoupled weight decay a unit of lr")


AnyOptimizer = Annotated[
    AdamW | Adam | SGD | NAdam | RAdam | RMSprop | Adagrad | Adafactor,
    Field(discriminator="name"),
]

OPTIMIZERS: dict[str, type[OptimizerConfig]] = {
    "adamw": AdamW,
    "adam": Adam,
    "sgd": SGD,
    "nadam": NAdam,
    "radam": RAdam,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adafactor": Adafactor,
}

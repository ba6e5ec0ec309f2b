"""The settings of one training, fully resolved and frozen.

A `RunConfig` is what crosses every border of the project: the loader makes it, the fingerprint
is computed from it, engines train it, MLflow shows it. It is data only and imports neither torch
nor MLflow. Sections and keys are those of the sweep file; ranges are checked here and nowhere else.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from harness.errors import show
from harness.spec.evaluations import HOLD_OUT
from harness.spec.optimizers import AnyOptimizer
from harness.spec.stacking import auto_engine

DEVICE = r"^(cpu|cuda(:\d{1,2})?)$"
MAX_PARAMETERS = 2**31
MAX_SEED = 2**63 - 1

Count = Annotated[int, Field(ge=1, le=10**12)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./ -]{0,99}$")]
TagValue = Annotated[str, Field(max_length=5000)]
# Only with a bound, also one that every text keeps, pydantic looks for half of a surrogate pair.
Prose = Annotated[str, Field(min_length=0)]
Engine = Literal["auto", "plain", "bare", "stacked"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelConfig(_Section):
    """The GPT's shape: C, heads, blocks, context, and optionally the vocabulary's size."""

    embed_dim: Count = Field(description="C, the width of the residual stream")
    num_heads: Count = Field(description="attention heads; embed_dim is divisible by it")
    num_layers: Annotated[int, Field(ge=1, le=10_000)] = Field(description="N, the blocks")
    max_seq_len: Count = Field(description="the longest context, in tokens")
    dropout: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        0.0, description="probability of dropping an activation; 0 <= p < 1"
    )
    vocab_size: Count | None = Field(
        None, description="V; at least the tokenizer's, and by default equal to it"
    )

    @field_validator("num_heads")
    @classmethod
    def _heads_divide(cls, num_heads: int, info: ValidationInfo) -> int:
        embed_dim = info.data.get("embed_dim")
        if embed_dim is not None and embed_dim % num_heads:
            raise PydanticCustomError(
                "harness",
                "embed_dim ({embed_dim}) must be divisible by num_heads, got {num_heads}",
                {"embed_dim": embed_dim, "num_heads": num_heads},
            )
        return num_heads

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.num_parameters() > MAX_PARAMETERS:
            terms = {
                "embed_dim": self.num_layers * 12 * self.embed_dim**2,
                "max_seq_len": self.max_seq_len * self.embed_dim,
                "vocab_size": (self.vocab_size or 0) * self.embed_dim,
            }
            raise PydanticCustomError(
                "harness",
                "embed_dim {embed_dim} x num_layers {num_layers} makes a model of {total} "
                "parameters; at most {limit} are allowed",
                {
                    "embed_dim": f"{self.embed_dim:,}",
                    "num_layers": f"{self.num_layers:,}",
                    "total": f"{self.num_parameters():,}",
                    "limit": f"{MAX_PARAMETERS:,}",
                    "at": max(terms, key=lambda key: terms[key]),
                },
            )
        return self

    def num_parameters(self) -> int:
        """The model's parameters; without its token embedding while `vocab_size` is unset."""
        c = self.embed_dim
        tables = ((self.vocab_size or 0) + self.max_seq_len) * c
        return tables + self.num_layers * (12 * c * c + 9 * c) + 2 * c


class DataConfig(_Section):
    """Where the text comes from and how it becomes token ids: exactly one source."""

    text: Annotated[str, Field(min_length=1)] | None = Field(None, description="the text itself")
    file: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="a UTF-8 text file, relative to the sweep file"
    )
    builtin: Literal["python-docs"] | None = Field(
        None, description="a text that ships with Python"
    )
    repeat: Annotated[int, Field(ge=1, le=2**31)] = Field(
        1, description="how often the token ids are repeated"
    )
    tokenizer: Literal["chars", "words"] = Field("chars", description="how text is cut into tokens")
    holdout: Annotated[float, Field(ge=0, le=0.9, allow_inf_nan=False)] = Field(
        0.0, description="share of the tokens, the last ones, that val/loss is of; 0 to 0.9"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [key for key in DATA_SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise PydanticCustomError(
                "harness",
                "needs exactly one of text, file and builtin, got {found}",
                {"found": found, **({"at": given[-1]} if given else {})},
            )
        return self

    @property
    def source(self) -> str:
        """Which of `DATA_SOURCES` is set."""
        return next(key for key in DATA_SOURCES if getattr(self, key) is not None)

    def num_held_out(self, num_tokens: int) -> int:
        """How many of so many tokens, the last ones, are held out of the training."""
        return round(num_tokens * self.holdout)


DATA_SOURCES = ("text", "file", "builtin")


class TrainConfig(_Section):
    """How long, on how much, and by which engine."""

    steps: Annotated[int, Field(ge=1, le=10**9)] = Field(description="optimizer steps")
    batch_size: Annotated[int, Field(ge=1, le=2**20)] = Field(description="B, sequences in a batch")
    seq_len: Count = Field(description="T, tokens in a sequence; at most model.max_seq_len")
    engine: Engine = Field(
        "auto",
        description="how runs are trained; auto: stacked where it takes the run and a step has at "
        "most 6 million floating-point operations and 1,024 symbols, else plain",
    )
    device: str = Field(
        "cpu", description="cpu, cuda or cuda:N", json_schema_extra={"pattern": DEVICE}
    )
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(
        1, description="torch threads of the process that trains"
    )
    log_every: Count = Field(
        50, description="optimizer steps between console lines; every loss is recorded"
    )
    eval_every: Count | None = Field(
        None, description="optimizer steps between evaluations; unset: after the last step alone"
    )
    eval_batches: Annotated[int, Field(ge=1, le=2**20)] = Field(
        8, description="batches of held-out windows in an evaluation"
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not re.fullmatch(DEVICE, device):
            raise PydanticCustomError(
                "harness", "must be cpu, cuda or cuda:N, got {found}", {"found": show(device)}
            )
        return device


class SeedConfig(_Section):
    """The two random streams: weights, and batches (with dropout)."""

    model: Seed = Field(0, description="set right before the model is built; 0 to 2^63 - 1")
    data: Seed = Field(42, description="set before the first batch; 0 to 2^63 - 1")


class CheckpointConfig(_Section):
    """When checkpoints are written while training, and how many are kept."""

    every: Count | None = Field(
        None, description="optimizer steps between checkpoints; unset: one every 60 s"
    )
    keep_last: Count = Field(2, description="how many of the newest are kept")
    keep_best: Annotated[int, Field(ge=0)] = Field(
        0, description="how many with the lowest train/loss are kept besides"
    )


class RunConfig(_Section):
    """One training: everything that decides it, and what it is called for."""

    model: ModelConfig
    data: DataConfig
    optimizer: AnyOptimizer
    train: TrainConfig
    seed: SeedConfig = SeedConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    description: Prose = ""
    tags: dict[TagKey, TagValue] = Field(default_factory=dict)

    @field_validator("tags")
    @classmethod
    def _not_ours(cls, tags: dict[str, str]) -> dict[str, str]:
        for key in tags:
            if key.startswith(("harness.", "mlflow.")):
                message = "may not begin with harness. or mlflow., which they keep for themselves"
                raise PydanticCustomError("harness", message, {"at": (key,)})
        return tags

    @field_validator("train")
    @classmethod
    def _context_holds(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        model = info.data.get("model")
        if model is not None and train.seq_len > model.max_seq_len:
            raise PydanticCustomError(
                "harness",
                "must be at most model.max_seq_len ({max_seq_len}), got {seq_len}",
                {"max_seq_len": model.max_seq_len, "seq_len": train.seq_len, "at": "seq_len"},
            )
        return train

    @field_validator("train")
    @classmethod
    def _evaluations_happen(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        data = info.data.get("data")
        for key in ("eval_every", "eval_batches"):
            default = TrainConfig.model_fields[key].default
            if data is not None and data.holdout == 0 and getattr(train, key) != default:
                raise PydanticCustomError("harness", HOLD_OUT, {"at": key})
        if train.engine == "bare" and train.eval_every is not None:
            message = "bare evaluates after the last step alone; say train.engine: plain"
            raise PydanticCustomError("harness", message, {"at": "eval_every"})
        return train

    @property
    def engine(self) -> str:
        """The engine that trains this run: `auto` resolved from the run config alone.

        `auto` is resolved after `model.vocab_size`, which is part of the work of a step.
        """
        return auto_engine(self) if self.train.engine == "auto" else self.train.engine

    def with_vocab_size(self, vocab_size: int) -> Self:
        """A copy whose `model.vocab_size` is filled in where the file left it open.

        Raises pydantic's ValidationError when the model then is too big.
        """
        if self.model.vocab_size is not None:
            return self
        model = ModelConfig(**{**self.model.model_dump(), "vocab_size": vocab_size})
        return self.model_copy(update={"model": model})

    def flat(self) -> dict[str, str]:
        """Every setting that is not null under its dotted path, as text: MLflow's params."""
        out: dict[str, str] = {}
        for section in ("model", "data", "optimizer", "train", "seed", "checkpoint"):
            for key, value in getattr(self, section).model_dump(mode="json").items():
                if value is not None:
                    out[f"{section}.{key}"] = value if isinstance(value, str) else json.dumps(value)
        return out

"""`model.safetensors`: the one file that rebuilds a trained model and its tokenizer.

Beside the weights its header holds the model's config, the tokenizer, the step, and the head of
the corpus, so that section 14.6's check needs neither the sweep file nor the text.

Guarantees: config, tokenizer, names, shapes and types are checked against each other before a
model is built, and building draws no random numbers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from harness.errors import CorpusError
from harness.gpt.model import GPT
from harness.gpt.synced_file import FileRecord
from harness.gpt.tensor_file import TensorFile, damaged, read, write
from harness.spec.run_config import ModelConfig
from harness.text.corpora import Corpus
from harness.text.tokenizers import Tokenizer, tokenizer_from_json


@dataclasses.dataclass(frozen=True)
class CorpusHead:
    """What a checkpoint keeps of its corpus: which it was, and the ids that it starts with."""

    digest: str
    """SHA-256 of the corpus's ids, in hex; see `Corpus`."""
    num_tokens: int
    seq_len: int
    """T of the training."""
    head: tuple[int, ...]
    """The first seq_len + 1 ids, or all where there are fewer."""

    @classmethod
    def of(cls, corpus: Corpus, seq_len: int) -> CorpusHead:
        """The head of a corpus that is trained on with sequences of `seq_len` tokens."""
        head = tuple(corpus.head(seq_len + 1))
        return cls(corpus.digest, corpus.info.num_tokens, seq_len, head)


@dataclasses.dataclass(frozen=True)
class LoadedCheckpoint:
    """A trained model, in evaluation mode on the CPU, with what is needed to use it."""

    model: GPT
    tokenizer: Tokenizer
    config: ModelConfig
    step: int
    """The number of updates behind these weights."""
    corpus: CorpusHead


def write_model(
    path: Path, model: GPT, tokenizer: Tokenizer, step: int, head: CorpusHead
) -> FileRecord:
    """Write the file and wait until it is on the disk; raises OSError."""
    header = {
        "model": model.config.model_dump(),
        "tokenizer": tokenizer.to_json(),
        "step": step,
        "corpus": dataclasses.asdict(head),
    }
    return write(path, TensorFile(header, model.state_dict()))


def read_model(path: Path) -> LoadedCheckpoint:
    """The model, tokenizer and corpus head in the file; a CheckpointError when it is not whole."""
    file = read(path)
    config = _config(path, file.header)
    tokenizer = _tokenizer(path, file.header, config)
    step = file.header.get("step")
    if type(step) is not int or step < 0:
        raise damaged(path, "its step is not a number of updates")
    head = _head(path, file.header.get("corpus"), config)
    model = _model(path, config, file.tensors)
    return LoadedCheckpoint(model, tokenizer, config, step, head)


def _config(path: Path, header: Mapping[str, Any]) -> ModelConfig:
    try:
        config = ModelConfig.model_validate(header.get("model"))
    except ValidationError as error:
        raise damaged(path, f"its model config is not valid ({_first(error)})") from None
    if config.vocab_size is None:
        raise damaged(path, "its model config has no vocab_size")
    return config


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'model'}: {problem['msg']}"


def _tokenizer(path: Path, header: Mapping[str, Any], config: ModelConfig) -> Tokenizer:
    text = header.get("tokenizer")
    if not isinstance(text, str):
        raise damaged(path, "it holds no tokenizer")
    try:
        tokenizer = tokenizer_from_json(text)
    except CorpusError as error:
        raise damaged(path, str(error)) from None
    assert config.vocab_size is not None
    if tokenizer.vocab_size > config.vocab_size:
        raise damaged(
            path,
            f"its tokenizer has {tokenizer.vocab_size} symbols, its model only {config.vocab_size}",
        )
    return tokenizer


def _head(path: Path, content: object, config: ModelConfig) -> CorpusHead:
    """The corpus head in the header, every field checked: its ids go straight into the model."""
    assert config.vocab_size is not None
    match content:
        case {
            "digest": str(digest),
            "num_tokens": int(num_tokens),
            "seq_len": int(seq_len),
            "head": list(ids),
        } if (
            re.fullmatch("[0-9a-f]{64}", digest)
            and 1 <= seq_len <= config.max_seq_len
            and len(ids) == min(seq_len + 1, num_tokens)
            and all(type(i) is int and 0 <= i < config.vocab_size for i in ids)
        ):
            return CorpusHead(digest, num_tokens, seq_len, tuple(ids))
    raise damaged(path, "the head of its corpus is missing or does not fit the model")


def _model(path: Path, config: ModelConfig, tensors: Mapping[str, torch.Tensor]) -> GPT:
    """The model with these weights in place; nothing is drawn, and nothing allocated twice."""
    found = sum(tensor.numel() for tensor in tensors.values())
    if found != config.num_parameters():  # before a model of that size is built
        raise damaged(
            path, f"it holds {found:,} weights, its config asks for {config.num_parameters():,}"
        )
    with torch.device("meta"):
        model = GPT.from_config(config)
    expected = model.state_dict()
    if set(expected) != set(tensors):
        name = min(set(expected) ^ set(tensors))
        raise damaged(path, f"its weights are not this model's: {name} is in one of the two only")
    for name, tensor in tensors.items():
        if (tensor.shape, tensor.dtype) != (expected[name].shape, expected[name].dtype):
            raise damaged(path, f"{name} is {_form(tensor)}, must be {_form(expected[name])}")
    model.load_state_dict(dict(tensors), assign=True)
    return model.eval()


def _form(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"

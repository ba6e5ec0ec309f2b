"""A corpus's ids as the tensors that batches are cut from: what is trained on, and what is not."""

from __future__ import annotations

import sys

import torch

from harness.spec.run_config import DataConfig
from harness.text.corpora import Corpus

TORCH_TYPES = {"uint8": torch.uint8, "int16": torch.int16, "int32": torch.int32}


def corpus_tensor(corpus: Corpus) -> torch.Tensor:
    """All ids of a corpus, (num_tokens,), in the type that it stores them in.

    Ids in the cache are memory-mapped, privately: processes share the pages that they read. Only
    `repeat` makes a copy, which takes 1, 2 or 4 bytes a token.
    """
    assert sys.byteorder == "little"  # corpora are, and so is every machine that torch is built for
    dtype = TORCH_TYPES[corpus.dtype]
    if corpus.path is not None:
        size = corpus.info.num_base_tokens
        base = torch.from_file(str(corpus.path), shared=False, size=size, dtype=dtype)
    else:
        assert corpus.data is not None
        base = torch.frombuffer(bytearray(corpus.data), dtype=dtype)
    return base.repeat(corpus.info.repeat) if corpus.info.repeat > 1 else base


def split(ids: torch.Tensor, config: DataConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids that are trained on, and the last ones, which are held out; views of `ids`.

    Batches are cut from the one or the other, so no window reaches over the border.
    """
    num_training = len(ids) - config.num_held_out(len(ids))
    return ids[:num_training], ids[num_training:]

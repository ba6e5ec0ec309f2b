"""A run's identity: a hash of what decides its numbers, and of nothing else.

`v1-` and 32 hex digits of SHA-256 over sorted JSON of the model, the tokenizer, the digest of the
token ids, the optimizer with its defaults filled in, steps, batch size, sequence length, the
resolved engine, device type, threads and seeds. Names, paths, claims, `log_every`, `checkpoint`
and tags are left out. A key that later work adds is left out while it has its default, so that
fingerprints that exist stay valid: a golden test fixes a few.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.spec.run_config import RunConfig

VERSION = "v1"


def identity(config: RunConfig, digest: str) -> dict[str, Any]:
    """What decides a run's numbers, as JSON data.

    ``config.model.vocab_size`` must be resolved; ``digest`` is that of the token ids.
    """
    assert config.model.vocab_size is not None, "vocab_size is resolved before the fingerprint"
    train = config.train
    return {
        "model": config.model.model_dump(mode="json"),
        "tokenizer": config.data.tokenizer,
        "data": digest,
        "optimizer": config.optimizer.model_dump(mode="json"),
        "steps": train.steps,
        "batch_size": train.batch_size,
        "seq_len": train.seq_len,
        "engine": config.engine,
        "device": train.device.partition(":")[0],
        "threads": train.threads,
        "seed": config.seed.model_dump(mode="json"),
    }


def fingerprint(config: RunConfig, digest: str) -> str:
    """The run's fingerprint, such as ``v1-0123...`` (35 characters)."""
    return _hash(identity(config, digest))


def group_fingerprint(config: RunConfig, digest: str) -> str:
    """The fingerprint without the seeds: equal for runs that differ in nothing else."""
    return _hash({k: v for k, v in identity(config, digest).items() if k != "seed"})


def _hash(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"

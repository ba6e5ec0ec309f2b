"""A run's identity: a hash of what decides its numbers, and of nothing else.

`v1-` and 32 hex digits of SHA-256 over sorted JSON of the model, the tokenizer, the digest of the
token ids, the optimizer with its defaults filled in, steps, batch size, sequence length, the
resolved engine, device type, threads and seeds; and, where they are not the defaults, what is held
out and when it is looked at, which decides what is trained on and which values of `val/loss` there
are. Names, paths, claims, `log_every`, `checkpoint` and tags are left out. A key that later work
adds is left out while it has its default, so that fingerprints that exist stay valid: a golden test
fixes a few.
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
        **_added_later(config),
    }


def _added_later(config: RunConfig) -> dict[str, Any]:
    """What the first release did not have, where it is not the default."""
    values = {
        "holdout": (config.data, "holdout"),
        "eval_every": (config.train, "eval_every"),
        "eval_batches": (config.train, "eval_batches"),
    }
    found = {}
    for name, (section, key) in values.items():
        value = getattr(section, key)
        if value != type(section).model_fields[key].default:
            found[name] = value
    return found


def fingerprint(config: RunConfig, digest: str) -> str:
    """The run's fingerprint, such as ``v1-0123...`` (35 characters)."""
    return _hash(identity(config, digest))


def group_fingerprint(config: RunConfig, digest: str) -> str:
    """The fingerprint without the seeds: equal for runs that differ in nothing else."""
    return _hash({k: v for k, v in identity(config, digest).items() if k != "seed"})


def _hash(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"

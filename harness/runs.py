"""What a user calls a run, to its checkpoint: a name, a run id, or a path.

A name that several runs bear means the newest finished one.
"""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError, escape
from harness.gpt.checkpoint import MODEL_FILE, load_checkpoint
from harness.gpt.model import GPT
from harness.gpt.weights import LoadedCheckpoint
from harness.text.tokenizers import Tokenizer
from harness.tracking.read import local_checkpoint
from harness.tracking.resolve import resolve_run
from harness.tracking.store import open_store


def open_checkpoint(run_or_path: str | Path, tracking_uri: str | None = None) -> LoadedCheckpoint:
    """The newest checkpoint of a run, or the one at a path, with all that it says of itself.

    Raises UsageError for a name that no run bears, StoreError for a run without a checkpoint,
    CheckpointError for a damaged one.
    """
    path = _as_path(run_or_path)
    if path is None:
        store = open_store(tracking_uri, create=False)
        path = local_checkpoint(store, resolve_run(store, str(run_or_path)).run_id)
    return load_checkpoint(path)


def load_trained(run_or_path: str | Path, tracking_uri: str | None = None) -> tuple[GPT, Tokenizer]:
    """The trained model of a run, in evaluation mode on the CPU, and its tokenizer.

    >>> model, tokenizer = harness.load_checkpoint("adamw")  # doctest: +SKIP
    """
    loaded = open_checkpoint(run_or_path, tracking_uri)
    return loaded.model, loaded.tokenizer


def _as_path(run_or_path: str | Path) -> Path | None:
    """The path, where one is meant: a Path, a `.safetensors` name, or what is there."""
    path = Path(run_or_path)
    if path.exists() and (path.is_file() or (path / MODEL_FILE).exists()):
        return path
    looks_like_path = isinstance(run_or_path, Path) or path.suffix == ".safetensors"
    if looks_like_path:
        raise UsageError(f"{escape(str(path))}: no checkpoint is there")
    return None

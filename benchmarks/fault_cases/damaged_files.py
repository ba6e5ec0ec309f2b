"""Damage to every file that is read back, but for databases: detected, or taken for good.

The control reads what is in the files as scripts do: with safetensors, NumPy and json, which look
at the structure alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from fault_cases.damage import Victim, both
from fault_cases.processes import Command, folder_in_memory
from fault_cases.rows import Row
from fault_cases.trained import trained
from harness.errors import StoreInUse
from harness.gpt.checkpoint import load_checkpoint, load_training_state, save_checkpoint
from harness.text.corpora import open_corpus
from harness.text.sources import Source
from harness.tracking.lock import hold
from harness.tracking.outbox import Letter, Outbox

HOW = "bits flipped, cut short"
TEXT = "the cat sat on the mat and saw the other cat\n" * 40
PATIENCE_S = 30.0


def rows(tries: int) -> Iterator[Row]:
    with folder_in_memory() as home:
        save_checkpoint(home / "step_000002", trained(1))
        (home / "text.txt").write_text(TEXT)
        victims = [
            *_checkpoint(home / "step_000002"),
            *_corpus(home / "text.txt", home / "cache"),
            _waiting(home / "outbox", home / "letter.json"),
        ]
        for victim in victims:
            yield victim.row(both, HOW, tries)
        yield _held(home / "project", tries)
        yield _alone(home / "step_000002", home / "model.safetensors", tries)


def _checkpoint(folder: Path) -> Iterator[Victim]:
    def load(_: Path) -> object:
        state = load_training_state(folder)
        moments = {
            f"{place} {name}": tensor
            for place, tensors in state.optimizer["state"].items()
            for name, tensor in tensors.items()
        }
        return _model(folder), _digest(state.random), _digest(moments)

    tensors = ("`safetensors.torch.load_file`", _tensors)
    yield Victim("model.safetensors", folder / "model.safetensors", load, *tensors)
    yield Victim("training.safetensors", folder / "training.safetensors", load, *tensors)
    yield Victim("checkpoint.json", folder / "checkpoint.json", load, "`json.loads`", _json)


def _corpus(text: Path, cache: Path) -> Iterator[Victim]:
    def encode(_: Path) -> object:
        corpus = open_corpus(Source("file", str(text)), "chars", 1, cache, write=True)
        assert corpus.path is not None
        return corpus.digest, corpus.info.tokenizer.to_json(), corpus.path.read_bytes()

    encode(text)
    (ids,), (sidecar,) = cache.glob("*.ids"), cache.glob("*.json")
    yield Victim("the corpus cache's ids", ids, encode, "`numpy.fromfile`", _numbers)
    yield Victim("the corpus cache's vocabulary", sidecar, encode, "`json.loads`", _json)


def _waiting(folder: Path, other: Path) -> Victim:
    """Losses that wait for a server; the control's are in a file of JSON."""
    points = [["train/loss", 1 / step, 1_800_000_000_000 + step, step] for step in range(1, 51)]
    Outbox(folder).add(Letter("0" * 32, "write", {"points": points}))
    other.write_text(json.dumps(points))
    (path,) = folder.iterdir()

    def read(_: Path) -> object:
        return list(Outbox(folder).letters())

    return Victim("a record that waits for a server", path, read, "`json.loads`", _json, other)


def _held(project: Path, tries: int) -> Row:
    """Who holds the store, as read by who wants it: refused, whatever is in that file."""
    state, uri = project / "mlruns", f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    state.mkdir(parents=True)
    holder = Command(lambda: _hold_for_long(state, uri), project)
    try:
        until = time.monotonic() + PATIENCE_S
        while not (found := [*(state / ".state").glob("*.json")]):
            assert time.monotonic() < until, "the lock was never taken"
            time.sleep(0.01)
        victim = Victim(
            "the lock's holder", found[0], lambda _: _ask(state, uri), "a pid file", _is_alive
        )
        return victim.row(both, HOW, tries)
    finally:
        holder.kill()


def _alone(checkpoint: Path, file: Path, tries: int) -> Row:
    """A model file that was taken out of its folder: only its own checksum is left."""
    shutil.copyfile(checkpoint / "model.safetensors", file)
    victim = Victim(
        "model.safetensors alone, away from its folder", file, _model, "`load_file`", _tensors
    )
    return victim.row(both, HOW, tries)


def _model(path: Path) -> object:
    loaded = load_checkpoint(path)
    return _digest(loaded.model.state_dict()), loaded.tokenizer.to_json(), loaded.step


def _tensors(path: Path) -> str:
    return _digest(safetensors.torch.load_file(path))


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _numbers(path: Path) -> list[int]:
    return np.fromfile(path, dtype=np.uint8).tolist()


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    hasher = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.numpy().tobytes())
    return hasher.hexdigest()


def _hold_for_long(state: Path, uri: str) -> None:
    with hold(state, uri):
        time.sleep(10 * PATIENCE_S)


def _ask(state: Path, uri: str) -> str:
    try:
        with hold(state, uri):
            return "taken"
    except StoreInUse:
        return "refused"


def _is_alive(path: Path) -> str:
    """What scripts do: a file without a process that lives is taken for one that was left."""
    try:
        os.kill(_json(path)["pid"], 0)
    except (ValueError, KeyError, TypeError, ProcessLookupError, OverflowError):
        return "taken"
    return "refused"

"""A checkpoint: a directory that a run can be used from, and continued from to the same bits.

    model.safetensors      weights, config, tokenizer and corpus head; enough alone to use the model
    training.safetensors   optimizer and random states; with the above, enough to go on training
    checkpoint.json        step, fingerprint, and the size and SHA-256 of both

Guarantees: a directory appears under its name complete and on the disk, or not at all; nothing in
it is ever unpickled; a file that was changed, cut short or mixed up gives a CheckpointError that
names it, and so does `model.safetensors` alone, away from its directory.
"""

from __future__ import annotations

import dataclasses
import errno
import shutil
from pathlib import Path

from harness.errors import CheckpointError, DiskRefused, escape
from harness.gpt.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from harness.gpt.model import GPT
from harness.gpt.synced_file import sync_directory
from harness.gpt.training_file import TrainingSnapshot, read_training, write_training
from harness.gpt.weights import CorpusHead, LoadedCheckpoint, read_model, write_model
from harness.text.tokenizers import Tokenizer

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
MODEL_FILE = "model.safetensors"
TRAINING_FILE = "training.safetensors"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What `save_checkpoint` writes; the step is the training snapshot's."""

    model: GPT
    tokenizer: Tokenizer
    corpus: CorpusHead
    training: TrainingSnapshot
    fingerprint: str
    """Of the run config; whoever resumes compares it with the run's."""


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint at `directory`, replacing one that is there.

    It is written beside its place under a temporary name, synced and then renamed. A process that
    is killed on the way leaves at most `.NAME.partial`, and, when it was replacing, the old one as
    `.NAME.replaced`; the next save of that name removes both. Raises CheckpointError when the disk
    refuses.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    step = checkpoint.training.step
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        model, tokenizer, corpus = checkpoint.model, checkpoint.tokenizer, checkpoint.corpus
        files = {
            MODEL_FILE: write_model(partial / MODEL_FILE, model, tokenizer, step, corpus),
            TRAINING_FILE: write_training(partial / TRAINING_FILE, checkpoint.training),
        }
        write_manifest(partial, Manifest(step, checkpoint.fingerprint, files))
        sync_directory(partial)
        _move_into_place(partial, directory)
    except OSError as error:
        where = escape(str(directory))
        kind = DiskRefused if error.errno in DISK_ERRORS else CheckpointError
        raise kind(f"{where}: cannot write the checkpoint: {error.strerror}") from error


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """The trained model of a checkpoint, given its directory or its `model.safetensors`.

    The file is verified against `checkpoint.json` where that lies beside it, as it must in a
    directory. The model is in evaluation mode, on the CPU; no random numbers are drawn.
    Raises CheckpointError.
    """
    if path.is_dir():
        read_manifest(path).verify(path / MODEL_FILE)
        return read_model(path / MODEL_FILE)
    if not path.exists():
        raise CheckpointError(f"{escape(str(path))}: no such checkpoint")
    if path.name == MODEL_FILE and (path.parent / MANIFEST).exists():
        read_manifest(path.parent).verify(path)
    return read_model(path)


def load_training_state(directory: Path) -> TrainingSnapshot:
    """The optimizer and random states of a checkpoint, verified; raises CheckpointError."""
    path = directory / TRAINING_FILE
    read_manifest(directory).verify(path)
    return read_training(path)


def verify_checkpoint(directory: Path) -> Manifest:
    """Step, fingerprint and files of a checkpoint, each file read and found whole.

    Raises CheckpointError, naming the first that is not.
    """
    manifest = read_manifest(directory)
    for name in (MODEL_FILE, TRAINING_FILE):
        manifest.verify(directory / name)
    return manifest


def _move_into_place(partial: Path, directory: Path) -> None:
    replaced = directory.with_name(f".{directory.name}.replaced")
    _remove(replaced)
    if directory.exists():
        directory.rename(replaced)
    partial.rename(directory)
    sync_directory(directory.parent)
    _remove(replaced)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)

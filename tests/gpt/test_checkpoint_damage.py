import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from saved import make_checkpoint

from harness.errors import CheckpointError
from harness.gpt.checkpoint import (
    load_checkpoint,
    load_training_state,
    save_checkpoint,
    verify_checkpoint,
)
from harness.gpt.training_file import read_training

LOADERS: dict[str, Callable[[Path], object]] = {
    "model.safetensors": load_checkpoint,
    "training.safetensors": load_training_state,
    "checkpoint.json": load_checkpoint,
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "step_000002", make_checkpoint())
    return tmp_path / "step_000002"


def offsets(size: int) -> list[int]:
    """The ends of a file, and places all over it."""
    return sorted({*range(12), size - 1, *random.Random(0).choices(range(size), k=80)})


@pytest.mark.parametrize("name", LOADERS)
def test_every_flipped_bit_is_found(directory: Path, name: str) -> None:
    raw = (directory / name).read_bytes()
    for offset in offsets(len(raw)):
        changed = bytearray(raw)
        changed[offset] ^= 1 << offset % 8
        (directory / name).write_bytes(changed)
        for load in (LOADERS[name], verify_checkpoint):
            with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
                load(directory)


@pytest.mark.parametrize("name", LOADERS)
def test_every_truncation_is_found(directory: Path, name: str) -> None:
    raw = (directory / name).read_bytes()
    for size in offsets(len(raw)):
        (directory / name).write_bytes(raw[:size])
        for load in (LOADERS[name], verify_checkpoint):
            with pytest.raises(
                CheckpointError, match=f"{name}: damaged.*; take another checkpoint"
            ):
                load(directory)


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_file_is_named(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: no such file; take another checkpoint of"):
        LOADERS[name](directory)


@pytest.mark.parametrize("name", LOADERS)
def test_what_is_not_a_file_is_refused_without_being_opened(directory: Path, name: str) -> None:
    (directory / name).unlink()
    os.mkfifo(directory / name)
    with pytest.raises(CheckpointError, match=f"{name}: must be a regular file"):
        LOADERS[name](directory)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
def test_files_of_two_checkpoints_do_not_mix(directory: Path, tmp_path: Path, name: str) -> None:
    save_checkpoint(tmp_path / "other", make_checkpoint(seed=1))
    shutil.copy(tmp_path / "other" / name, directory / name)
    with pytest.raises(CheckpointError, match=f"{name}: damaged: its SHA-256 is not the one in"):
        LOADERS[name](directory)


def test_a_model_file_is_verified_where_the_manifest_lies_beside_it(directory: Path) -> None:
    path = directory / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1  # a weight: the structure is whole
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="damaged: its SHA-256"):
        load_checkpoint(path)


def test_no_such_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="step_000009: no such checkpoint"):
        load_checkpoint(tmp_path / "step_000009")


def test_a_manifest_of_another_format_says_what_to_do(directory: Path) -> None:
    path = directory / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(
        CheckpointError, match=r"format 2, .* reads format 1; load it with the versi"
    ):
        load_checkpoint(directory)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "damaged: not a mapping"),
        ("[" * 100_000, "damaged: not JSON"),
        ('{"format": 1}', "damaged: 'files'"),
        ('{"format": 1, "files": {"a": {"size": 1, "sum": 2}}}', "damaged: .*unexpected keyword"),
        ('{"format": 1, "files": []}', "damaged: 'list' object"),
        ('{"format": true}', "checkpoint format True, and this version"),
        (
            '{"format": 1, "files": {}, "step": 1, "fingerprint": ""}',
            "damaged: its checksum does not match",
        ),
    ],
)
def test_a_manifest_of_anything_else_is_refused(
    directory: Path, content: str, message: str
) -> None:
    (directory / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=rf"checkpoint\.json: {message}"):
        load_checkpoint(directory)


@pytest.mark.parametrize(
    ("name", "load"),
    [("model.safetensors", load_checkpoint), ("training.safetensors", read_training)],
)
def test_every_flipped_bit_of_a_file_away_from_its_directory_is_found(
    directory: Path, tmp_path: Path, name: str, load: Callable[[Path], object]
) -> None:
    raw = (directory / name).read_bytes()
    path = tmp_path / "lone.safetensors"
    for offset in offsets(len(raw)):
        changed = bytearray(raw)
        changed[offset] ^= 1 << offset % 8
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"lone\.safetensors: "):
            load(path)


@pytest.mark.parametrize("what", ["a weight", "a setting", "the step"])
def test_a_changed_weight_or_setting_is_told_by_the_checksum(
    directory: Path, tmp_path: Path, what: str
) -> None:
    tensors, header = parts(directory / "model.safetensors")
    if what == "a weight":
        tensors["norm.bias"][0] += 1
    elif what == "a setting":
        header["model"] = {**header["model"], "num_heads": 1}  # its weights have the same shapes
    else:
        header["step"] = 3
    with pytest.raises(CheckpointError, match=r"lone.*: damaged: its checksum does not match"):
        load_checkpoint(written(tmp_path, tensors, json.dumps(header)))


def test_a_file_from_before_there_were_checksums_is_read(directory: Path, tmp_path: Path) -> None:
    assert load_checkpoint(lone_model(tmp_path, directory)).step == 2


def parts(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors of a file, and its header."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["harness"])
    return safetensors.torch.load_file(path), header


def lone_model(tmp_path: Path, directory: Path, **header: object) -> Path:
    """The model file away from its directory, with some keys of its header changed, and without
    its checksum."""
    tensors, content = parts(directory / "model.safetensors")
    del content["checksum"]
    return written(tmp_path, tensors, json.dumps({**content, **header}))


def written(tmp_path: Path, tensors: dict[str, torch.Tensor], header: str) -> Path:
    path = tmp_path / "lone.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"harness": header})
    return path


SHAPE = {"embed_dim": 4, "num_heads": 2, "num_layers": 1, "max_seq_len": 8, "vocab_size": 4}
HEAD = {"digest": "ab" * 32, "num_tokens": 256, "seq_len": 2, "head": [0, 1, 2]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": 7}, "checkpoint format 7, and this version of harness reads format 1"),
        ({"model": None}, "its model config is not valid"),
        ({"model": {**SHAPE, "num_heads": 3}}, r"not valid \(num_heads: embed_dim \(4\) must be"),
        ({"model": {**SHAPE, "vocab_size": None}}, "its model config has no vocab_size"),
        ({"model": {**SHAPE, "vocab_size": 3}}, "tokenizer has 4 symbols, its model only 3"),
        ({"model": {**SHAPE, "num_layers": 9999}}, "holds 284 weights, its config asks for 2,279,"),
        ({"model": {**SHAPE, "vocab_size": 8, "max_seq_len": 4}, "corpus": HEAD}, "_embedding.w"),
        ({"model": {**SHAPE, "embed_dim": 2**21}}, "makes a model of"),
        ({"tokenizer": None}, "it holds no tokenizer"),
        ({"tokenizer": "{}"}, "the tokenizer's JSON must hold exactly"),
        ({"step": -1}, "its step is not a number of updates"),
        ({"step": True}, "its step is not a number of updates"),
        ({"corpus": None}, "the head of its corpus is missing or does not fit"),
        ({"corpus": {**HEAD, "head": [0, 1, 4]}}, "the head of its corpus is missing or does not"),
        ({"corpus": {**HEAD, "head": [0, 1]}}, "the head of its corpus is missing or does not fit"),
        ({"corpus": {**HEAD, "seq_len": 9}}, "the head of its corpus is missing or does not fit"),
        ({"corpus": {**HEAD, "digest": "x"}}, "the head of its corpus is missing or does not fit"),
    ],
)
def test_a_lone_model_file_is_checked_by_its_structure(
    directory: Path, tmp_path: Path, header: dict[str, object], message: str
) -> None:
    path = lone_model(tmp_path, directory, **header)
    with pytest.raises(CheckpointError, match=rf"lone\.safetensors: .*{message}"):
        load_checkpoint(path)


def test_weights_that_are_not_the_configs_are_refused(directory: Path, tmp_path: Path) -> None:
    weights, content = parts(directory / "model.safetensors")
    del content["checksum"]
    header = json.dumps(content)
    halves = {**weights, "norm.bias": weights["norm.bias"].half()}
    with pytest.raises(CheckpointError, match=r"norm\.bias is float16 \(4,\), must be float32"):
        load_checkpoint(written(tmp_path, halves, header))
    renamed = {("extra" if name == "norm.bias" else name): w for name, w in weights.items()}
    with pytest.raises(CheckpointError, match="not this model's: extra is in one of the two only"):
        load_checkpoint(written(tmp_path, renamed, header))


@pytest.mark.parametrize(
    ("header", "message"), [("{", "its header is not JSON"), ("3", "its header is not a mapping")]
)
def test_a_header_of_anything_else_is_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(written(tmp_path, {"a": torch.ones(1)}, header))


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"PK\x03\x04", b"\xff" * 64, b"{}"])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trained_gpt.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"trained_gpt\.pt: not a whole safetensors file"):
        load_checkpoint(tmp_path / "trained_gpt.pt")


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="a safetensors file, but not one of harness"):
        load_checkpoint(tmp_path / "other.safetensors")


@pytest.mark.parametrize("read", [load_checkpoint, read_training])
def test_no_damage_to_a_header_raises_anything_else(
    directory: Path, tmp_path: Path, read: Callable[[Path], object]
) -> None:
    name = "model.safetensors" if read is load_checkpoint else "training.safetensors"
    raw = (directory / name).read_bytes()
    header_size = 8 + int.from_bytes(raw[:8], "little")
    draws = random.Random(0)
    path, num_refused = tmp_path / "lone.safetensors", 0
    for _ in range(500):
        changed = bytearray(raw)
        changed[draws.randrange(header_size)] ^= 1 << draws.randrange(8)
        path.write_bytes(changed)
        try:
            read(path)
        except CheckpointError:
            num_refused += 1
    assert num_refused > 490


def test_random_states_of_another_size_are_refused(directory: Path, tmp_path: Path) -> None:
    tensors = safetensors.torch.load_file(directory / "training.safetensors")
    tensors["rng.batches"] = tensors["rng.batches"][:-1].clone()
    with pytest.raises(CheckpointError, match=r"rng\.batches is not the state of a generator"):
        read_training(written(tmp_path, tensors, '{"format": 1}'))
    tensors["rng.batches"] = tensors["rng.torch"].clone()
    with pytest.raises(CheckpointError, match=r"no training state in it \(KeyError\('step'\)\)"):
        read_training(written(tmp_path, tensors, '{"format": 1}'))

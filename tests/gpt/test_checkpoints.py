import json
import os
from pathlib import Path

import pytest
import safetensors
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
from harness.gpt.model import GPT
from harness.gpt.training_file import TrainingSnapshot

NAMES = ("checkpoint.json", "model.safetensors", "training.safetensors")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "checkpoints" / "step_000002"
    save_checkpoint(directory, make_checkpoint())
    return directory


def test_a_checkpoint_is_three_files_and_nothing_beside_it(directory: Path) -> None:
    assert sorted(path.name for path in directory.iterdir()) == sorted(NAMES)
    assert list(directory.parent.iterdir()) == [directory]


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
def test_the_files_are_what_safetensors_writes_of_torch_tensors(directory: Path, name: str) -> None:
    with safetensors.safe_open(directory / name, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    assert (directory / name).read_bytes() == safetensors.torch.save(tensors, metadata)


def test_model_tokenizer_and_corpus_head_come_back(directory: Path) -> None:
    saved = make_checkpoint()
    loaded = load_checkpoint(directory)
    for name, weight in saved.model.state_dict().items():
        assert torch.equal(weight, loaded.model.state_dict()[name])
    assert loaded.tokenizer == saved.tokenizer
    assert loaded.config == saved.model.config == loaded.model.config
    assert loaded.step == 2
    assert loaded.corpus == saved.corpus
    assert loaded.corpus.head == (0, 1, 2, 3, 0, 1, 2, 3, 0)
    assert not loaded.model.training
    assert all(parameter.requires_grad for parameter in loaded.model.parameters())


def test_the_model_file_alone_is_enough(directory: Path, tmp_path: Path) -> None:
    lone = tmp_path / "some-model.safetensors"
    lone.write_bytes((directory / "model.safetensors").read_bytes())
    by_file, by_directory = load_checkpoint(lone), load_checkpoint(directory)
    ids = torch.tensor([[0, 1, 2]])
    assert torch.equal(by_file.model(ids)[0], by_directory.model(ids)[0])
    assert load_checkpoint(directory / "model.safetensors").step == 2


def test_the_head_is_tied_and_not_stored(directory: Path) -> None:
    with safetensors.safe_open(directory / "model.safetensors", framework="pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    assert shapes.count([4, 4]) == 1 + 1  # the token embedding; the attention's output


def test_loading_draws_no_random_numbers(directory: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(directory)
    load_training_state(directory)
    assert torch.equal(before, torch.get_rng_state())


def test_a_loaded_model_stays_when_its_files_go(directory: Path) -> None:
    model = load_checkpoint(directory).model
    before = model(torch.tensor([[0, 1]]))[0]
    for name in NAMES:
        (directory / name).write_bytes(b"")
    assert torch.equal(model(torch.tensor([[0, 1]]))[0], before)


def test_equal_checkpoints_are_equal_files(directory: Path, tmp_path: Path) -> None:
    for attempt in range(5):
        save_checkpoint(tmp_path / str(attempt), make_checkpoint())
        for name in NAMES:
            expected = (directory / name).read_bytes()
            assert (tmp_path / str(attempt) / name).read_bytes() == expected


def test_the_manifest_says_whose_checkpoint_it_is(directory: Path) -> None:
    manifest = verify_checkpoint(directory)
    assert (manifest.step, manifest.fingerprint) == (2, "v1-0123")
    assert manifest.files["model.safetensors"].size == (
        (directory / "model.safetensors").stat().st_size
    )


def test_a_checkpoint_is_replaced_by_another(directory: Path) -> None:
    save_checkpoint(directory, make_checkpoint(seed=5, fingerprint="v1-5"))
    assert verify_checkpoint(directory).fingerprint == "v1-5"
    assert list(directory.parent.iterdir()) == [directory]


def test_what_a_killed_process_left_is_cleared_by_the_next_save(directory: Path) -> None:
    for leftover in (".step_000002.partial", ".step_000002.replaced"):
        (directory.parent / leftover / "sub").mkdir(parents=True)
        (directory.parent / leftover / "model.safetensors").write_bytes(b"half")
    save_checkpoint(directory, make_checkpoint())
    assert list(directory.parent.iterdir()) == [directory]


def test_a_save_that_fails_leaves_the_old_checkpoint_whole(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="step_000002: cannot write the checkpoint: No space"):
        save_checkpoint(directory, make_checkpoint(seed=5))
    assert verify_checkpoint(directory).fingerprint == "v1-0123"


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file/a: cannot write the checkpoint: Not a direct"):
        save_checkpoint(tmp_path / "file" / "a", make_checkpoint())


PICKLES = (b"PK", *(bytes([0x80, protocol]) for protocol in range(2, 6)))


def test_nothing_is_pickled(directory: Path) -> None:
    for name in NAMES:
        assert not (directory / name).read_bytes().startswith(PICKLES)
    header = (directory / "training.safetensors").read_bytes()[8:]
    content = json.JSONDecoder().raw_decode(header.decode("latin-1"))[0]
    described = json.loads(content["__metadata__"]["harness"])
    assert described["optimizer_class"] == "AdamW"
    assert described["torch_version"] == torch.__version__
    assert {"rng.batches", "rng.torch", "optimizer.0.exp_avg"} <= set(content)


def test_the_training_state_comes_back(directory: Path) -> None:
    snapshot = load_training_state(directory)
    expected = make_checkpoint().training
    assert (snapshot.step, snapshot.torch_version) == (2, torch.__version__)
    assert snapshot.optimizer["param_groups"] == expected.optimizer["param_groups"]
    for index, state in expected.optimizer["state"].items():
        for key, value in state.items():
            assert torch.equal(snapshot.optimizer["state"][index][key], value)
    for name, state in expected.random.items():
        assert torch.equal(snapshot.random[name], state)


def restored(snapshot: TrainingSnapshot, model: GPT, device: str = "cpu") -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    snapshot.restore(optimizer, torch.Generator(), torch.device(device))


def test_a_state_for_another_model_or_device_is_refused(directory: Path) -> None:
    snapshot = load_training_state(directory)
    larger = GPT(vocab_size=4, embed_dim=4, num_heads=2, num_layers=2, max_seq_len=8)
    with pytest.raises(CheckpointError, match="optimizer was made for another model; resume it w"):
        restored(snapshot, larger)
    with pytest.raises(CheckpointError, match="checkpoint was not made on a cuda device; resume i"):
        restored(snapshot, larger, "cuda")

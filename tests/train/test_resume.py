from pathlib import Path

import pytest
import torch
from chapter_run import Recorder, make_config, make_corpus

from harness.errors import CheckpointError
from harness.gpt.checkpoint import load_checkpoint, load_training_state, save_checkpoint
from harness.spec.optimizers import OPTIMIZERS
from harness.spec.run_config import RunConfig
from harness.train.engines import ENGINES
from harness.train.resume import checkpoint_of, restore
from harness.train.state import TrainingState, start


def begun(config: RunConfig) -> TrainingState:
    return start(config, make_corpus(config))


def run(state: TrainingState, engine: str = "plain", stop_at: int | None = None) -> list[float]:
    recorder = Recorder(stop_at)
    ENGINES[engine](state, recorder)
    return recorder.losses


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize(
    "optimizer",
    [{"name": name, "lr": 1e-2} for name in OPTIMIZERS]
    + [
        {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"name": "adamw", "lr": 1e-2, "amsgrad": True},
        {"name": "rmsprop", "lr": 1e-2, "momentum": 0.9, "centered": True},
    ],
    ids=lambda optimizer: "-".join(map(str, optimizer.values())),
)
def test_ten_steps_are_five_saved_and_loaded_and_five(
    tmp_path: Path, optimizer: dict[str, object], dropout: float
) -> None:
    config = make_config(optimizer=optimizer, model={"dropout": dropout}, train={"steps": 10})
    whole = begun(config)
    losses = run(whole)
    first = begun(config)
    early = run(first, stop_at=5)
    save_checkpoint(tmp_path / "step_000005", checkpoint_of(first, "v1-x"))
    torch.rand(99)  # whatever the process does in between
    second = begun(config)
    restore(second, tmp_path / "step_000005")
    assert second.step == 5
    assert early + run(second) == losses
    save_checkpoint(tmp_path / "whole", checkpoint_of(whole, "v1-x"))
    save_checkpoint(tmp_path / "resumed", checkpoint_of(second, "v1-x"))
    assert files(tmp_path / "whole") == files(tmp_path / "resumed")


def test_saving_does_not_alter_a_run(tmp_path: Path) -> None:
    config = make_config(model={"dropout": 0.2}, train={"steps": 6})
    state = begun(config)
    losses: list[float] = []

    def hook(records):
        losses.extend(loss for record in records for loss in record.losses)
        save_checkpoint(tmp_path / f"step_{state.step:06}", checkpoint_of(state, "v1-x"))
        load_checkpoint(tmp_path / f"step_{state.step:06}")
        return ()

    ENGINES["plain"](state, hook)
    assert losses == run(begun(config))
    assert len(list(tmp_path.iterdir())) == 6


def test_a_snapshot_can_be_restored_twice(tmp_path: Path) -> None:
    state = begun(make_config(train={"steps": 4}))
    run(state, stop_at=2)
    save_checkpoint(tmp_path / "a", checkpoint_of(state, "v1-x"))
    snapshot = load_training_state(tmp_path / "a")
    ends = []
    for _ in range(2):
        again = begun(make_config(train={"steps": 4}))
        again.model.load_state_dict(load_checkpoint(tmp_path / "a").model.state_dict())
        snapshot.restore(again.optimizer, again.batches, again.device)
        again.step = snapshot.step
        ends.append(run(again))
    assert ends[0] == ends[1] == run(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"name": "sgd", "lr": 0.1}}, "optimizer is AdamW, the run's is SGD; resume"),
        (
            {"model": {"num_layers": 1}},
            "model or corpus is not this run's; resume it with the sett",
        ),
        ({"data": {"repeat": 65}}, "model or corpus is not this run's"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(
    tmp_path: Path, changes: dict[str, dict[str, object]], message: str
) -> None:
    state = begun(make_config(train={"steps": 1}))
    run(state)
    save_checkpoint(tmp_path / "a", checkpoint_of(state, "v1-x"))
    with pytest.raises(CheckpointError, match=message):
        restore(begun(make_config(**changes)), tmp_path / "a")

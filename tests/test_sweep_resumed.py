"""An unfinished run goes on from its newest checkpoint that is whole, to the bit."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from stopping import Heard, Stop
from sweep_files import write_sweep

from harness.interrupts import Interrupted
from harness.results import SweepResult
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import checkpoints, find_runs, history, local_checkpoint
from harness.tracking.store import open_store

STEPS = 12
EVERY = {"every": 3, "keep_last": 2}
ENGINES = pytest.mark.parametrize("engine", ["plain", "stacked"])
DAMAGE = {
    "a bit": lambda file: file.write_bytes(_flipped(file.read_bytes())),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "empty": lambda file: file.write_bytes(b""),
    "gone": lambda file: file.unlink(),
}


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def sweep(engine: str = "plain", **changes: Any):
    experiments = {
        "a": {},
        "b": {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
        "c": {"optimizer": {"lr": 0.03}},
    }
    sections = {
        "model": {"dropout": 0.2},
        "train": {"steps": STEPS, "engine": engine},
        "checkpoint": EVERY,
    }
    return load_sweep(write_sweep(Path("sweep.yaml"), experiments, **{**sections, **changes}))


def outcome(result: SweepResult) -> dict[str, object]:
    """What a sweep left: every loss, final metrics, and the bytes of the checkpoints."""
    store = open_store()
    found = {}
    for run in result.runs:
        run_id = str(run.run_id)
        (record,) = [each for each in find_runs(store) if each.run_id == run_id]
        files = {
            (name, file.name): file.read_bytes()
            for name in checkpoints(store, run_id)
            for file in sorted(local_checkpoint(store, run_id, name).iterdir())
        }
        losses = history(store, run_id)
        found[run.planned.name] = (record.state, record.status, losses, record.metrics, files)
    return found


@pytest.fixture(params=["plain", "stacked"])
def undisturbed(request, project):
    """The engine, and what the sweep leaves where nothing disturbs it."""
    left = outcome(run_sweep(sweep(request.param)))
    shutil.rmtree(project / "mlruns" / "artifacts")
    for run in find_runs(open_store()):
        open_store().client.delete_run(run.run_id)
    return request.param, left


def interrupted(engine: str, name: str = "a", step: int = 8) -> None:
    with pytest.raises(Interrupted):
        run_sweep(sweep(engine), observer=Stop(name, step))


@pytest.mark.parametrize(("name", "step"), [("a", 1), ("a", 7), ("b", 8), ("c", 12)])
def test_it_goes_on_from_its_newest_checkpoint(undisturbed, name, step):
    engine, left = undisturbed
    interrupted(engine, name, step)
    heard = Heard()
    result = run_sweep(sweep(engine), observer=heard)
    assert outcome(result) == left
    assert len(find_runs(open_store())) == 3
    saved = step // 3 * 3 if step < STEPS else 9
    newest = {name: saved} if saved else {}
    assert {name: heard.resumed.get(name)} == {name: newest.get(name)}
    assert heard.trained[name] == list(range(saved + 1, STEPS + 1))
    assert heard.notes == []


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["model.safetensors", "training.safetensors", "checkpoint.json"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(project, damage, file):
    left = outcome(run_sweep(sweep()))
    for run in find_runs(open_store()):
        open_store().client.delete_run(run.run_id)
    interrupted("plain")
    (killed,) = find_runs(open_store())
    assert checkpoints(open_store(), killed.run_id) == ["step_000003", "step_000006"]
    DAMAGE[damage](local_checkpoint(open_store(), killed.run_id) / file)
    heard = Heard()
    assert outcome(run_sweep(sweep(), observer=heard)) == left
    assert heard.resumed == {"a": 3}
    (note,) = heard.notes
    assert note.startswith("a: a checkpoint is of no use: ")
    assert f"step_000006/{file}" in note


@ENGINES
def test_where_no_checkpoint_is_whole_it_begins_again(project, engine):
    interrupted(engine)
    store = open_store()
    (killed, *_) = find_runs(store)
    for name in checkpoints(store, killed.run_id):
        (local_checkpoint(store, killed.run_id, name) / "checkpoint.json").unlink()
    heard = Heard()
    run_sweep(sweep(engine), observer=heard)
    assert "a" not in heard.resumed
    assert heard.trained["a"] == list(range(1, STEPS + 1))
    assert len(heard.notes) == 2
    assert checkpoints(store, killed.run_id) == ["step_000009", "step_000012"]


def test_a_checkpoint_of_another_run_is_not_gone_on_from(project):
    interrupted("plain", "b")
    store = open_store()
    ours, theirs = (next(r for r in find_runs(store) if r.name == name) for name in ("b", "a"))
    target = local_checkpoint(store, ours.run_id, "step_000006")
    shutil.rmtree(target)
    shutil.copytree(local_checkpoint(store, theirs.run_id, "step_000009"), target)
    heard = Heard()
    run_sweep(sweep(), observer=heard)
    assert heard.resumed == {"b": 3}
    assert "step_000006: is the checkpoint of another run" in heard.notes[0]


def test_losses_that_are_missing_in_the_store_are_trained_again(project):
    interrupted("plain")
    store = open_store()
    (killed,) = find_runs(store)
    with sqlite3.connect("mlruns/mlflow.db") as connection:
        connection.execute("DELETE FROM metrics WHERE step = 5")
    connection.close()
    heard = Heard()
    run_sweep(sweep(), observer=heard)
    assert heard.resumed == {"a": 3}
    assert list(history(store, killed.run_id)) == list(range(1, STEPS + 1))


def test_it_keeps_the_best_checkpoints_of_both_attempts(project):
    keep = {"every": 3, "keep_last": 1, "keep_best": 2}
    whole = run_sweep(sweep(checkpoint=keep))
    left = [checkpoints(open_store(), str(run.run_id)) for run in whole.runs]
    for run in find_runs(open_store()):
        open_store().client.delete_run(run.run_id)
    with pytest.raises(Interrupted):
        run_sweep(sweep(checkpoint=keep), observer=Stop("a", 11))
    again = run_sweep(sweep(checkpoint=keep))
    assert [checkpoints(open_store(), str(run.run_id)) for run in again.runs] == left

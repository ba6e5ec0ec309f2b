"""A kill at every change of the disk while a checkpoint is saved, replaced, published, removed.

What has a checkpoint's name afterwards must be whole, to the byte, and the same action, done
again, must come to its end and leave nothing beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from fault_cases.killing import each_kill
from fault_cases.processes import folder_in_memory
from fault_cases.rows import Row
from fault_cases.trained import trained
from harness.errors import HarnessError
from harness.gpt.checkpoint import Checkpoint, save_checkpoint, verify_checkpoint
from harness.tracking import artifacts
from harness.tracking.mlflow_api import MlflowClient
from harness.tracking.store import Store, open_store

NAME, EARLIER = "step_000002", "step_000001"


def rows(tries: int) -> Iterator[Row]:
    first, second = trained(1), trained(2)
    with folder_in_memory() as home:
        yield _saved(home / "saved", None, second, tries)
        yield _saved(home / "replaced", first, second, tries)
        yield from _published_and_removed(home / "store", first, tries)


def _saved(home: Path, before: Checkpoint | None, after: Checkpoint, tries: int) -> Row:
    folder = home / "checkpoints"

    def prepare() -> None:
        _empty(folder)
        if before is not None:
            save_checkpoint(folder / NAME, before)

    def save() -> None:
        save_checkpoint(folder / NAME, after)

    def judge() -> str | None:
        wrong = _wrong_in(folder)
        save()
        left = [path.name for path in folder.iterdir()]
        return wrong or (None if left == [NAME] else f"saved again, it left {left}")

    file = folder / "checkpoint.pt"

    def prepare_script() -> None:
        _empty(folder)
        if before is not None:
            torch.save(_states(before), file)

    def judge_script() -> str | None:
        return None if before is None and not file.exists() else _unreadable(file)

    product = each_kill(prepare, save, judge, folder, tries)
    control = each_kill(
        prepare_script, lambda: torch.save(_states(after), file), judge_script, folder, tries
    )
    what = "saved" if before is None else "replaced"
    return Row(f"kill while a checkpoint is {what}", product, "`torch.save` in place", control)


def _published_and_removed(home: Path, checkpoint: Checkpoint, tries: int) -> Iterator[Row]:
    home.mkdir()
    store = open_store(None, home)
    run = store.client.create_run("0")
    run_id, uri = run.info.run_id, str(run.info.artifact_uri)
    folder = artifacts.artifacts_dir(store, uri)
    assert folder is not None
    checkpoints, staged = folder / "checkpoints", home / "staged" / NAME

    def prepare() -> None:
        _empty(folder.parent)
        save_checkpoint(checkpoints / EARLIER, checkpoint)
        _empty(staged.parent)
        save_checkpoint(staged, checkpoint)

    def prepare_to_replace() -> None:
        prepare()
        save_checkpoint(checkpoints / NAME, checkpoint)

    def publish() -> None:
        artifacts.publish(store, run_id, uri, staged, NAME)

    def remove() -> None:
        artifacts.remove(store, run_id, uri, NAME)

    def judge() -> str | None:
        return _wrong_in(checkpoints) or _wrong_list(store, run_id, uri)

    def judge_and_publish() -> str | None:
        wrong = judge()
        if staged.exists():
            publish()
        names = artifacts.names(store, run_id, uri)
        return wrong or judge() or (None if NAME in names else "it is not published by the next")

    def judge_and_remove() -> str | None:
        wrong = judge()
        remove()
        return wrong or (f"{NAME} is still there" if (checkpoints / NAME).exists() else None)

    def log() -> None:
        client = MlflowClient(store.uri)
        client.log_artifacts(run_id, str(staged), f"checkpoints/{NAME}")

    for what, ready in (("published", prepare), ("published over another", prepare_to_replace)):
        published = each_kill(ready, publish, judge_and_publish, home, tries)
        logged = each_kill(ready, log, judge, home, tries)
        yield Row(f"kill while it is {what}", published, "`mlflow.log_artifacts`", logged)
    removed = each_kill(prepare_to_replace, remove, judge_and_remove, home, tries)
    deleted = each_kill(
        prepare_to_replace, lambda: shutil.rmtree(checkpoints / NAME), judge, home, tries
    )
    yield Row("kill while it is removed", removed, "`shutil.rmtree` in place", deleted)


def _wrong_in(folder: Path) -> str | None:
    """Of what has a checkpoint's name, the first that is not whole."""
    for path in sorted(folder.glob("step_*")):
        try:
            verify_checkpoint(path)
        except HarnessError as error:
            return str(error)
    return None


def _wrong_list(store: Store, run_id: str, uri: str) -> str | None:
    names = artifacts.names(store, run_id, uri)
    return None if names in ([EARLIER], [EARLIER, NAME]) else f"the run has {names}"


def _states(checkpoint: Checkpoint) -> dict[str, object]:
    return {"model": checkpoint.model.state_dict(), "optimizer": checkpoint.training.optimizer}


def _unreadable(file: Path) -> str | None:
    try:
        torch.load(file)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        return f"{file.name}: {error}"
    return None


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

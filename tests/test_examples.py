"""The sweeps in examples/ are valid, and train: shortened, on a real text."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.spec.load import load_sweep

EXAMPLES = Path(__file__).parent.parent / "examples"
CORPUS = os.environ.get("HARNESS_TEST_CORPUS")


def test_python_docs_is_valid_anywhere() -> None:
    sweep = load_sweep(EXAMPLES / "python-docs.yaml")
    assert {run.corpus.source.value for run in sweep.runs} == {"python-docs"}


@pytest.mark.slow
def test_python_docs_trains_and_writes_text(project: Path) -> None:
    flags = ["--only", "adamw", "--set", "train.steps=40", "--json"]
    call = CliRunner().invoke(app, ["run", str(EXAMPLES / "python-docs.yaml"), *flags])
    assert call.exit_code == 0, call.stderr
    (run,) = json.loads(call.stdout)["runs"]
    assert run["status"] == "finished"
    assert run["final_loss"] < 25  # it begins near 40
    flags = ["--prompt", "The ", "--max-new-tokens", "20", "--seed", "1"]
    text = CliRunner().invoke(app, ["generate", "adamw", *flags])
    assert text.stdout.startswith("The ")
    assert len(text.stdout.rstrip("\n")) >= 4


@pytest.mark.skipif(CORPUS is None, reason="HARNESS_TEST_CORPUS names no text file")
def test_characters_trains_on_a_file_of_the_users(project: Path) -> None:
    assert CORPUS is not None
    shutil.copyfile(EXAMPLES / "characters.yaml", project / "characters.yaml")
    flags = ["--set", f"data.file={CORPUS}", "--set", "train.steps=20", "--json"]
    call = CliRunner().invoke(app, ["run", "characters.yaml", *flags])
    assert call.exit_code == 0, call.stderr
    (run,) = json.loads(call.stdout)["runs"]
    assert run["status"] == "finished"
    assert [claim["holds"] for claim in run["expectations"]] == [True, None]

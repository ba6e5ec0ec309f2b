"""The commands that only read: plan, compare, eval, generate, on the finished chapter."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest

from harness.tracking.read import find_runs, local_checkpoint
from harness.tracking.store import open_store

IDS = {0: "'I'", 1: "'love'", 2: "'AI'", 3: "'!'"}


def state_of(folder: Path) -> tuple[list[str], list[str]]:
    files = [str(path) for path in sorted(folder.rglob("*")) if path.suffix not in (".lock",)]
    connection = sqlite3.connect(folder / "mlruns" / "mlflow.db")
    dump = list(connection.iterdump())
    connection.close()
    return [f for f in files if not f.endswith(("-wal", "-shm"))], dump


def test_plan_says_why_and_writes_nothing(harness, chapter):
    before = state_of(chapter.folder)
    result = harness("plan", "experiments.yaml")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["run", "fingerprint", "engine", "reason"]
    name, fingerprint, engine, reason = lines[1].split()
    assert (name, engine, reason) == ("adamw", "plain", "finished")
    assert len(fingerprint) == 35
    assert "7 runs: 0 to train, 7 already done" in lines
    assert lines[-1] == "2 searches of 128 trials: 0 to do, 128 already done"
    flags = ["--set", "optimizer.weight_decay=0.5", "--only", "adamw", "--json"]
    (run,) = json.loads(harness("plan", "experiments.yaml", *flags).stdout)["runs"]
    assert (run["reason"], run["status"], run["stack"]) == ("changed", "planned", None)
    forced = json.loads(harness("plan", "experiments.yaml", "--force", "--json").stdout)
    assert {run["reason"] for run in forced["runs"]} == {"forced"}
    assert harness("plan", "experiments.yaml", "--only", "x").exit_code == 4
    assert state_of(chapter.folder) == before


def test_eval_prints_the_eight_rows_of_section_14_6(harness, chapter):
    result = harness("eval", "adamw")
    *rows, last = result.stdout.splitlines()
    assert rows == [
        f"prefix={[i % 4 for i in range(length)]!s:<28}  "
        f"predicted={IDS[length % 4]:<7}  expected={IDS[length % 4]:<7}  OK"
        for length in range(1, 9)
    ]
    assert last == "8 of 8 next tokens right (100.0%)"
    assert result.exit_code == 0


def test_eval_takes_a_checkpoint_by_its_folder_or_its_file(harness, chapter, tmp_path):
    by_name = harness("eval", "adamw").stdout
    store = open_store()
    run_id = next(run.run_id for run in find_runs(store) if run.name == "adamw")
    folder = local_checkpoint(store, run_id)
    for given in (folder, folder / "model.safetensors", run_id, run_id[:8]):
        assert harness("eval", given).stdout == by_name
    alone = tmp_path / "model.safetensors"
    alone.write_bytes((folder / "model.safetensors").read_bytes())
    assert harness("eval", alone).stdout == by_name


@pytest.mark.parametrize("command", ["eval", "generate"])
def test_a_run_that_nobody_knows_is_told_with_the_nearest_name(harness, chapter, command):
    flags = ["--prompt", "I"] if command == "generate" else []
    result = harness(command, "adamv", *flags)
    assert result.exit_code == 2
    assert result.stderr.startswith("harness: no run is called 'adamv'")
    assert "did you mean 'adamw'?" in result.stderr
    result = harness(command, "nowhere/model.safetensors", *flags)
    assert result.stderr == "harness: nowhere/model.safetensors: no checkpoint is there\n"


def test_a_damaged_checkpoint_is_named(harness, chapter, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not a checkpoint")
    result = harness("eval", path)
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert "Traceback" not in result.stderr


def test_generate_prints_only_the_text(harness, chapter):
    flags = ["--prompt", "I", "--max-new-tokens", 7, "--top-k", 1]
    result = harness("generate", "adamw", *flags)
    assert (result.stdout, result.stderr, result.exit_code) == ("I love AI ! I love AI !\n", "", 0)
    none = harness("generate", "adamw", "--prompt", "love  AI", "--max-new-tokens", 0)
    assert none.stdout == "love AI\n"


def test_generate_with_a_seed_says_the_same_again(harness, chapter):
    hot = ["generate", "adamw", "--prompt", "I", "--temperature", "100", "--max-new-tokens", 40]
    first, again, other = (harness(*hot, "--seed", seed).stdout for seed in (1, 1, 2))
    assert first == again != other
    greedy = {harness(*hot, "--top-k", 1, "--seed", seed).stdout for seed in (1, 2)}
    assert len(greedy) == 1
    everything = harness(*hot, "--top-k", 1000, "--seed", 1).stdout
    assert everything == first  # more than there are is all


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prompt", "I hate"], "'hate'"),
        (["--prompt", "  "], "--prompt holds no token; give at least one"),
        (["--prompt", "I", "--temperature", "0"], "--temperature must be greater than 0"),
        (["--prompt", "I", "--temperature", "nan"], "--temperature must be greater than 0"),
        (["--prompt", "I", "--top-k", "0"], "top-k"),
        (["--prompt", "I", "--max-new-tokens", "-1"], "max-new-tokens"),
        ([], "--prompt"),
    ],
)
def test_generate_tells_what_it_cannot_do(harness, chapter, flags, message):
    result = harness("generate", "adamw", *flags)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_compare_ranks_the_runs_of_a_file(harness, chapter):
    result = harness("compare", "experiments.yaml", "--at", 50, "--at", 100)
    head, *rows = (line.rstrip() for line in result.stdout.splitlines())
    assert head.startswith("name")
    assert all(text in head for text in ("final", "step 50", "step 100", "optimizer.lr"))
    assert len(rows) == 9
    assert rows[0].startswith("adamw-lr (best)")
    assert rows[1].startswith("sgd-lr (best)")
    assert rows[2].startswith("batch-size/batch_size=16")
    assert rows[-1].startswith("lr-1")
    told = json.loads(harness("compare", "experiments.yaml", "--at", 50, "--json").stdout)
    assert set(told) == {"rows"}
    rows = {row["name"]: row for row in told["rows"]}
    assert len(rows) == 9
    assert rows["adamw"]["step 50"] == pytest.approx(0.3453, abs=5e-5)
    assert rows["adamw"]["low"] is None
    assert rows["sgd"]["optimizer.name"] == "sgd"


def test_compare_without_a_file_is_about_the_whole_store(harness, chapter):
    rows = json.loads(harness("compare", "--json").stdout)["rows"]
    assert len(rows) == 9  # of a search its best trial
    metric = ["--metric", "eval/next_token_accuracy"]
    ranked = json.loads(harness("compare", "--json", *metric).stdout)["rows"]
    assert ranked[0]["final"] == 1.0
    assert ranked[-1]["name"] == "lr-1"


def test_compare_writes_what_it_is_asked_for_and_says_what_is_missing(harness, chapter, tmp_path):
    out = [tmp_path / name for name in ("t.csv", "t.png", "t.html")]
    flags = ["--csv", out[0], "--png", out[1], "--html", out[2]]
    result = harness("compare", "experiments.yaml", *flags)
    assert result.exit_code == 0
    with out[0].open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 9
    assert out[1].read_bytes().startswith(b"\x89PNG")
    page = out[2].read_text()
    assert "<svg" in page
    assert "four-line-loop" in page
    assert sorted(tmp_path.iterdir()) == sorted(out)
    table = harness("compare", "experiments.yaml", "--markdown").stdout
    assert table.startswith("| name | state | final |")
    larger = tmp_path / "larger.yaml"
    content = Path("experiments.yaml").read_text()
    larger.write_text(content.replace("searches:", "  later: {train: {steps: 3}}\nsearches:", 1))
    result = harness("compare", larger)
    assert result.stdout.splitlines()[-1] == "not in the store yet: later"


@pytest.mark.parametrize(
    ("flags", "message", "exit_code"),
    [
        (["--metric", "train/los"], "did you mean train/loss?", 2),
        (["--at", "0"], "steps count from 1", 2),
        (["--png", "no/such/x.png"], "--png no/such/x.png: there is no folder", 2),
        (["--html", "no/x.html"], "--html no/x.html: there is no folder", 2),
        (["--csv", "no/x.csv"], "--csv no/x.csv: there is no folder", 2),
    ],
)
def test_compare_tells_what_it_cannot_do(harness, chapter, flags, message, exit_code):
    result = harness("compare", "experiments.yaml", *flags)
    assert result.exit_code == exit_code
    assert message in result.stderr


@pytest.mark.parametrize(
    "command", [["compare"], ["eval", "x"], ["generate", "x", "--prompt", "x"]]
)
def test_a_command_that_only_reads_makes_no_store(harness, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = harness(*command)
    assert result.exit_code == 2
    assert "no store at mlruns/mlflow.db: run `harness run FILE` first" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_compare_of_an_empty_store_finds_nothing(harness, project):
    result = harness("compare", "--json")
    assert result.exit_code == 4
    assert (
        "none of the runs is in the store yet" in json.loads(result.stdout)["errors"][0]["message"]
    )

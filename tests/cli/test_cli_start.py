"""What the command line imports, says of itself, and checks without training."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sweep_files import CHAPTER_FILE, COMMAND, environment, write_sweep

HEAVY = ("torch", "mlflow", "numpy", "pandas", "optuna", "matplotlib", "scipy", "sqlalchemy")
PROBE = """
import sys
from harness.cli.main import app
for arguments in {calls!r}:
    try:
        app(arguments)
    except SystemExit as end:
        found = [name for name in {heavy!r} if name in sys.modules]
        print(" ".join(arguments), found, end.code, file=sys.stderr)
"""
COMMANDS = [
    *("run", "search", "plan", "validate", "schema"),
    *("ls", "show", "diff", "export", "compare", "report", "eval", "generate", "ui"),
]


def run_python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment()
    )


def imported(heavy: tuple[str, ...], *calls: str) -> list[str]:
    """For each call of the command line, one after another in a process: which of the heavy
    modules were there after it, and its exit code."""
    script = PROBE.format(calls=[call.split() for call in calls], heavy=heavy)
    told = run_python(script).stderr.splitlines()
    return [line for call in calls for line in told if line.startswith(f"{call} [")]


def test_what_only_reads_the_file_imports_nothing_heavy():
    calls = {
        "--help": 0,
        "run --help": 0,
        "--version": 0,
        f"validate {CHAPTER_FILE}": 0,
        "validate missing.yaml": 2,
        "schema": 0,
        "run missing.yaml": 2,
    }
    assert imported(HEAVY, *calls) == [f"{call} [] {code}" for call, code in calls.items()]


def test_what_only_looks_at_a_store_imports_no_torch(chapter):
    calls = ("ls", "show adamw", "diff adamw sgd")
    assert imported(("torch", "optuna"), *calls) == [f"{call} [] 0" for call in calls]


def test_importing_harness_imports_neither_torch_nor_mlflow_until_a_name_is_used():
    names = ("torch", "mlflow", "numpy", "pydantic")
    script = f"""
import sys, harness
print([name for name in {names!r} if name in sys.modules])
harness.load_sweep({str(CHAPTER_FILE)!r})
print([name for name in {names!r} if name in sys.modules])
harness.GPT
print([name for name in {names!r} if name in sys.modules])
print(sorted(harness.__all__) == [n for n in dir(harness) if n in harness.__all__])
"""
    assert run_python(script).stdout.splitlines() == [
        "[]",
        "['pydantic']",
        "['torch', 'numpy', 'pydantic']",
        "True",
    ]


def test_the_python_interface_has_what_the_command_line_uses():
    import harness

    for name in harness.__all__:
        assert callable(getattr(harness, name))
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'nonsense'"):
        harness.nonsense  # noqa: B018


def test_help_names_every_command(harness):
    text = harness("--help").stdout
    assert all(re.search(rf"^\s+{name}\s+\S", text, re.MULTILINE) for name in COMMANDS)
    for name in COMMANDS:
        assert harness(name, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (
            "run",
            "--only --set -j --jobs --dry-run --force --fail-fast --junit --json -q --tracking-uri",
        ),
        ("plan", "--only --set --force --json --tracking-uri"),
        ("validate", "--set --json"),
        (
            "ls",
            "--sweep --state --kind --engine --trials --all --sort --reverse --limit --column "
            "--json --tracking-uri",
        ),
        ("show", "--json --tracking-uri"),
        ("diff", "--metric --json --tracking-uri"),
        (
            "export",
            "--runs --history --metric --sweep --state --kind --engine --trials --all "
            "--tracking-uri",
        ),
        ("compare", "--metric --at --csv --json --markdown --png --html --tracking-uri"),
        ("report", "--html --markdown --metric --no-log --tracking-uri"),
        ("eval", "--tracking-uri"),
        ("generate", "--prompt --max-new-tokens --temperature --top-k --seed --tracking-uri"),
        ("ui", "--port --tracking-uri"),
    ],
)
def test_each_command_has_the_flags_of_the_contract(harness, command, flags):
    text = harness(command, "--help").stdout
    assert [flag for flag in flags.split() if not re.search(rf"{flag}\b", text)] == []


def test_validate_counts_what_a_file_declares(harness):
    result = harness("validate", CHAPTER_FILE)
    assert result.exit_code == 0
    assert re.search(r"valid, 6 experiments, 7 runs, 28 claims, 2 searches", result.stdout)
    told = json.loads(harness("validate", CHAPTER_FILE, "--json").stdout)
    assert told["errors"] == []
    assert (told["name"], told["runs"]) == ("chapter-14", 7)


def test_validate_counts_one_of_a_thing_as_one(harness, project):
    told = harness("validate", write_sweep(Path("one.yaml"), {"a": {}})).stdout
    assert told == "one.yaml: valid, 1 experiment, 1 run, 0 claims, 0 searches\n"


def test_validate_takes_overrides_and_a_limit_of_runs(harness, tmp_path):
    path = write_sweep(tmp_path / "s.yaml", {"a": {"seeds": 30}})
    assert harness("validate", path, "--set", "train.steps=9").exit_code == 0
    bad = harness("validate", path, "--set", "train.steps=zero")
    assert bad.exit_code == 2
    assert bad.stderr.startswith("--set train.steps=zero: ")
    assert harness("validate", path, "--max-runs", 30).exit_code == 0
    assert "30" in harness("validate", path, "--max-runs", 29).stderr


def test_the_schema_is_json_and_the_committed_one(harness):
    committed = CHAPTER_FILE.parent / "harness" / "spec" / "sweep.schema.json"
    assert json.loads(harness("schema").stdout) == json.loads(committed.read_text())


def test_on_a_terminal_no_color_is_honoured(chapter):
    leader, follower = pty.openpty()
    call = subprocess.Popen(
        [COMMAND, "run", "experiments.yaml"],
        cwd=chapter.folder,
        env={**environment(), "NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other side of a terminal that closed
            break
        shown += part
        if not part:
            break
    os.close(leader)
    assert call.wait(30) == 0
    text = shown.decode()
    assert "7 runs: 7 already done. " in text
    codes = {code for codes in re.findall(r"\x1b\[([\d;]*)m", text) for code in codes.split(";")}
    assert not codes & {str(n) for n in (*range(30, 39), *range(40, 49), *range(90, 108))}

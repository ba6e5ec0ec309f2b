"""Sweep files for the tests, the smallest that train, and the real command to run them with."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.job_events import JobRun
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus, open_corpus
from harness.text.sources import Source

TINY: dict[str, dict[str, Any]] = {
    "model": {"embed_dim": 4, "num_heads": 1, "num_layers": 1, "max_seq_len": 8},
    "data": {"text": "a b c", "repeat": 8, "tokenizer": "words"},
    "optimizer": {"name": "adamw", "lr": 0.01},
    "train": {"steps": 6, "batch_size": 2, "seq_len": 4, "engine": "plain"},
}
COMMAND = Path(sysconfig.get_path("scripts")) / "harness"
CHAPTER_RUNS = [
    "adamw",
    "sgd",
    "lr-1",
    "batch-size/batch_size=1",
    "batch-size/batch_size=16",
    "four-line-loop",
    "period-5",
]
CHAPTER_FILE = Path(__file__).parent.parent / "experiments.yaml"


def tiny(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The sections of `TINY` with some keys changed."""
    sections = copy.deepcopy(TINY)
    for name, section in changes.items():
        sections[name] = {**sections.get(name, {}), **section}
    return sections


def write_sweep(
    path: Path, experiments: dict[str, Any], *, name: str = "sweep", **changes: dict[str, Any]
) -> Path:
    """Write a sweep file of tiny runs; JSON is YAML."""
    content = {"version": 1, "name": name, "defaults": tiny(**changes), "experiments": experiments}
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def tiny_config(**changes: dict[str, Any]) -> RunConfig:
    return RunConfig.model_validate(tiny(**changes))


def corpus_of(config: RunConfig) -> Corpus:
    assert config.data.text is not None
    source = Source("text", config.data.text)
    return open_corpus(source, config.data.tokenizer, config.data.repeat, None, write=False)


def job_run(staging_dir: Path, name: str = "tiny", **changes: dict[str, Any]) -> JobRun:
    """A tiny run, ready to be trained."""
    config = tiny_config(**changes)
    corpus = corpus_of(config)
    config = config.with_vocab_size(corpus.info.tokenizer.vocab_size)
    return JobRun(name, config, corpus, "v1-" + "0" * 32, staging_dir)


def environment() -> dict[str, str]:
    """A user's environment: the tests' own, without what names a store or colours."""
    unwanted = ("MLFLOW_", "HARNESS_", "FORCE_COLOR", "NO_COLOR", "PYTEST_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true"}


def compile_stacked_engine(folder: Path) -> None:
    """Run a stacked sweep in `folder`, so that no later command has to say that it compiles.

    The machine code lies in the user's cache: compiling takes 20 s, once a machine.
    """
    optimizers = {
        name: {"optimizer": {"name": name, "lr": 0.01}} for name in ("adamw", "adam", "sgd")
    }
    write_sweep(folder / "sweep.yaml", optimizers, train={"engine": "stacked"})
    call = harness("run", "sweep.yaml", cwd=folder)
    assert call.returncode == 0, call.stderr


def harness(
    *arguments: object, cwd: Path, timeout_s: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end, with some more in its environment."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


@contextlib.contextmanager
def started(*arguments: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The installed command as the leader of a process group, which is gone after the block."""
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """The lines that a started command prints, up to the one that holds `text`."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} never came:\n{''.join(lines)}{process.stderr.read()}")

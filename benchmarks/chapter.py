"""The run that is measured: `adamw` of experiments.yaml, 200 steps of the chapter's model."""

from __future__ import annotations

from pathlib import Path

from harness.spec.load import load_sweep
from harness.spec.sweep_file import DeclaredRun
from harness.text.corpora import Corpus, encode

SWEEP_FILE = Path(__file__).resolve().parents[1] / "experiments.yaml"
RUN = "adamw"


def chapter_run() -> DeclaredRun:
    """The run as the sweep file declares it."""
    return load_sweep(SWEEP_FILE).experiment(RUN).runs[0]


def chapter_corpus(run: DeclaredRun) -> Corpus:
    """Its token ids, in memory."""
    return encode(run.corpus, None, write=False)

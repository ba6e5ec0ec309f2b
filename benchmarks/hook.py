"""What the hook of the engine `plain` costs against `bare`, which has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chapter import chapter_corpus, chapter_run
from figures import Figure
from rounds import interleaved

from harness.spec.records import LossRecord
from harness.train.engines import ENGINES
from harness.train.state import start


def measure(rounds: int) -> list[Figure]:
    """The training alone, plain over bare, with a hook that keeps what it hears."""
    ratio = interleaved(training_by("plain"), training_by("bare"), rounds).ratio()
    return [Figure("engine plain / engine bare, 200 steps", ratio)]


def training_by(engine: str) -> Callable[[], None]:
    """The chapter's run by an engine, nothing recorded."""
    run = chapter_run()
    corpus = chapter_corpus(run)

    def train() -> None:
        heard: list[float] = []

        def hook(records: Sequence[LossRecord]) -> tuple[int, ...]:
            for record in records:
                heard.extend(record.losses)
            return ()

        ENGINES[engine](start(run.config, corpus), hook)
        assert len(heard) == run.config.train.steps

    return train

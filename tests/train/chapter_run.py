"""The chapter's run, with changes, and a hook that keeps what it hears."""

from collections.abc import Collection, Sequence

from harness.spec.records import LossRecord
from harness.spec.run_config import RunConfig
from harness.text.corpora import Corpus, open_corpus
from harness.text.sources import Source
from harness.train.engines import ENGINES
from harness.train.state import start

CHAPTER = {
    "model": {
        "embed_dim": 8,
        "num_heads": 2,
        "num_layers": 2,
        "max_seq_len": 64,
        "dropout": 0.0,
    },
    "data": {"text": "I love AI !", "repeat": 64, "tokenizer": "words"},
    "optimizer": {"name": "adamw", "lr": 1e-2},
    "train": {"steps": 200, "batch_size": 4, "seq_len": 8},
    "seed": {"model": 0, "data": 42},
}


class Recorder:
    """The smallest hook: keeps the losses, and stops the run at a step."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.records: list[LossRecord] = []
        self.num_calls = 0
        self.stop_at = stop_at

    def __call__(self, records: Sequence[LossRecord]) -> Collection[int]:
        self.num_calls += 1
        self.records += records
        last = records[-1]
        return {0} if last.first_step + len(last.losses) - 1 == self.stop_at else ()

    @property
    def losses(self) -> list[float]:
        return [loss for record in self.records for loss in record.losses]


def make_config(**changes: dict[str, object]) -> RunConfig:
    """The chapter's run with some keys of some sections changed."""
    sections = {name: {**section, **changes.get(name, {})} for name, section in CHAPTER.items()}
    if "name" in changes.get("optimizer", {}):
        sections["optimizer"] = changes["optimizer"]
    return RunConfig.model_validate(sections)


def make_corpus(config: RunConfig) -> Corpus:
    assert config.data.text is not None
    source = Source("text", config.data.text)
    return open_corpus(source, config.data.tokenizer, config.data.repeat, None, write=False)


def train(engine: str, config: RunConfig) -> list[float]:
    recorder = Recorder()
    ENGINES[engine](start(config, make_corpus(config)), recorder)
    return recorder.losses

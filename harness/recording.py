"""What is recorded of a planned run before it trains."""

from __future__ import annotations

from pathlib import Path

from harness.errors import shorten
from harness.planning import PlannedRun
from harness.tracking import keys
from harness.tracking.record import DatasetInput, RunToRecord


def to_record(sweep_name: str, planned: PlannedRun) -> RunToRecord:
    """A planned run as it is recorded."""
    declared, config = planned.declared, planned.declared.config
    train = config.train
    source = declared.corpus.source
    tags = {**config.tags, keys.DEVICE: train.device, keys.THREADS: str(train.threads)}
    return RunToRecord(
        name=planned.name,
        sweep=sweep_name,
        experiment=declared.experiment,
        fingerprint=planned.fingerprint,
        group=planned.group,
        engine=planned.engine,
        params=config.flat(),
        tags={**tags, keys.EXPECT: keys.EXPECT_NONE},
        description=config.description,
        dataset=DatasetInput(
            name=_corpus_name(planned),
            digest=planned.corpus.digest,
            source=str(source),
        ),
    )


def _corpus_name(planned: PlannedRun) -> str:
    """What MLflow calls the dataset: the beginning of the text, or the file's name."""
    source, repeat = planned.declared.corpus.source, planned.declared.corpus.repeat
    name = Path(source.value).name if source.kind == "file" else shorten(source.value, 40)
    return f"{name} x {repeat}" if repeat > 1 else name

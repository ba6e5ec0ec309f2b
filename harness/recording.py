"""What is recorded of a sweep, and of a planned run, before it trains."""

from __future__ import annotations

from pathlib import Path

from harness.errors import shorten
from harness.planning import PlannedRun
from harness.spec.run_config import RunConfig
from harness.spec.sweep_file import Sweep
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
        description=config.description or _in_words(config),
        dataset=DatasetInput(
            name=_corpus_name(planned),
            digest=planned.corpus.digest,
            source=str(source),
        ),
    )


def _in_words(config: RunConfig) -> str:
    """What a run without a description is, in a line: MLflow's page shows it above 25 params."""
    model, train, rate = config.model, config.train, getattr(config.optimizer, "lr", None)
    heads = "head" if model.num_heads == 1 else "heads"
    layers = "layer" if model.num_layers == 1 else "layers"
    optimizer = config.optimizer.name if rate is None else f"{config.optimizer.name} at lr {rate:g}"
    return (
        f"{optimizer}, {train.steps} steps of {train.batch_size} x {train.seq_len} tokens; "
        f"{model.num_layers} {layers} of {model.num_heads} {heads}, {model.embed_dim} wide"
    )


def _corpus_name(planned: PlannedRun) -> str:
    """What MLflow calls the dataset: the beginning of the text, or the file's name."""
    source, repeat = planned.declared.corpus.source, planned.declared.corpus.repeat
    name = Path(source.value).name if source.kind == "file" else shorten(source.value, 40)
    return f"{name} x {repeat}" if repeat > 1 else name


def described(sweep: Sweep) -> str:
    """What is said of a sweep in MLflow: its description, or what is in it."""
    experiments = ", ".join(experiment.name for experiment in sweep.experiments)
    searches = ", ".join(search.name for search in sweep.searches)
    named = {"Experiments": experiments, "Searches": searches}
    contents = " ".join(f"{kind}: {names}." for kind, names in named.items() if names)
    return sweep.description or contents

"""Which engine `engine: auto` means: a golden table, and that it is asked with everything known."""

from __future__ import annotations

import pytest
from spec_files import load
from sweep_files import CHAPTER_FILE

from harness.spec.fingerprint import fingerprint, group_fingerprint
from harness.spec.load import load_sweep
from harness.spec.run_config import RunConfig

CHAPTER = {"C": 8, "B": 4, "T": 8, "N": 2, "V": 4}


def config(*, optimizer: object = None, device: str = "cpu", engine: str = "auto", **sizes):
    sizes = {**CHAPTER, "dropout": 0.0, "threads": 1, **sizes}
    return RunConfig.model_validate({
        "model": {"embed_dim": sizes["C"], "num_heads": 2, "num_layers": sizes["N"],
                  "max_seq_len": 4096, "dropout": sizes["dropout"], "vocab_size": sizes["V"]},
        "data": {"text": "a b"},
        "optimizer": {"lr": 0.1, **(optimizer or {"name": "adamw"})},
        "train": {"steps": 1, "batch_size": sizes["B"], "seq_len": sizes["T"], "device": device,
                  "threads": sizes["threads"], "engine": engine},
    })  # fmt: skip


# A change of a line changes the identity of every run of such a shape in every store that exists:
# it needs a release note.
@pytest.mark.parametrize(
    ("changes", "engine"),
    [
        ({}, "stacked"),
        ({"B": 1}, "stacked"),
        ({"B": 16}, "stacked"),
        ({"V": 65, "T": 16}, "stacked"),
        ({"C": 16, "V": 65, "T": 16}, "stacked"),
        ({"C": 16, "B": 16, "V": 65, "T": 32}, "plain"),
        ({"C": 32, "V": 65, "T": 32}, "plain"),
        ({"C": 32, "B": 16, "V": 65, "T": 32}, "plain"),
        ({"C": 64, "B": 16, "V": 65, "T": 64, "N": 4}, "plain"),
        ({"V": 1024}, "stacked"),
        ({"V": 1025}, "plain"),
        ({"V": 50304}, "plain"),
        ({"T": 1024}, "plain"),
        ({"N": 100}, "plain"),
        ({"dropout": 0.1}, "stacked"),
        ({"threads": 2}, "stacked"),
        ({"optimizer": {"name": "adam"}}, "stacked"),
        ({"optimizer": {"name": "sgd", "momentum": 0.9}}, "stacked"),
        ({"optimizer": {"name": "nadam"}}, "plain"),
        ({"optimizer": {"name": "adamw", "amsgrad": True}}, "plain"),
        ({"optimizer": {"name": "adamw", "fused": True}}, "plain"),
        ({"device": "cuda"}, "plain"),
        ({"device": "cuda:1"}, "plain"),
    ],
)
def test_auto_takes_the_engine_of_the_table(changes, engine):
    assert config(**changes).engine == engine


def test_the_model_of_the_chapter_is_stacked_where_its_file_does_not_say_plain(tmp_path):
    sweep = load_sweep(CHAPTER_FILE, overrides=["train.engine=auto"], only=["adamw", "sgd"])
    engines = {run.name: run.config.engine for run in sweep.runs if run.name in ("adamw", "sgd")}
    assert engines == {"adamw": "stacked", "sgd": "stacked"}


@pytest.mark.parametrize("engine", ["plain", "bare", "stacked"])
def test_an_engine_that_is_named_is_taken_whatever_the_shape(engine):
    assert {config(C=c, engine=engine).engine for c in (8, 64, 512)} == {engine}


@pytest.mark.parametrize("size", [8, 64])
def test_the_fingerprint_of_auto_is_that_of_the_engine_it_takes(size):
    auto = config(C=size)
    named, other = (
        config(C=size, engine=engine)
        for engine in ([auto.engine, "plain"] if auto.engine == "stacked" else ["plain", "stacked"])
    )
    assert fingerprint(auto, "0") == fingerprint(named, "0") != fingerprint(other, "0")
    assert group_fingerprint(auto, "0") == group_fingerprint(named, "0")


def test_the_vocabulary_of_the_corpus_decides_as_one_that_the_file_states(tmp_path):
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 9000)))  # too many symbols for stacked
    sized, unsized, small = load(
        tmp_path,
        f"  sized: {{model: {{vocab_size: 9000}}, data: {{text: {letters}, tokenizer: chars}}}}\n"
        f"  unsized: {{data: {{text: {letters}, tokenizer: chars}}}}\n"
        "  small: {}",
    ).runs
    assert [run.config.engine for run in (sized, unsized, small)] == ["plain", "plain", "stacked"]
    assert fingerprint(sized.config, "0") == fingerprint(unsized.config, "0")


def test_auto_is_not_resolved_before_the_vocabulary(tmp_path):
    with pytest.raises(AssertionError, match="vocab_size is resolved before"):
        _ = config(V=None).engine
    assert config(V=None).with_vocab_size(4).engine == "stacked"
    assert config(V=None).with_vocab_size(50304).engine == "plain"

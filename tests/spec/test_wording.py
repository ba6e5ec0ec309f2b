from __future__ import annotations

import pytest
from spec_files import refused

from harness.spec.distributions import Choices, Range
from harness.spec.expectations import Expectation
from harness.spec.experiment_entry import EXPERIMENT_KEYS
from harness.spec.foreign import FOREIGN, translate
from harness.spec.header import TOP_KEYS
from harness.spec.search_entry import SEARCH_KEYS
from harness.spec.settings import SETTINGS
from harness.spec.wording import unknown_key, unknown_name

SECTIONS = {path.partition(".")[0]: {p.partition(".")[2] for p in SETTINGS} for path in SETTINGS}
KEYS = {
    *TOP_KEYS, *EXPERIMENT_KEYS, *SEARCH_KEYS, *Expectation.model_fields,
    *Choices.model_fields, *Range.model_fields, *(path.partition(".")[2] for path in SETTINGS),
}  # fmt: skip


def test_every_word_of_another_tool_is_answered_with_a_key_that_exists():
    wrong = {word: ours for word, ours in FOREIGN.items() if not set(ours) <= KEYS}
    assert not wrong


def test_no_word_of_another_tool_is_a_key_of_ours_in_the_same_place():
    for word, ours in FOREIGN.items():
        for place in (TOP_KEYS, EXPERIMENT_KEYS, tuple(Expectation.model_fields)):
            assert not (word in place and set(ours) & set(place)), word


@pytest.mark.parametrize(
    ("word", "known", "ours"),
    [
        ("learning_rate", ["name", "lr"], "lr"),
        ("Learning-Rate", ["lr"], "lr"),
        ("block_size", ["max_seq_len"], "max_seq_len"),
        ("block_size", ["steps"], None),
        ("num_samples", ["n_trials"], "n_trials"),
        ("parameters", ["space"], "space"),
        ("parameters", ["matrix"], "matrix"),
        ("anything", ["lr"], None),
    ],
)
def test_a_word_is_translated_where_our_key_is_allowed(word, known, ours):
    assert translate(word, known) == ours


def test_an_unknown_key_is_answered_with_ours_the_nearest_or_all():
    known = ["lr", "weight_decay"]
    assert unknown_key("eta", known) == "unknown key 'eta'; here it is called lr"
    assert unknown_key("weigth_decay", known).endswith("; did you mean weight_decay?")
    assert unknown_key("zebra", known).endswith("; allowed are lr, weight_decay")
    assert len(unknown_key("z" * 1000, known)) < 140


def test_an_unknown_name_is_answered_with_those_there_are():
    said = unknown_name("experiment", "sdg", ["adamw", "sgd"])
    assert said == "no experiment is called 'sdg'; did you mean sgd? (there are: adamw, sgd)"
    many = [f"experiment-{i}" for i in range(1000)]
    assert len(unknown_name("experiment", "zebra", many)) < 400


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{training: {}}", "unknown key 'training'; did you mean train?"),
        ("{train: {max_steps: 5}}", "unknown key 'max_steps'; here it is called steps"),
        ("{train: {engin: plain}}", "did you mean engine?"),
        ("{model: {d_model: 5}}", "here it is called embed_dim"),
        ("{data: {corpus: x}}", "unknown key 'corpus'; allowed are text, file, builtin, repeat"),
        ("{data: {path: x}}", "here it is called file"),
        ("{checkpoint: {save_steps: 5}}", "here it is called every"),
        ("{seed: {random_seed: 5}}", "allowed are model, data"),
        ("{grid: {}}", "here it is called matrix"),
        ("{base: x}", "here it is called extends"),
        ("{<<: {lr: 1}}", "unknown key '<<'; here it is called extends"),
        ("{assertions: []}", "here it is called expect"),
        ("{optimizer: {momentum: 0.9}}", "unknown key 'momentum'; allowed are lr, maximize"),
        ("{optimizer: {name: sgd, lr: 1, wd: 0.9}}", "here it is called weight_decay"),
        ("{optimizer: {name: AdamW}}", "must be one of adamw, adam, sgd"),
        ("{train: {device: gpu}}", "must be cpu, cuda or cuda:N, got 'gpu'"),
        ("{steps: 3}", "unknown key 'steps' here; it is train.steps: write it under train"),
        ("{learningRate: 3}", "it is optimizer.lr: write it under optimizer"),
        ("{optimizer: {name: AdamW, lr: 1}}", "did you mean adamw?"),
        ("{train: {engine: fast}}", "must be one of auto, plain"),
        ("{data: {builtin: shakespeare}}", "must be one of python-docs, got 'shakespeare'"),
        ("{optimizer: {betas: [0.9, 0.99, 0.999]}}", "must hold at most 2 values, got"),
        ("{optimizer: {betas: [0.9]}}", "must hold more values, got 1"),
        ("{optimizer: {betas: [0.9, 1]}}", "must be less than 1, got 1"),
        ("{model: {dropout: 1}}", "must be less than 1, got 1"),
        ("{model: {embed_dim: 8.0}}", "must be a whole number, got 8.0"),
        ("{train: {steps: '5'}}", "must be a whole number, got '5'"),
        ("{train: {log_every: 2000000000000}}", "must be at most 1000000000000, got 2000000000000"),
        ("{optimizer: {fused: true, foreach: true}}", "fused and foreach cannot both be true"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_file(tmp_path, entry, message):
    head_entry = f"  a: {entry}"
    assert message in refused(tmp_path, head_entry).message

"""What a run's identity is made of, and four that must never change."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spec_files import HEAD, load, run

from harness.spec.fingerprint import fingerprint, group_fingerprint, identity
from harness.spec.load import load_sweep
from harness.spec.optimizers import OPTIMIZERS
from harness.spec.run_config import RunConfig
from harness.text.corpora import encode

# A change of one of these breaks the identity of every run in every store that exists: `harness
# run` would train all of them again. It needs a release note and another VERSION.
GOLDEN = """\
version: 1
name: golden
defaults:
  model: {embed_dim: 8, num_heads: 2, num_layers: 2, max_seq_len: 64, dropout: 0.0}
  data: {text: "I love AI !", repeat: 64, tokenizer: words}
  optimizer: {name: adamw, lr: 1e-2}
  train: {steps: 200, batch_size: 4, seq_len: 8, engine: plain}
  seed: {model: 0, data: 42}
experiments:
  adamw:
  sgd: {optimizer: {name: sgd, lr: 1e-1}}
  chars:
    model: {embed_dim: 64, num_heads: 4, num_layers: 4, dropout: 0.1}
    data: {text: "Zw\\u00f6lf Boxk\\u00e4mpfer jagen Viktor", repeat: 20, tokenizer: chars}
    optimizer: {name: rmsprop, lr: 1e-3, alpha: 0.9}
    train: {engine: bare, seq_len: 64, batch_size: 16, threads: 2}
  adafactor:
    model: {vocab_size: 50304}
    optimizer: {name: adafactor, lr: 0.02}
    train: {device: cuda:1}
    seed: {model: 9223372036854775807, data: 7}
"""
FINGERPRINTS = {
    "adamw": "v1-505c251bb2ddb0b41bba92bf890a0d0a",
    "sgd": "v1-c932f19ed1533fb50fb470ffe01e088b",
    "chars": "v1-642bf56cb4d290b3af67464ddcd9d7a5",
    "adafactor": "v1-09b4db5c3a68a707d979cd098df73e63",
}


def of(declared) -> str:
    return fingerprint(declared.config, encode(declared.corpus, None, write=False).digest)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_golden_fingerprints_stay(tmp_path, name):
    path = tmp_path / "golden.yaml"
    path.write_text(GOLDEN, encoding="utf-8")
    assert of(load_sweep(path).experiment(name).runs[0]) == FINGERPRINTS[name]


def test_a_fingerprint_is_a_version_and_32_hex_digits(tmp_path):
    assert re.fullmatch(r"v1-[0-9a-f]{32}", of(run(tmp_path, "  a: {}")))


@pytest.mark.parametrize(
    "entry",
    [
        "{description: why, tags: {a: b}}",
        "{expect: [{metric: train/loss, below: 1}]}",
        "{train: {log_every: 1}}",
        "{checkpoint: {every: 5, keep_last: 1, keep_best: 3}}",
        "{data: {file: same.txt}}",
        "{data: {file: once.txt, repeat: 16}}",
        '{data: {text: "uno due tre quattro", repeat: 16}}',  # its ids are the same
        "{optimizer: {lr: 0.01}}",
        "{optimizer: {lr: 10.0e-3, weight_decay: 0.01, betas: [0.9, 0.999]}}",
        "{model: {vocab_size: 4, dropout: 0}}",
        "{seed: {model: 0, data: 42}}",
        "{train: {engine: stacked}}",  # what `auto` means for so small a model
        "{train: {device: cpu, threads: 1}}",
        "{data: {holdout: 0}, train: {eval_every: null, eval_batches: 8}}",
    ],
)
def test_what_does_not_change_the_numbers_does_not_change_it(tmp_path, entry):
    (tmp_path / "same.txt").write_text("one two\nthree four " * 16)
    (tmp_path / "once.txt").write_bytes(b"\xef\xbb\xbfone two three four")
    a, b = load(tmp_path, f"  a: {{}}\n  b: {entry}").runs
    assert of(a) == of(b)


def test_the_number_of_a_gpu_does_not_change_it_and_the_kind_of_device_does(tmp_path):
    text = "\n".join(
        f"  {d[:3]}{d[-1]}: {{train: {{device: {d}}}}}" for d in ("cpu", "cuda:0", "cuda:1")
    )
    cpu, first, second = (of(run) for run in load(tmp_path, text).runs)
    assert first == second != cpu


CHANGES = {
    "model": [("embed_dim", 16), ("num_heads", 4), ("num_layers", 1), ("max_seq_len", 32),
              ("dropout", 0.1), ("vocab_size", 9)],
    "data": [("repeat", 17), ("tokenizer", "chars"), ("holdout", 0.5)],
    "optimizer": [("lr", 0.02), ("weight_decay", 0.0), ("betas", "[0.8, 0.9]"), ("eps", 1e-6),
                  ("amsgrad", "true"), ("maximize", "true"), ("foreach", "true"),
                  ("fused", "true"), ("name", "adam, lr: 1e-2")],
    "train": [("steps", 201), ("batch_size", 5), ("seq_len", 9), ("engine", "bare"),
              ("device", "cuda"), ("threads", 2), ("eval_every", 100), ("eval_batches", 4)],
    "seed": [("model", 1), ("data", 43)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [(section, key, value) for section, pairs in CHANGES.items() for key, value in pairs],
)
def test_each_decisive_setting_changes_it(tmp_path, section, key, value):
    head = HEAD.replace("words}", "words, holdout: 0.25}") if key.startswith("eval_") else HEAD
    text = f"  a: {{}}\n  b: {{{section}: {{{key}: {value}}}}}"
    a, b = load(tmp_path, text, head=head).runs
    assert of(a) != of(b)


def test_the_decisive_settings_above_are_all_there_are():
    undecisive = {"text", "file", "builtin", "log_every"}
    for section, pairs in CHANGES.items():
        model = (
            OPTIMIZERS["adamw"]
            if section == "optimizer"
            else RunConfig.model_fields[section].annotation
        )
        assert {key for key, _ in pairs} == set(model.model_fields) - undecisive


def test_the_group_fingerprint_leaves_out_the_seeds_alone(tmp_path):
    a, b, c = load(
        tmp_path, "  a: {}\n  b: {seed: {model: 5, data: 6}}\n  c: {train: {steps: 9}}"
    ).runs
    group = {
        name: group_fingerprint(r.config, "0") for name, r in zip("abc", (a, b, c), strict=True)
    }
    assert group["a"] == group["b"] != group["c"]
    assert group["a"] not in (of(a), of(b))


CONFIGS = st.builds(
    lambda optimizer, lr, dropout, steps, batch, threads, seed, log_every, why: (
        RunConfig.model_validate({
            "model": {"embed_dim": 8, "num_heads": 2, "num_layers": 1, "max_seq_len": 8,
                      "dropout": dropout, "vocab_size": 5},
            "data": {"text": "a"},
            "optimizer": {"name": optimizer, "lr": lr},
            "train": {"steps": steps, "batch_size": batch, "seq_len": 4, "threads": threads,
                      "log_every": log_every},
            "seed": {"data": seed},
            "description": why,
        })
    ),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from([1e-3, 1e-2, 1]),
    st.sampled_from([0, 0.0, 0.1]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(0, 2),
    st.integers(1, 50),
    st.text(max_size=3),
)  # fmt: skip


@given(CONFIGS, CONFIGS, st.sampled_from("xy"), st.sampled_from("xy"))
def test_two_runs_have_one_fingerprint_exactly_when_their_identities_are_equal(a, b, data, other):
    same = identity(a, data) == identity(b, other)
    assert (fingerprint(a, data) == fingerprint(b, other)) == same
    decisive = ("model", "optimizer", "seed")
    train = ("steps", "batch_size", "threads")
    equal = all(getattr(a, key) == getattr(b, key) for key in decisive) and data == other
    assert same == (equal and all(getattr(a.train, k) == getattr(b.train, k) for k in train))

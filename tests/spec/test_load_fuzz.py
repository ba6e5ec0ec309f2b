"""Whatever a sweep file holds, loading it gives a Sweep or a SweepFileError: soon, and small.

A valid file is mutated: its lines and bytes at random, its tree at random, and every value in it by
a list of values that broke something once. The number of random examples is `HARNESS_FUZZ`; a
campaign is

    HARNESS_FUZZ=20000 pytest tests/spec/test_load_fuzz.py
"""

from __future__ import annotations

import copy
import gc
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.errors import Problem, SweepFileError
from harness.spec.load import load_sweep
from harness.spec.sweep_file import Sweep

EXAMPLES = int(os.environ.get("HARNESS_FUZZ", "150"))
LIMIT_S = 1.0
"""Of processor time; on a quiet machine a file of this size takes 0.03 s."""
LIMIT_KIB = 300 * 1024
"""By which the memory of this process may rise while a file is loaded."""

VALID = """\
version: 1
name: fuzzed
description: everything that a file may say
defaults:
  model: {embed_dim: 8, num_heads: 2, num_layers: 2, max_seq_len: 64, dropout: 0.1, vocab_size: 9}
  data: {text: "I love AI !", repeat: 64, tokenizer: words}
  optimizer: {name: adamw, lr: 1e-2, betas: [0.9, 0.99], eps: 1e-8, amsgrad: true}
  train: {steps: 20, batch_size: 4, seq_len: 8, engine: plain, device: cpu, threads: 1}
  seed: {model: 0, data: 42}
  checkpoint: {every: 5, keep_last: 1, keep_best: 1}
  tags: {a: b}
experiments:
  base: &base
    extends: other
    description: claims of every kind
    expect:
      - {metric: train/loss, at: {1: 5.2, 10: 1.6}, abs: 5e-5}
      - {metric: train/loss, at: 2, between: [1, 2]}
      - {metric: train/loss, at: 2, above: {step: 1}}
      - {metric: train/loss, at: 2, below: {experiment: other}}
      - {metric: train/loss, last: 2, by: mean, equals: 1}
      - {metric: train/perplexity, approx: 1, rel: 0.1}
  other:
    optimizer: {name: sgd, lr: 0.1}
    train: {engine: bare, log_every: 5}
    expect: [{metric: train/loss, same_as: grand}]
  grand: {train: {batch_size: 1}}
  grid:
    matrix: {optimizer.lr: [0.1, 0.2], seed.model: [1, 2]}
    zip: {train.steps: [1, 2], train.batch_size: [1, 2]}
    exclude: [{optimizer.lr: 0.1, train.steps: 1}]
  seeds:
    seeds: 3
    expect: [{metric: train/loss, below: 5, over: mean}]
  listed:
    seeds: [{model: 1, data: 2}, {model: 2, data: 3}]
searches:
  lr:
    extends: grand
    metric: train/loss
    reduce: {last: 5, by: mean}
    direction: minimize
    space: {optimizer.lr: {low: 1e-4, high: 1.0, log: true}, train.batch_size: {choices: [1, 2]}}
    sampler: {name: tpe, seed: 0}
    pruner: {name: successive_halving, min_resource: 2, reduction_factor: 3}
    n_trials: 64
    parallel: 16
    timeout_s: 5
    constraints: ["params <= 5000"]
    enqueue: [{optimizer.lr: 1e-2}]
    expect: [{best: optimizer.lr, between: [0.05, 0.2]}, {better_than: {search: two}}]
  two: {extends: lr, metric: train/loss, space: {optimizer.lr: {low: 0.1, high: 1}}, n_trials: 4}
"""
LINES = VALID.splitlines()
TREE = json.loads(json.dumps(YAML(typ="safe", pure=True).load(VALID)))

NASTY = [
    "9" * 5001, "9" * 400, "-" + "9" * 39, "-1", "0", "1e999", "-.inf", ".nan", "5e-324", "-0.0",
    '""', f'"{"x" * 500}"', '"\\ud800"', '"a\\n\\e[31m"', '"1"', "true", "null",
    "9223372036854775808",
    "[]", "{}", "[[1]]", "[1, 2, 3]", "[true, null, {a: 1}]", f"[{'9' * 5001}]", "*x", "!x 1",
    "{a: b, 1: {}}", "{1.5: 2}", f"{{a: {'9' * 400}}}", f"{{'{'9' * 5001}': 1}}",
    f"{{{'9' * 400}: 1}}",
    f"{{step: {'9' * 30}}}", "{experiment: []}", "{choices: [1e999]}", "{low: 1e308, high: 1e309}",
    "[{model: 1, data: 1}, {model: 1, data: 1}]", "{optimizer.lr: [[], {}]}", "a: b",
]  # fmt: skip
TOKENS = [
    *NASTY,
    *"\t\n\r\x00\u2028\x85\ufeff{}[],:#&*!|>'\"%@`-?",
    "---",
    "...",
    "&a",
    "<<: *base",
]


def check(path: Path) -> None:
    """Load the file; anything but a sweep or told problems, soon, is a fault."""
    problems: tuple[Problem, ...] = ()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from here on
    gc.disable()  # in a long campaign a collection takes longer than the file, and hits any of them
    begun, before = time.process_time(), peak_memory()
    try:
        assert isinstance(load_sweep(path), Sweep)
    except SweepFileError as error:
        problems = error.problems
    finally:
        took = time.process_time() - begun
        gc.enable()
    assert took < LIMIT_S
    assert peak_memory() - before < LIMIT_KIB
    for problem in problems:
        assert problem.message
        assert len(problem.message) < 1500
        assert "rror" not in problem.message
        shown = str(problem).splitlines()
        assert all(line.isprintable() and len(line) < 2500 for line in shown)
        assert len(shown) == (3 if problem.source else 1)


def peak_memory() -> int:
    """The most that this process had resident, in KiB, since the peak was reset."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "fuzzed.yaml"


def test_the_file_is_valid_before_it_is_mutated(path):
    path.write_text(VALID, encoding="utf-8")
    assert len(load_sweep(path).runs) == 14


fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@st.composite
def mutated_text(draw: st.DrawFn) -> bytes:
    """The valid file with lines deleted, doubled, moved or spliced, and tokens or bytes put in."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    lines = list(LINES)
    for _ in range(chance.randint(1, 6)):
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        kind = chance.randrange(6)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[other])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            cut = chance.randint(0, len(lines[at]))
            lines[at] = lines[at][:cut] + chance.choice(TOKENS) + lines[at][cut:]
        elif kind == 4:
            words = lines[at].split(" ")
            words[chance.randrange(len(words))] = chance.choice(TOKENS)
            lines[at] = " ".join(words)
        else:
            lines[at] = lines[at].replace("  ", chance.choice(["", " ", "    ", "\t"]), 1)
    data = bytearray(
        chance.choice(["\n", "\n", "\r\n", "\r"]).join(lines).encode("utf-8", "replace")
    )
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


@fuzzed
@given(mutated_text())
def test_random_text(path, data):
    path.write_bytes(data)
    check(path)


keys = st.sampled_from(
    sorted({*TREE, *TREE["defaults"], "x", "1", "", "a/b", "lr", "name", "steps"})
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["adamw", "train/loss", "base", "last", "tpe", "words"])
)  # fmt: skip
trees = st.recursive(
    scalars, lambda t: st.lists(t, max_size=4) | st.dictionaries(keys, t, max_size=4), max_leaves=12
)


@fuzzed
@given(data=st.data())
def test_random_trees(path, data):
    """One to three values of the valid tree, replaced."""
    tree = copy.deepcopy(TREE)
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = tree
        while True:
            known = sorted(node) if isinstance(node, dict) else range(len(node))
            key = data.draw(st.sampled_from(list(known)))
            inner = node[key]
            if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
                break
            node = inner
        node[key] = data.draw(trees)
    # JSON's own escapes and names for what is not finite
    text = json.dumps(tree).replace("NaN", ".nan").replace("Infinity", ".inf")
    path.write_text(text, encoding="utf-8")
    check(path)


@fuzzed
@given(trees)
def test_random_files(path, tree):
    path.write_text(json.dumps(tree), encoding="utf-8")
    check(path)


def places(value: object, at: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in inner:
        yield (*at, key)
        yield from places(child, (*at, key))


def written(value: object, at: tuple[object, ...], text: str, here: tuple[object, ...] = ()) -> str:
    """The tree in YAML's flow style, with a text in place of one value."""
    if here == at:
        return text
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k)}: {written(v, at, text, (*here, k))}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(v, at, text, (*here, i)) for i, v in enumerate(value)) + "]"
    return json.dumps(value)


PLACES = list(places(TREE))


@pytest.mark.parametrize("nth", range(8))
def test_nasty_values_everywhere(path, nth):
    """Every value of the file in turn, each with some of the nasty ones; a campaign tries all."""
    for number, place in enumerate(PLACES[nth::8]):
        tried = (
            NASTY if EXAMPLES > 1000 else [NASTY[(number * 3 + i) % len(NASTY)] for i in range(3)]
        )
        for text in tried:
            path.write_text(written(TREE, place, text), encoding="utf-8")
            check(path)

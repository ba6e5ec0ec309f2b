from __future__ import annotations

import pytest
from spec_files import HEAD, load, marked, refused, run

from harness.errors import SweepFileError


def optimizer(tmp_path, experiments, **options):
    return run(tmp_path, experiments, **options).config.optimizer


@pytest.mark.parametrize(
    ("entry", "overrides", "lr"),
    [
        ("  a: {}", [], 0.01),
        ("  a: {extends: base}", [], 0.02),
        ("  a: {extends: base, optimizer: {lr: 0.03}}", [], 0.03),
        ("  a: {extends: base, optimizer: {lr: 0.03}, matrix: {optimizer.lr: [0.04]}}", [], 0.04),
        ("  a: {extends: base, optimizer: {lr: 0.03}, zip: {optimizer.lr: [0.04]}}", [], 0.04),
        ("  a: {extends: base, optimizer: {lr: 0.03}}", ["optimizer.lr=0.05"], 0.05),
    ],
)
def test_each_layer_lies_on_the_one_before(tmp_path, entry, overrides, lr):
    text = f"{entry}\n  base: {{optimizer: {{lr: 0.02}}}}"
    assert optimizer(tmp_path, text, overrides=overrides).lr == lr


def test_what_no_layer_says_is_a_default(tmp_path):
    config = run(tmp_path, "  a: {}").config
    assert (config.model.dropout, config.optimizer.weight_decay) == (0.0, 0.01)
    assert (config.seed.model, config.seed.data, config.train.engine) == (0, 42, "auto")


def test_maps_merge_key_by_key_and_lists_replace(tmp_path):
    head = HEAD.replace("lr: 1e-2", "lr: 1e-2, betas: [0.8, 0.9], eps: 1e-6")
    text = "  a: {optimizer: {betas: [0.5, 0.6]}, train: {steps: 7}, tags: {b: y}}"
    head += "  tags: {a: x, b: x}\n"
    config = run(tmp_path, text, head=head).config
    assert (config.optimizer.betas, config.optimizer.eps) == ((0.5, 0.6), 1e-6)
    assert (config.train.steps, config.train.batch_size) == (7, 4)
    assert config.tags == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    ("entry", "overrides"),
    [
        ("  a: {optimizer: {name: sgd, lr: 0.1}}", []),
        ("  a: {optimizer: {lr: 0.1, name: sgd}}", []),
        ("  a: {zip: {optimizer.lr: [0.1], optimizer.name: [sgd]}}", []),
        ("  a: {matrix: {optimizer.name: [sgd], optimizer.lr: [0.1]}}", []),
        ("  a: {}", ["optimizer.lr=0.1", "optimizer.name=sgd"]),
        ("  a: {extends: b, optimizer: {lr: 0.1}}\n  b: {optimizer: {name: sgd}}", []),
    ],
)
def test_another_optimizer_inherits_nothing_in_whatever_order_a_layer_names_it(
    tmp_path, entry, overrides
):
    head = HEAD.replace("lr: 1e-2", "lr: 1e-2, betas: [0.8, 0.9]")
    options = {"overrides": overrides, "head": head}
    if entry.endswith("{name: sgd}}"):
        entry = entry.replace("{name: sgd}", "{name: sgd, lr: 5}")
    config = optimizer(tmp_path, entry, **options)
    assert (config.name, config.lr, config.weight_decay) == ("sgd", 0.1, 0.0)


def test_the_same_optimizer_named_again_keeps_what_it_had(tmp_path):
    head = HEAD.replace("lr: 1e-2", "lr: 1e-2, betas: [0.8, 0.9]")
    assert optimizer(tmp_path, "  a: {optimizer: {name: adamw}}", head=head).betas == (0.8, 0.9)


@pytest.mark.parametrize(
    ("entry", "overrides", "start"),
    [
        ("  a: {optimizer: {name: sgd}}", [], "optimizer: {name"),
        ("  a: {matrix: {optimizer.name: [adamw, sgd]}}", [], "sgd]"),
        ("  a: {}", ["optimizer.name=sgd"], ""),
    ],
)
def test_a_learning_rate_that_another_optimizer_dropped_is_asked_for(
    tmp_path, entry, overrides, start
):
    problem = refused(tmp_path, entry, overrides=overrides)
    assert problem.path == "experiments.a.optimizer.lr"
    assert problem.message == "is required and set nowhere for sgd"
    assert marked(problem).startswith(start)
    assert str(problem).startswith("--set optimizer.name=sgd: ") == bool(overrides)


def test_another_source_of_data_drops_the_source_and_its_repeat(tmp_path):
    (tmp_path / "corpus.txt").write_text("a b c d e f g h i j k l")
    data = run(tmp_path, "  a: {data: {file: corpus.txt}}").config.data
    assert (data.file, data.text, data.repeat, data.tokenizer) == ("corpus.txt", None, 1, "words")
    data = run(tmp_path, "  a: {data: {text: a b c d e f g h i j}}").config.data
    assert data.repeat == 1
    data = run(tmp_path, "  a: {data: {repeat: 3, text: a b c d e f g h i j}}").config.data
    assert data.repeat == 3
    data = run(tmp_path, "  a: {}", overrides=["data.builtin=python-docs"]).config.data
    assert (data.builtin, data.text, data.repeat) == ("python-docs", None, 1)


def test_the_same_source_again_keeps_its_repeat(tmp_path):
    assert run(tmp_path, "  a: {data: {text: one two three four}}").config.data.repeat == 16


def test_extends_takes_the_sections_of_a_chain_and_nothing_else(tmp_path):
    text = """\
  a: {train: {steps: 5}, tags: {from: a}, seeds: 2, expect: [{metric: train/loss, below: 9}]}
  b: {extends: a, matrix: {optimizer.lr: [0.1, 0.2]}, optimizer: {weight_decay: 0.5}}
  c: {extends: b, train: {batch_size: 2}}
  d: {extends: c, zip: {train.steps: [3]}}"""
    sweep = load(tmp_path, text)
    assert [run.name for run in sweep.runs if run.experiment in "cd"] == ["c", "d/steps=3"]
    config = sweep.experiment("c").runs[0].config
    assert (config.train.steps, config.train.batch_size) == (5, 2)
    assert (config.optimizer.weight_decay, config.tags) == (0.5, {"from": "a"})
    assert [len(sweep.experiment(name).claims) for name in "abcd"] == [1, 0, 0, 0]


def test_experiments_and_searches_may_extend_each_other(tmp_path):
    text = """\
  a: {extends: s, train: {steps: 5}}
searches:
  s: {metric: train/loss, space: {optimizer.lr: {low: 0.1, high: 1}}, n_trials: 1, seed: {data: 7}}
  t: {extends: a, metric: train/loss, space: {optimizer.lr: {low: 0.1, high: 1}}, n_trials: 1}"""
    sweep = load(tmp_path, text)
    assert sweep.runs[0].config.seed.data == 7
    assert sweep.searches[1].base.train.steps == 5


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("  a: {extends: a}", "extends goes round in a circle through a"),
        ("  a: {extends: b}\n  b: {extends: a}", "in a circle through b"),
        ("  x: {extends: abd}\n  abc: {}", r"no entry is called 'abd'; did you mean abc\?"),
        ("  a: {extends: [b]}\n  b: {}", r"must be the name of an entry, got \['b'\]"),
        ('  a: {extends: bcd}\n  "bc\\e[3md": {}', r"did you mean bc\\x1b\[3md\?"),
        ("  a: {extends: 1}\n  1: {}", "must be the name of an entry, got 1"),
    ],
)
def test_extends_must_lead_to_another_entry(tmp_path, text, match):
    with pytest.raises(SweepFileError, match=match):
        load(tmp_path, text)


def test_an_empty_section_counts_as_not_written(tmp_path):
    config = run(tmp_path, "  a: {optimizer: null, train: ~, tags: , description: }").config
    assert (config.optimizer.lr, config.train.steps, config.tags) == (0.01, 200, {})


@pytest.mark.parametrize("entry", ["  a:", "  a: null", "  a: {}", "  1: {}"])
def test_an_entry_may_say_nothing(tmp_path, entry):
    assert len(load(tmp_path, entry).runs) == 1


def test_the_description_of_an_experiment_is_its_own_or_the_one_it_inherits(tmp_path):
    sweep = load(tmp_path, "  a: {description: why}\n  b: {extends: a}\n  c: {}")
    assert [experiment.description for experiment in sweep.experiments] == ["why", "why", ""]


@pytest.mark.parametrize(
    ("entry", "path", "message"),
    [
        ("{description: 5}", "description", "must be text, got 5"),
        ("{tags: {x: 5}}", "tags.x", "must be text, got 5"),
        ("{tags: [x]}", "tags", "must be a mapping of keys to values, got ['x']"),
        ("{tags: {harness.kind: x}}", "tags.harness.kind", "may not begin with harness. or"),
        ("{tags: {'a\"b': x}}", 'tags.a"b', "must look like"),
        ("{train: 5}", "train", "must be a mapping of keys to values, got 5"),
        ("{optimizer: [lr]}", "optimizer", "got ['lr']"),
        ("5", "", "must be a mapping, got 5"),
        ("{data: {text: '\\ud800'}}".replace("'", '"'), "data.text", "half of a surrogate pair"),
        ("{data: {file: x, text: y}}", "data.file", "exactly one of text, file and builtin, got"),
    ],
)
def test_what_a_section_cannot_be_is_told(tmp_path, entry, path, message):
    problem = refused(tmp_path, f"  a: {entry}")
    assert problem.path == f"experiments.a.{path}".rstrip(".")
    assert message in problem.message

from __future__ import annotations

import pytest
from spec_files import HEAD, load, problems, refused, run

from harness.errors import SweepFileError, UsageError

SWEPT = "  a: {matrix: {optimizer.lr: [0.1, 1]}}\n  b: {}\n  c: {seeds: 2}\n"
SEARCH = """\
searches:
  s: {metric: train/loss, space: {optimizer.weight_decay: {low: 0.1, high: 1}}, n_trials: 2}
"""


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("optimizer.lr=1e-3", 0.001),
        ("optimizer.betas=[0.5, 0.6]", (0.5, 0.6)),
        ("optimizer.amsgrad=true", True),
        ("optimizer.foreach=", None),
        ("optimizer.foreach=null", None),
        ("data.text='a=b c d e f g h i j k'", "a=b c d e f g h i j k"),
        ("checkpoint.every=5", 5),
    ],
)
def test_a_value_is_yaml_and_lies_on_top(tmp_path, override, value):
    section, key = override.partition("=")[0].split(".")
    config = run(
        tmp_path, "  a: {optimizer: {lr: 0.5, foreach: true}}", overrides=[override]
    ).config
    assert getattr(getattr(config, section), key) == value


def test_the_last_of_two_values_for_a_path_holds(tmp_path):
    overrides = ["train.steps=5", "train.steps=6"]
    sweep = load(tmp_path, "  a: {}", overrides=overrides)
    assert sweep.runs[0].config.train.steps == 6
    assert sweep.overrides == tuple(overrides)


def test_without_an_equals_sign_it_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"--set 'train.steps': must be PATH=VALUE, such as"):
        load(tmp_path, "  a: {}", overrides=["train.steps"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimizer.lr=-1", "optimizer.lr: must be greater than 0, got -1 (used by experiments.a)"),
        ("optimizer.lrr=1", "optimizer.lrr: unknown key 'lrr'; did you mean lr? (in optimizer)"),
        ("train.max_steps=1", "train.max_steps: unknown key 'max_steps'; here it is called steps"),
        ("foo=1", "foo: unknown key 'foo'; allowed are model, data, optimizer"),
        ("train=5", "train: train is a section; name one of its keys, such as train.steps"),
        ("=5", "unknown key ''; allowed are"),
        ("optimizer.lr=[1, 2", "optimizer.lr: not valid YAML: while parsing a flow sequence"),
        ("optimizer.lr=!x 1", "optimizer.lr: the tag !x is not allowed"),
        ("optimizer.lr={a: 1, a: 2}", "optimizer.lr: duplicate key 'a'"),
        ("data.file=nowhere", "data.file: no such file"),
        ("model.vocab_size=2", "model.vocab_size: must be at least the tokenizer's 4, got 2"),
    ],
)
def test_its_errors_begin_with_it_and_have_no_line(tmp_path, override, said):
    problem = refused(tmp_path, "  a: {}", overrides=[override])
    assert str(problem).startswith(f"--set {override}: {said}")
    assert (problem.line, problem.column) == (0, 0)


def test_the_errors_of_all_overrides_and_of_the_file_come_at_once(tmp_path):
    text = f"{HEAD}experiments: {{a: {{optimizer: {{lrr: 1}}}}}}"
    overrides = ["train.steps=0", "x=1", "train.batch_size=!x 1", f"seed.data={'9' * 100}"]
    found = problems(tmp_path, text, overrides=overrides)
    assert sorted(p.path for p in found) == [
        "experiments.a.optimizer.lrr", "seed.data", "train.batch_size", "train.steps", "x",
    ]  # fmt: skip
    assert all(len(problem.file) < 100 or problem.line for problem in found)


@pytest.mark.parametrize(
    ("override", "only", "said"),
    [
        ("optimizer.lr=1", [], "experiments.a sweeps this path; change it there"),
        ("optimizer.lr=1", ["a"], "experiments.a sweeps this path"),
        ("optimizer.lr=1", ["*lr=0.1"], "experiments.a sweeps this path"),
        ("seed.data=1", ["c*"], "experiments.c sweeps this path"),
        ("optimizer.weight_decay=1", [], "searches.s searches this path; change its space"),
        ("optimizer.weight_decay=1", ["s"], "searches.s searches this path"),
        ("optimizer.weight_decay=1", ["s/trial=1"], "searches.s searches this path"),
    ],
)
def test_a_swept_path_cannot_be_set_where_the_sweep_is_asked_for(tmp_path, override, only, said):
    problem = refused(tmp_path, SWEPT + SEARCH, overrides=[override], only=only)
    assert said in problem.message
    assert str(problem).startswith(f"--set {override}: ")


@pytest.mark.parametrize(
    ("override", "only"),
    [("optimizer.lr=0.5", ["b"]), ("seed.data=5", ["b*"]), ("optimizer.weight_decay=1", ["b"])],
)
def test_a_path_that_only_others_sweep_is_set_in_the_rest(tmp_path, override, only):
    sweep = load(tmp_path, SWEPT + SEARCH, overrides=[override], only=only)
    section, key = override.partition("=")[0].split(".")
    value = float(override.partition("=")[2])
    assert getattr(getattr(sweep.experiment("b").runs[0].config, section), key) == value
    assert [r.config.optimizer.lr for r in sweep.experiment("a").runs] == [0.1, 1.0]
    assert [r.config.seed.data for r in sweep.experiment("c").runs] == [42, 43]


def test_it_reaches_the_base_of_a_search(tmp_path):
    sweep = load(tmp_path, "  a: {}\n" + SEARCH, overrides=["train.steps=7"])
    assert sweep.searches[0].base.train.steps == 7


def test_a_bad_value_in_the_file_may_be_mended(tmp_path):
    with pytest.raises(SweepFileError, match="must be at least 1"):
        load(tmp_path, "  a: {train: {steps: 0}}")
    assert load(tmp_path, "  a: {train: {steps: 0}}", overrides=["train.steps=5"])


def test_an_override_leaves_alone_what_only_does_not_select(tmp_path):
    entries = "  a: {}\n  b: {optimizer: {name: sgd, lr: 0.1}}"
    overrides = ["optimizer.momentum=0.9"]
    sweep = load(tmp_path, entries, overrides=overrides, only=["b"])
    assert sweep.experiment("b").runs[0].config.optimizer.momentum == 0.9
    assert sweep.experiment("a").runs[0].config == run(tmp_path, entries).config
    assert "momentum" in refused(tmp_path, entries, overrides=overrides).message

"""Where a mistake is told when the value came from somewhere else."""

from __future__ import annotations

import pytest
from spec_files import FIRST, HEAD, load, marked, problems, refused

from harness.errors import SweepFileError
from harness.spec.load import load_sweep


def test_a_bad_default_is_told_once_with_those_who_use_it(tmp_path):
    head = HEAD.replace("lr: 1e-2", "lr: -1")
    entries = "\n".join(f"  e{i}: {{}}" for i in range(5))
    problem = refused(tmp_path, entries, head=head)
    assert (problem.line, problem.path) == (6, "defaults.optimizer.lr")
    used = "experiments.e0, experiments.e1, experiments.e2 and 2 more"
    assert problem.message == f"must be greater than 0, got -1 (used by {used})"
    assert marked(problem) == "-1}"


def test_a_bad_default_that_everyone_overrides_is_still_a_mistake(tmp_path):
    head = HEAD.replace("lr: 1e-2", "lr: -1")
    problem = refused(tmp_path, "  a: {optimizer: {lr: 1}}", head=head)
    assert problem.message == "must be greater than 0, got -1"


@pytest.mark.parametrize(
    ("old", "new", "entry"),
    [
        ("num_heads: 2", "num_heads: 3", "{model: {embed_dim: 9}}"),
        ("name: adamw", "name: sgd, nesterov: true", "{optimizer: {momentum: 0.9}}"),
        ("max_seq_len: 64", "max_seq_len: 4", "{model: {max_seq_len: 16}}"),
        ("embed_dim: 8", "embed_dim: 100000", "{model: {embed_dim: 16}}"),
    ],
)
def test_defaults_that_an_entry_makes_fit_together_are_none(tmp_path, old, new, entry):
    head = HEAD.replace(old, new, 1)
    assert load(tmp_path, f"  a: {entry}", head=head)
    assert "(used by experiments.b)" in refused(tmp_path, "  b: {}", head=head).message


def test_an_optimizer_without_a_name_may_be_completed(tmp_path):
    head = HEAD.replace("name: adamw, ", "momentum: 0.5, ")
    assert load(tmp_path, "  a: {optimizer: {name: sgd}}", head=head)
    problem = refused(tmp_path, "  a: {optimizer: {name: adam}}", head=head)
    assert problem.path == "defaults.optimizer.momentum"


def test_an_inherited_value_is_told_where_it_was_written(tmp_path):
    problem = refused(tmp_path, "  ab: {train: {steps: 0}}\n  a: {extends: ab}")
    assert (problem.line, problem.path) == (FIRST, "experiments.ab.train.steps")
    assert problem.message == "must be at least 1, got 0 (used by experiments.a)"


def test_a_bad_value_of_an_axis_is_told_at_its_place_in_the_list(tmp_path):
    problem = refused(tmp_path, "  a: {matrix: {train.batch_size: [1, 0]}, seeds: 9}")
    assert problem.path == "experiments.a.matrix.train.batch_size[1]"
    assert marked(problem).startswith("0]")


def test_a_value_behind_an_alias_is_told_at_its_anchor(tmp_path):
    found = problems(
        tmp_path, HEAD + "experiments:\n  a: {train: &t {steps: 0}}\n  b: {train: *t}\n"
    )
    assert [(p.line, p.path) for p in found] == [
        (FIRST, "experiments.a.train.steps"),
        (FIRST, "experiments.b.train.steps"),
    ]


def test_a_missing_key_is_told_at_the_section_or_at_the_entry(tmp_path):
    head = HEAD.replace("steps: 200, ", "")
    first = refused(tmp_path, "  a: {train: {engine: bare}}", head=head)
    second = refused(tmp_path, "  a: {}", head=head)
    for problem in (first, second):
        assert problem.path == "experiments.a.train.steps"
        assert problem.message == "is required and set nowhere"
    assert marked(first).startswith("train:")
    assert marked(second).startswith("a: {}")


def test_a_corpus_that_is_too_short_is_told_at_the_text_with_its_repeat(tmp_path):
    problem = refused(tmp_path, "  a: {data: {repeat: 2}}")
    assert problem.path == "defaults.data.text"
    assert problem.message == (
        "has 8 tokens (with repeat 2); train.seq_len 8 needs at least 10 (seq_len + 2) "
        "(used by experiments.a)"
    )


def test_a_vocabulary_must_hold_the_tokenizers(tmp_path):
    problem = refused(tmp_path, "  a: {model: {vocab_size: 3}}")
    assert problem.message == "must be at least the tokenizer's 4, got 3"
    assert marked(problem) == "3}}"


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("version: true", "version", "must be 1, the only version, got true"),
        ("version: '1'", "version", "got '1'"),
        ("name: 14", "name", "must be text, got 14"),
        ("name: ' '", "name", "the name is empty"),
        ("name: -x", "name", "must begin with a letter, a digit or _"),
        ("description: [x]", "description", "must be text, got ['x']"),
        ("defaults: 5", "defaults", "must be a mapping, got 5"),
        ("experiment: {}", "experiment", "here it is called experiments"),
        ("searches: 5", "searches", "must be a mapping of names to entries, got 5"),
    ],
)
def test_what_the_top_level_cannot_be_is_told(tmp_path, line, path, message):
    key = line.partition(":")[0]
    entry = (
        "{model: {embed_dim: 8, num_heads: 2, num_layers: 2, max_seq_len: 64}, data: {text: "
        "a b c d e f g h i j}, optimizer: {name: sgd, lr: 1}, "
        "train: {steps: 1, batch_size: 1, seq_len: 4}}"
    )
    lines = {
        "version": "version: 1",
        "name": "name: x",
        "experiments": f"experiments: {{a: {entry}}}",
    }
    lines[key] = line
    (problem,) = problems(tmp_path, "\n".join(lines.values()))
    assert (problem.path, marked(problem) in line or problem.column == 1) == (path, True)
    assert message in problem.message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 101, "is longer than 100 characters"),
        ("'a*'", "may hold none of / , = * ? [ ]"),
        ("'a '", "not end in a space"),
        (".a", "must begin with a letter"),
        ('"a\\tb"', "holds control characters"),
    ],
)
def test_what_an_entry_cannot_be_called_is_told_at_its_name(tmp_path, name, message):
    problem = refused(tmp_path, f"  {name}: {{}}")
    assert message in problem.message
    assert (problem.line, problem.column) == (FIRST, 3)


def test_a_search_may_not_bear_the_name_of_an_experiment(tmp_path):
    text = "  x: {}\nsearches:\n  x: {metric: train/loss, n_trials: 1, space: "
    problem = refused(tmp_path, text + "{optimizer.lr: {low: 0.1, high: 1}}}")
    assert problem.message == "'x' is the name of an experiment already"


def test_a_search_is_not_compared_with_itself(tmp_path):
    text = "  x: {}\nsearches:\n  s: {metric: train/loss, n_trials: 1, space: {optimizer.lr: "
    text += "{low: 0.1, high: 1}}, expect: [{better_than: {search: %s}}]}"
    assert "with itself" in refused(tmp_path, text % "s").message
    assert "no search is called 'x'" in refused(tmp_path, text % "x").message


def test_a_file_that_is_not_there_is_told_with_the_nearest(tmp_path):
    (tmp_path / "sweep.yaml").touch()
    with pytest.raises(SweepFileError, match=r"cannot be read: No such file.*mean sweep.yaml\?"):
        load_sweep(tmp_path / "swep.yaml")
    with pytest.raises(SweepFileError, match="must be a regular file"):
        load_sweep(tmp_path)

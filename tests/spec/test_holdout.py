"""`data.holdout`, `train.eval_every` and `train.eval_batches`: what a file may say, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spec_files import HEAD, marked, refused, run

from harness.spec.evaluations import Evaluations

HOLDING_OUT = HEAD.replace("words}", "words, holdout: 0.25}")  # 16 of 64 tokens


@pytest.mark.parametrize("holdout", ["0", "0.0", "0.16", "0.5", "0.84"])
def test_a_share_is_taken_where_both_parts_hold_a_window(tmp_path, holdout):
    config = run(tmp_path, f"  a: {{data: {{holdout: {holdout}}}}}").config
    assert config.data.holdout == float(holdout)
    assert (config.train.eval_every, config.train.eval_batches) == (None, 8)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("-0.1", "must be at least 0, got -0.1"),
        ("0.95", "must be at most 0.9, got 0.95"),
        ("1", "must be at most 0.9, got 1"),
        (".nan", "must be finite, got nan"),
        ("most", "must be a number, got 'most'"),
    ],
)
def test_another_share_is_refused_where_it_stands(tmp_path, value, match):
    problem = refused(tmp_path, f"  a: {{data: {{holdout: {value}}}}}")
    assert problem.path == "experiments.a.data.holdout"
    assert match in problem.message
    assert marked(problem).startswith(value)


@pytest.mark.parametrize(
    ("holdout", "match"),
    [
        (
            "0.1",
            "holds out 6 of 64 tokens (with repeat 16) and trains on 58; "
            "of both train.seq_len 8 needs at least 10 (seq_len + 2)",
        ),
        ("0.9", "holds out 58 of 64 tokens (with repeat 16) and trains on 6; of both"),
        ("0.001", "holds out 0 of 64 tokens"),
    ],
)
def test_a_part_without_a_whole_window_is_refused(tmp_path, holdout, match):
    problem = refused(tmp_path, f"  a: {{data: {{holdout: {holdout}}}}}")
    assert problem.path == "experiments.a.data.holdout"
    assert match in problem.message
    assert marked(problem).startswith(holdout)


@pytest.mark.parametrize("setting", ["eval_every: 10", "eval_batches: 9"])
def test_an_evaluation_needs_held_out_tokens(tmp_path, setting):
    problem = refused(tmp_path, f"  a: {{train: {{{setting}}}}}")
    assert problem.path == f"experiments.a.train.{setting.partition(':')[0]}"
    match = "needs tokens that are held out; set data.holdout, to 0.1 for instance"
    assert problem.message == match
    run(tmp_path, f"  a: {{train: {{{setting}}}}}", head=HOLDING_OUT)


def test_bare_is_evaluated_at_its_end_alone(tmp_path):
    run(tmp_path, "  a: {train: {engine: bare}}", head=HOLDING_OUT)
    problem = refused(tmp_path, "  a: {train: {engine: bare, eval_every: 9}}", head=HOLDING_OUT)
    assert problem.path == "experiments.a.train.eval_every"
    match = "bare evaluates after the last step alone; say train.engine: plain"
    assert problem.message == match


@pytest.mark.parametrize(
    ("key", "match"),
    [
        ("data: {val_split", "here it is called holdout"),
        ("train: {eval_interval", "here it is called eval_every"),
        ("train: {eval_iters", "here it is called eval_batches"),
    ],
)
def test_the_words_of_other_tools_are_answered_with_these(tmp_path, key, match):
    assert match in refused(tmp_path, f"  a: {{{key}: 1}}}}").message


def test_another_source_keeps_the_share(tmp_path):
    found = run(tmp_path, "  a: {data: {builtin: python-docs}}", head=HOLDING_OUT)
    assert found.config.data.holdout == 0.25


@given(st.integers(1, 60), st.none() | st.integers(1, 70), st.booleans())
def test_the_steps_of_evaluations_are_the_multiples_and_the_last(steps, every, holds_out):
    evaluations = Evaluations(steps, every, holds_out)
    expected = [
        step
        for step in range(1, steps + 1)
        if holds_out and (step == steps or (every is not None and step % every == 0))
    ]
    assert [step for step in range(-1, steps + 9) if step in evaluations] == expected
    assert len(evaluations) == len(expected)
    for step in range(steps + 1):
        assert evaluations.up_to(step) == [one for one in expected if one <= step]
        if holds_out and step < steps:
            assert evaluations.after(step) == min(one for one in expected if one > step)

"""`data.holdout`, `train.eval_every` and `train.eval_batches`: what a file may say, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spec_files import HEAD, load, marked, problems, refused, run, write

from harness.spec.evaluations import Evaluations
from harness.spec.load import load_sweep
from harness.spec.reports import report_steps
from harness.spec.search import SearchConfig

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


# claims

EVALUATED = HOLDING_OUT.replace("seq_len: 8}", "seq_len: 8, eval_every: 80}")  # 80, 160 and 200


@pytest.mark.parametrize(
    "claim",
    [
        "below: 3",
        "at: 80, below: 3",
        "at: {80: 1, 160: 1, 200: 1}, rel: 0.1",
        "last: 3, by: mean, below: 3",
        "below: {step: 160}",
        "same_as: b",
        "at: 80, below: {experiment: b}",
    ],
)
def test_a_claim_looks_where_val_loss_is_computed(tmp_path, claim):
    text = f"  a: {{expect: [{{metric: val/loss, {claim}}}]}}\n  b: {{seed: {{model: 1}}}}"
    assert load(tmp_path, text, head=EVALUATED).experiment("a").claims


COMPUTED = "val/loss of a is computed at steps 80, 160 and 200"


@pytest.mark.parametrize(
    ("claim", "at", "match"),
    [
        ("at: 81, below: 3", "81", f"{COMPUTED}, got 81"),
        ("at: {80: 1, 90: 1}, rel: 1", "1}, rel", f"{COMPUTED}, got 90"),
        ("below: {step: 100}", "val/loss", f"{COMPUTED}, got 100"),
        ("at: 201, below: 3", "201", "a has 200 steps, got 201"),
        ("last: 4, by: min, below: 3", "4", "a has 3 evaluations, got 4"),
        ("same_as: often", "often", "a is evaluated at steps 80, 160 and 200, often at every 10 s"),
        (
            "at: 80, below: {experiment: once}",
            "once",
            "val/loss of once is computed at step 200, g",
        ),
        ("last: 2, by: max, below: {experiment: once}", "once", "once has 1 evaluation, got 2"),
        ("below: {experiment: never}", "never", "val/loss of never needs tokens that are held ou"),
        ("same_as: never", "never", "val/loss of never needs tokens that are held out; set data."),
    ],
)
def test_a_claim_elsewhere_is_refused_where_it_says_so(tmp_path, claim, at, match):
    others = (
        "  often: {train: {eval_every: 10}}\n  once: {train: {eval_every: null}}\n"
        "  never: {data: {holdout: 0}, train: {eval_every: null}}"
    )
    text = f"  a: {{expect: [{{metric: val/loss, {claim}}}]}}\n{others}"
    problem = refused(tmp_path, text, head=EVALUATED)
    assert match in problem.message
    assert marked(problem).startswith(at)


def test_a_claim_on_a_run_that_holds_nothing_out_is_refused(tmp_path):
    problem = refused(tmp_path, "  a: {expect: [{metric: val/loss, below: 3}]}")
    match = "val/loss of a needs tokens that are held out; set data.holdout, to 0.1 for instance"
    assert problem.message == match
    assert marked(problem).startswith("val/loss")


@pytest.mark.parametrize(
    "override",
    ["train.steps=70", "train.eval_every=7", "data.holdout=0.0", "train.steps=7"],
)
def test_what_only_an_override_made_so_is_no_mistake_of_the_file(tmp_path, override):
    overrides = [override, *["train.eval_every=null"] * override.startswith("data")]
    text = "  a: {expect: [{metric: val/loss, at: 80, below: 3}, {metric: val/loss, below: 3}]}"
    assert load(tmp_path, text, head=EVALUATED, overrides=overrides).runs


@pytest.mark.parametrize("wrong", ["eval_every: -3", "eval_every: 0", "steps: -1", "steps: true"])
def test_what_an_override_puts_right_is_not_looked_at(tmp_path, wrong):
    key = wrong.partition(":")[0]
    overrides = [f"train.{key}=80"]
    text = f"  a: {{train: {{{wrong}}}, expect: [{{metric: val/loss, at: 80, below: 3}}]}}"
    assert load(tmp_path, text, head=EVALUATED, overrides=overrides).runs


def test_an_override_does_not_make_a_claim_of_the_file_right(tmp_path):
    text = "  a: {expect: [{metric: val/loss, at: 40, below: 3}]}"
    problem = refused(tmp_path, text, head=EVALUATED, overrides=["train.eval_every=40"])
    assert problem.message == f"{COMPUTED}, got 40"


@pytest.mark.parametrize(
    ("evaluations", "words"),
    [
        (Evaluations(200, None, True), "step 200"),
        (Evaluations(1000, 500, True), "steps 500 and 1,000"),
        (Evaluations(6, 1, True), "steps 1, 2, 3, 4, 5 and 6"),
        (Evaluations(2001, 300, True), "every 300 steps and at the last (2,001)"),
    ],
)
def test_where_a_run_is_evaluated_is_said_in_a_line(evaluations, words):
    assert evaluations.in_words() == words


# searches

SEARCH = """\
searches:
  s:
    metric: val/loss
    space: {optimizer.lr: {low: 1e-3, high: 1.0, log: true}}
    n_trials: 4
"""


@pytest.mark.parametrize(
    "more",
    [
        "",
        "reduce: {last: 2, by: min}",
        "pruner: {name: median}",
        "pruner: {name: successive_halving, min_resource: 80, reduction_factor: 2}",
        "pruner: {name: successive_halving, min_resource: auto}",
        "pruner: {name: hyperband, min_resource: 160}",
        "pruner: {name: patient, patience: 1, wrapped: {name: hyperband, min_resource: 80}}",
        "metric: [val/loss, train/loss]",
    ],
)
def test_a_search_takes_val_loss_where_its_trials_have_it(tmp_path, more):
    text = SEARCH.replace("    metric: val/loss\n", "") if more.startswith("metric") else SEARCH
    text = f"{EVALUATED}{text}    {more}\n"
    assert load_sweep(write(tmp_path, text)).searches


@pytest.mark.parametrize(
    ("head", "more", "at", "match"),
    [
        (HEAD, "", "val/loss", "needs tokens that are held out; set data.holdout, to 0.1 for ins"),
        (
            HOLDING_OUT,
            "pruner: {name: median}",
            "median",
            "val/loss is computed after the last step alone; set train.eval_every to prune",
        ),
        (
            EVALUATED,
            "pruner: {name: successive_halving, min_resource: 25, reduction_factor: 3}",
            "successive_halving",
            "compares trials at step 25, and val/loss is computed at steps 80, 160 and 200; set "
            "train.eval_every to what divides 25",
        ),
        (
            EVALUATED,
            "pruner: {name: patient, patience: 1, wrapped: {name: hyperband, min_resource: 50}}",
            "patient",
            "compares trials at step 50, and val/loss",
        ),
        (
            EVALUATED,
            "report_every: 80",
            "80",
            "val/loss is reported where it is computed; set train.eval_every instead",
        ),
    ],
)
def test_a_search_that_asks_where_there_is_no_value_is_refused(tmp_path, head, more, at, match):
    text = f"{head}{SEARCH}    {more}\n"
    (problem,) = problems(tmp_path, text)
    assert match in problem.message
    assert marked(problem).startswith(at)


def test_a_share_that_is_searched_is_checked_at_its_ends(tmp_path):
    space = "space: {data.holdout: {low: 0.0, high: 0.5}}"
    text = f"{HEAD}{SEARCH}".replace(
        "space: {optimizer.lr: {low: 1e-3, high: 1.0, log: true}}", space
    )
    (problem,) = problems(tmp_path, text)
    assert "needs tokens that are held out" in problem.message


@pytest.mark.parametrize(
    ("pruner", "steps"),
    [
        ({"name": "none"}, (80, 160)),
        ({"name": "median"}, (80, 160)),
        ({"name": "hyperband", "min_resource": 40, "reduction_factor": 2}, (40, 80, 160)),
        ({"name": "successive_halving"}, (80, 160)),
    ],
)
def test_trials_report_val_loss_where_it_is_computed_or_at_the_pruners_rungs(pruner, steps):
    space = {"optimizer.lr": {"low": 0.1, "high": 1.0}}
    search = {"metric": "val/loss", "space": space, "n_trials": 1, "pruner": pruner}
    config = SearchConfig.model_validate(search)
    assert report_steps(config, Evaluations(200, 80, True)) == steps
    train = SearchConfig.model_validate({**search, "metric": "train/loss", "report_every": 90})
    rungs = steps if "hyperband" in pruner.values() else (90, 180)
    assert report_steps(train, Evaluations(200, 80, True)) == rungs

from __future__ import annotations

import pytest
from spec_files import load, marked, refused

L, PPL = "metric: train/loss", "metric: train/perplexity"


def claims(tmp_path, *entries):
    lines = "".join(f"\n      - {{{entry}}}" for entry in entries)
    text = (
        f"  a:\n    seeds: 2\n    expect:{lines}\n  other: {{seeds: 2, train: {{batch_size: 1}}}}"
    )
    return load(tmp_path, text).experiments[0].claims


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (f"{L}, below: 1", "train/loss at the last step < 1"),
        (f"{L}, at: last, above: 0.5", "train/loss at the last step > 0.5"),
        (f"{L}, at: 50, equals: 0.123456789", "train/loss at step 50 = 0.123456789"),
        (f"{L}, at: 50, approx: 2, abs: 0.1", "train/loss at step 50 = 2 (abs 0.1)"),
        (f"{L}, approx: 2e-5, rel: 1e-3", "train/loss at the last step = 2e-05 (rel 0.001)"),
        (f"{L}, at: {{7: 1.5}}, abs: 5e-5", "train/loss at step 7 = 1.5 (abs 5e-05)"),
        (f"{L}, at: {{'7': 2}}, rel: 1", "train/loss at step 7 = 2 (rel 1)"),
        (f"{L}, between: [-1, 2]", "train/loss at the last step between -1 and 2"),
        (f"{L}, between: [2, 2]", "train/loss at the last step between 2 and 2"),
        (f"{L}, last: 5, by: median, below: 1", "train/loss over the last 5 steps (median) < 1"),
        (f"{L}, last: 200, by: max, below: 1", "train/loss over the last 200 steps (max) < 1"),
        (f"{L}, at: 3, above: {{experiment: other}}", "train/loss at step 3 > that of other"),
        (f"{L}, at: 3, equals: {{step: 2}}", "train/loss at step 3 = that at step 2"),
        (f"{L}, approx: {{step: 200}}, rel: 1", "train/loss at the last step = that at step 200"
         " (rel 1)"),
        (f"{L}, last: 3, by: min, below: {{experiment: other}}",
         "train/loss over the last 3 steps (min) < that of other"),
        (f"{L}, same_as: other", "train/loss is bit for bit that of other"),
        (f"{L}, below: 1, over: mean", "mean over seeds of train/loss at the last step < 1"),
        (f"{L}, last: 2, by: mean, between: [0, 1], over: mean",
         "mean over seeds of train/loss over the last 2 steps (mean) between 0 and 1"),
        (f"{PPL}, below: 2", "train/perplexity at the last step < 2"),
        (f"{PPL}, at: 200, below: 2", "train/perplexity at step 200 < 2"),
        ("metric: eval/next_token_accuracy, equals: 1.0",
         "eval/next_token_accuracy at the last step = 1"),
    ],
)  # fmt: skip
def test_every_form_of_claim_is_read_and_says_itself(tmp_path, entry, text):
    (claim,) = claims(tmp_path, entry)
    assert claim.text == text


def test_values_by_step_are_one_claim_a_step(tmp_path):
    found = claims(tmp_path, f"{L}, at: {{1: 5, 010: 4, '200': 3}}, rel: 0.1, over: mean")
    assert [(claim.place.step, claim.references[0].number) for claim in found] == [
        (1, 5.0),
        (10, 4.0),
        (200, 3.0),
    ]
    assert {claim.tolerance_rel for claim in found} == {0.1}
    assert all(claim.over_mean for claim in found)


HUGE = "9" * 39


@pytest.mark.parametrize(
    ("entry", "path", "message"),
    [
        (L, "", "says where but not what: add one of equals, approx, below, above, between"),
        (f"{L}, at: 5", "", "says where but not what"),
        (f"{L}, below: 1, above: 2", ".above", "says below and above; a claim says one"),
        (f"{L}, at: {{1: 2}}, abs: 1, below: 1", ".at", "says below and at; a claim says one"),
        (f"{L}, at: 5, last: 2, by: mean, below: 1", ".last", "says both at and last"),
        (f"{L}, by: mean, below: 1", ".by", "goes with last: N"),
        (f"{L}, last: 5, below: 1", ".last", "needs by: mean, median, min or max"),
        (f"{L}, last: 5, by: mode, below: 1", ".by", "must be one of mean, median, min, max, got"),
        (f"{L}, last: 0, by: mean, below: 1", ".last", "must be at least 1, got 0"),
        (f"{L}, last: 2.0, by: mean, below: 1", ".last", "must be a whole number, got 2.0"),
        (f"{L}, approx: 1", ".approx", "needs exactly one of abs and rel, got neither"),
        (f"{L}, approx: 1, abs: 1, rel: 1", ".approx", "exactly one of abs and rel, got both"),
        (f"{L}, at: {{1: 2}}", ".at", "needs exactly one of abs and rel, got neither"),
        (f"{L}, equals: 1, abs: 1", ".abs", "goes with approx or with values in at, not with equ"),
        (f"{L}, below: 1, rel: 1", ".rel", "not with below"),
        (f"{L}, approx: 1, abs: 0", ".abs", "must be greater than 0, got 0"),
        (f"{L}, approx: 1, rel: .inf", ".rel", "must be finite, got inf"),
        (f"{L}, approx: 1, abs: true", ".abs", "must be a number, got true"),
        (f"{L}, between: [2, 1]", ".between", "needs low before high, got [2.0, 1.0]"),
        (f"{L}, between: [1]", ".between", "must hold more values, got 1"),
        (f"{L}, between: 1", ".between", "must be a list, got 1"),
        (f"{L}, below: high", ".below", "must be a number, {experiment: NAME} or {step: N}, got '"),
        (f"{L}, below: true", ".below", "got true"),
        (f"{L}, below: .nan", ".below", "got nan"),
        (f"{L}, below: null", ".below", "got null"),
        (f"{L}, below: {{step: 0}}", ".below", "got a mapping"),
        (f"{L}, below: {{step: 1, experiment: a}}", ".below", "got a mapping"),
        (f"{L}, below: {{experiment: 5}}", ".below", "got a mapping"),
        (f"{L}, at: 0, below: 1", ".at", "must be a step (from 1), last, or a mapping of steps"),
        (f"{L}, at: first, below: 1", ".at", "got 'first'"),
        (f"{L}, at: true, below: 1", ".at", "got true"),
        (f"{L}, at: {{}}, abs: 1", ".at", "got a mapping"),
        (f"{L}, at: {{0: 1}}, abs: 1", ".at.0", "steps count from 1, got '0'"),
        (f"{L}, at: {{1.5: 1}}, abs: 1", ".at.1.5", "steps count from 1, got '1.5'"),
        (f"{L}, at: {{last: 1}}, abs: 1", ".at.last", "steps count from 1, got 'last'"),
        (f"{L}, at: {{'{HUGE}': 1}}, abs: 1", f".at.{HUGE}", "steps count from 1, got"),
        (f"{L}, at: {{1: 5, 01: 6}}, abs: 1", ".at.01", "step 1 is there already"),
        (f"{L}, at: {{1: x}}, abs: 1", ".at.1", "must be a number, got 'x'"),
        (f"{L}, same_as: other, at: 5", ".same_as", "takes neither at nor last"),
        (f"{L}, same_as: 5", ".same_as", "must be text, got 5"),
        (f"{L}, equals: 1, over: mean", ".over", "compares an interval and cannot say equals"),
        (f"{L}, same_as: other, over: mean", ".over", "cannot say same_as"),
        (f"{L}, below: 1, over: median", ".over", "must be one of mean, got 'median'"),
        ("metric: loss, below: 1", ".metric", "'loss'; did you mean train/loss?"),
        ("metric: train/lost, below: 1", ".metric", "did you mean train/loss? (logged: train/los"),
        ("metric: 5, below: 1", ".metric", "must be text, got 5"),
        ("below: 1", ".metric", "is required and set nowhere"),
        (f"{L}, less_than: 1, below: 2", ".less_than", "here it is called below"),
        (f"{L}, tolerance: 1, approx: 2, abs: 3", ".tolerance", "here it is called abs"),
    ],
)
def test_what_a_claim_cannot_say_is_told_at_its_key(tmp_path, entry, path, message):
    text = f"  a: {{seeds: 2, expect: [{{{entry}}}]}}\n  other: {{train: {{batch_size: 1}}}}"
    problem = refused(tmp_path, text)
    assert problem.path == f"experiments.a.expect[0]{path}"
    assert message in problem.message


@pytest.mark.parametrize("value", ["5", "{metric: train/loss}", "''"])
def test_claims_are_a_list(tmp_path, value):
    assert "must be a list of claims, got" in refused(tmp_path, f"  a: {{expect: {value}}}").message
    assert "must be a mapping" in refused(tmp_path, "  a: {expect: [x]}").message


def test_an_empty_list_claims_nothing(tmp_path):
    assert load(tmp_path, "  a: {expect: []}\n  b: {expect: }").experiments[0].claims == ()


@pytest.mark.parametrize(
    ("claim", "start", "message"),
    [
        (f"{L}, at: 201, below: 1", "201", "a has 200 steps, got 201"),
        (f"{L}, at: {{5: 1, 999: 1}}, abs: 1", "1}, abs", "a has 200 steps, got 999"),
        (f"{L}, last: 201, by: mean, below: 1", "201", "a has 200 steps, got 201"),
        (f"{L}, below: {{step: 5000}}", "train/loss", "a has 200 steps, got 5000"),
        (f"{PPL}, at: 5, below: 1", "5", "recorded at the last step only (200)"),
        (f"{PPL}, at: {{5: 1}}, abs: 1", "1}", "recorded at the last step only (200)"),
        (f"{PPL}, last: 2, by: mean, below: 1", "2", "recorded at the last step only"),
        (f"{PPL}, above: {{step: 5}}", "train/perpl", "recorded at the last step only"),
        (f"{PPL}, same_as: short", "short", "same_as compares every step"),
        (f"{L}, at: 60, below: {{experiment: short}}", "short", "short has 50 steps, got 60"),
        (f"{L}, last: 60, by: min, below: {{experiment: short}}", "short", "short has 50 steps"),
        (f"{PPL}, at: 200, below: {{experiment: short}}", "short", "short has 50 steps, got 200"),
        (f"{L}, same_as: short", "short", "a has 200 steps and short 50"),
        (f"{L}, same_as: a", "a}", "compares the experiment with itself"),
        (f"{L}, above: {{experiment: a}}", "a}", "compares the experiment with itself"),
        (f"{L}, above: {{experiment: shirt}}", "shirt", "no experiment is called 'shirt'; did you"
         " mean short?"),
        (f"{L}, same_as: twin", "twin", "a and twin have one fingerprint: they are one run"),
        (f"{L}, below: {{experiment: grid}}", "grid", "no run of grid has the point of a"),
        (f"{L}, below: 1, over: mean", "mean", "over: mean needs at least 2 seeds"),
    ],
)  # fmt: skip
def test_what_can_never_be_checked_is_told_at_its_place(tmp_path, claim, start, message):
    text = f"""\
  a: {{expect: [{{{claim}}}]}}
  short: {{train: {{steps: 50}}}}
  twin: {{extends: a, description: another name, train: {{log_every: 7}}}}
  grid: {{matrix: {{train.batch_size: [1, 2]}}}}"""
    problem = refused(tmp_path, text)
    assert message in problem.message
    assert marked(problem).startswith(start)
    assert problem.path.startswith("experiments.a.expect[0]")


def test_a_perplexity_of_a_longer_partner_is_not_recorded_there(tmp_path):
    text = f"  a: {{expect: [{{{PPL}, at: 200, below: {{experiment: b}}}}]}}\n"
    text += "  b: {train: {steps: 300}}"
    problem = refused(tmp_path, text)
    assert problem.message == "b records train/perplexity at its last step only (300)"
    assert load(tmp_path, text.replace("at: 200, ", ""))


def test_a_mean_over_one_seed_is_none(tmp_path):
    text = f"  a: {{seeds: 1, expect: [{{{L}, below: 1, over: mean}}]}}"
    assert "needs at least 2 seeds; add seeds: N" in refused(tmp_path, text).message
    listed = "[{model: 1, data: 1}, {model: 1, data: 2}]"
    assert load(tmp_path, text.replace("seeds: 1", f"seeds: {listed}"))


def test_expanded_experiments_pair_by_point_in_any_order_and_seed(tmp_path):
    text = f"""\
  a: {{matrix: {{train.steps: [5, 6], optimizer.lr: [0.1]}}, seeds: 2}}
  b:
    optimizer: {{name: sgd, lr: 0.5}}
    matrix: {{optimizer.lr: [0.1], train.steps: [6, 5]}}
    seeds: 2
    expect: [{{{L}, at: 5, above: {{experiment: a}}}}, {{{L}, below: {{experiment: one}}}}]
  one: {{train: {{steps: 9}}}}"""
    assert load(tmp_path, text)
    problem = refused(tmp_path, text.replace("seeds: 2\n    expect", "seeds: 3\n    expect"))
    has = "a/steps=5,lr=0.1,seed=0, a/steps=5,lr=0.1,seed=1, a/steps=6,lr=0.1,seed=0, a/steps=6,"
    told = f"no run of a has the point of b/lr=0.1,steps=6,seed=2; it has {has}lr=0.1,seed=1"
    assert problem.message == told


def test_a_partner_that_was_refused_itself_says_nothing_more(tmp_path):
    text = f"  a: {{optimizer: {{lr: -1}}}}\n  b: {{expect: [{{{L}, above: {{experiment: a}}}}]}}"
    assert refused(tmp_path, text).path == "experiments.a.optimizer.lr"


@pytest.mark.parametrize(
    ("data", "equal"),
    [
        ('{text: "one two three four one two three four one two three four"}', True),
        ('{text: "vier drei two one", repeat: 3}', True),  # the ids are the same, 0 1 2 3
        ("{file: corpus.txt}", True),
        ('{text: "one two three four", repeat: 4}', False),
        ('{text: "one two three one", repeat: 3}', False),
    ],
)
def test_one_corpus_given_in_two_ways_is_one_fingerprint(tmp_path, data, equal):
    (tmp_path / "corpus.txt").write_text("one two three four\n" * 3)
    text = f"  a: {{data: {{repeat: 3}}}}\n  b: {{data: {data}, expect: [{{{L}, same_as: a}}]}}"
    if equal:
        message = "b and a have one fingerprint: they are one run"
        assert refused(tmp_path, text).message == message
    else:
        assert load(tmp_path, text)


def test_a_step_that_only_set_took_away_is_no_error(tmp_path):
    text = f"""\
  a: {{expect: [{{{L}, at: 150, below: {{experiment: b}}}}, {{{PPL}, at: 200, below: 9}}]}}
  b: {{seed: {{data: 1}}, expect: [{{{L}, last: 150, by: mean, below: {{step: 120}}}}]}}"""
    assert load(tmp_path, text, overrides=["train.steps=100"]).runs[0].config.train.steps == 100
    assert load(tmp_path, text, overrides=["train.steps=300"])
    problem = refused(tmp_path, text.replace("150", "250", 1), overrides=["train.steps=100"])
    assert problem.message == "a has 200 steps, got 250"

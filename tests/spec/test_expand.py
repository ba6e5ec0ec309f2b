from __future__ import annotations

import time

import pytest
from spec_files import FIRST, HEAD, load, marked, names, problems, refused

from harness.spec.limits import MAX_RUNS
from harness.spec.names import selects


def test_a_matrix_is_a_product_in_file_order_the_first_axis_slowest(tmp_path):
    text = "  a: {matrix: {optimizer.lr: [0.1, 1e-2], train.batch_size: [1, 16]}}"
    assert names(tmp_path, text) == [
        "a/lr=0.1,batch_size=1",
        "a/lr=0.1,batch_size=16",
        "a/lr=0.01,batch_size=1",
        "a/lr=0.01,batch_size=16",
    ]


def test_zip_goes_in_step_and_multiplies_with_matrix_and_seeds(tmp_path):
    text = """\
  a:
    zip: {train.steps: [5, 6], train.batch_size: [1, 2]}
    matrix: {optimizer.lr: [0.1]}
    seeds: 2"""
    sweep = load(tmp_path, text)
    assert [run.name for run in sweep.runs] == [
        "a/steps=5,batch_size=1,lr=0.1,seed=0",
        "a/steps=5,batch_size=1,lr=0.1,seed=1",
        "a/steps=6,batch_size=2,lr=0.1,seed=0",
        "a/steps=6,batch_size=2,lr=0.1,seed=1",
    ]
    last = sweep.runs[-1]
    assert last.group == "a/steps=6,batch_size=2,lr=0.1"
    assert last.point == (
        ("train.steps", "6"),
        ("train.batch_size", "2"),
        ("optimizer.lr", "0.1"),
    )
    assert (last.config.train.steps, last.config.train.batch_size, last.seed_index) == (6, 2, 1)


def test_a_number_of_seeds_is_added_to_both_seeds_whatever_they_are(tmp_path):
    def seeds(text):
        return [
            (r.name, r.config.seed.model, r.config.seed.data) for r in load(tmp_path, text).runs
        ]

    assert seeds("  a: {seeds: 3}") == [
        ("a/seed=0", 0, 42),
        ("a/seed=1", 1, 43),
        ("a/seed=2", 2, 44),
    ]
    assert seeds("  b: {seed: {model: 5}}\n  a: {extends: b, seeds: 2}")[1:] == [
        ("a/seed=0", 5, 42),
        ("a/seed=1", 6, 43),
    ]


def test_listed_seeds_are_set_as_they_stand(tmp_path):
    runs = load(tmp_path, "  a: {seeds: [{model: 7, data: 8}, {data: 1, model: 2}]}").runs
    assert [run.name for run in runs] == ["a/seed=0", "a/seed=1"]
    assert [(r.config.seed.model, r.config.seed.data) for r in runs] == [(7, 8), (2, 1)]


def test_an_excluded_point_drops_all_its_seeds_and_what_it_leaves_open(tmp_path):
    text = """\
  a:
    matrix: {optimizer.lr: [0.1, 1], train.steps: [5, 6], model.dropout: [0.0]}
    exclude: [{optimizer.lr: 0.1, train.steps: 5}, {train.steps: 6, optimizer.lr: 1}]
    seeds: 1"""
    assert names(tmp_path, text) == [
        "a/lr=0.1,steps=6,dropout=0.0,seed=0",
        "a/lr=1,steps=5,dropout=0.0,seed=0",
    ]
    assert names(tmp_path, "  a: {matrix: {train.steps: [5, 6]}, exclude: [{train.steps: 5}]}") == [
        "a/steps=6"
    ]


def test_values_stand_in_names_as_compact_json_and_a_slash_as_an_underscore(tmp_path):
    text = """\
  a:
    matrix:
      optimizer.name: [adamw]
      optimizer.betas: [[0.9, 0.99]]
      optimizer.amsgrad: [true]
      optimizer.foreach: [null]
      data.text: ["a/b c d e f g h i j k"]"""
    (name,) = names(tmp_path, text)
    assert name == (
        'a/name="adamw",betas=[0.9,0.99],amsgrad=true,foreach=null,text="a_b c d e f g h i j k"'
    )


def test_a_different_text_is_a_different_source(tmp_path):
    text = '  a: {matrix: {data.text: ["one two three four", "a b c d e f g h i j"]}}'
    assert [run.config.data.repeat for run in load(tmp_path, text).runs] == [16, 1]


def test_where_last_parts_collide_names_have_full_paths():
    from harness.spec.expand import Point, run_name
    from harness.spec.nodes import Node

    paths = ("seed.model", "optimizer.lr", "other.lr")
    point = Point(tuple((path, Node(1)) for path in paths), seed_index=3)
    assert run_name("a", point) == "a/model=1,optimizer.lr=1,other.lr=1,seed=3"
    assert run_name("a", Point(seed_index=3)) == "a/seed=3"
    assert run_name("a", Point()) == "a"


@pytest.mark.parametrize(
    ("text", "path", "message", "start"),
    [
        ("matrix: [1]", "matrix", "must be a mapping of dotted paths to lists, got [1]", "[1]"),
        ("matrix: {train.steps: 5}", "matrix.train.steps", "must be a list of values, got 5", "5"),
        ("matrix: {train.steps: []}", "matrix.train.steps", "must be a list of values", "[]"),
        ("matrix: {train: [1]}", "matrix.train", "train is a section; name one of its", "train:"),
        ("matrix: {steps: [1]}", "matrix.steps", "unknown path 'steps'; did you mean", "steps"),
        ("matrix: {training.steps: [1]}", "matrix.training.steps", "mean train.steps?", "traini"),
        ("matrix: {optimizer.learning_rate: [1]}", "matrix.optimizer.learning_rate",
         "here it is called lr (in optimizer)", "optimizer"),
        ("zip: {train.steps: [1, 2], seed.data: [1]}", "zip",
         "must be of one length, got train.steps 2, seed.data 1", "zip"),
        ("matrix: {train.steps: [1]}, zip: {train.steps: [2]}", "zip.train.steps",
         "train.steps is swept by matrix already", "train.steps: [2]"),
        ("matrix: {seed.data: [1]}, seeds: 2", "seeds",
         "seeds set seed.data, which matrix sweeps too", "seeds"),
        ("matrix: {train.steps: [7, 7]}", "matrix", "two runs are called 'a/steps=7'", "matrix"),
        ("matrix: {optimizer.lr: [0.1, 1e-1]}", "matrix", "two runs are called 'a/lr=0.1'", "matr"),
        ("seeds: 0", "seeds", "must be a number of seeds, at least 1, or a list of", "0"),
        ("seeds: true", "seeds", "got true", "true"),
        ("seeds: []", "seeds", "got []", "[]"),
        ("seeds: [1, 2]", "seeds", "got [1, 2]", "[1, 2]"),
        ("seeds: [{model: 1}]", "seeds", "{model: N, data: N}, got [a mapping]", "[{"),
        ("seeds: [{model: 1, data: 2}, {data: 2, model: 1}]", "seeds[1]",
         "is seeds[0] again: two runs would be one", "{data"),
        ("seeds: [{model: -1, data: 2}]", "seeds[0].model", "must be at least 0, got -1", "-1"),
        ("exclude: [{train.steps: 5}]", "exclude[0].train.steps",
         "train.steps is not swept here (swept: nothing)", "train.steps"),
        ("matrix: {train.steps: [5]}, exclude: [{train.steps: 6}]", "exclude[0].train.steps",
         "6 is not a value of train.steps here", "6}"),
        ("matrix: {train.steps: [5]}, exclude: [{train.steps: 5}]", "exclude",
         "excludes every point", "exclude"),
        ("matrix: {train.steps: [5]}, exclude: {train.steps: 5}", "exclude",
         "must be a list of points, each a mapping", "{train"),
        ("seeds: 2, exclude: [{seed.data: 42}]", "exclude[0].seed.data",
         "seed.data is not swept here", "seed.data"),
    ],
)  # fmt: skip
def test_what_an_expansion_cannot_say_is_told(tmp_path, text, path, message, start):
    problem = refused(tmp_path, f"  a: {{{text}}}")
    assert problem.path == f"experiments.a.{path}"
    assert message in problem.message
    assert marked(problem).startswith(start)


def test_runs_are_counted_by_multiplication_before_they_are_built(tmp_path):
    axis = ", ".join(str(i) for i in range(1, 1001))
    text = f"  a: {{matrix: {{train.steps: [{axis}], seed.data: [{axis}]}}, zip: {{seed.model: "
    begun = time.process_time()
    problem = refused(tmp_path, f"{text}[{axis}]}}, seeds: null}}")
    assert time.process_time() - begun < 1
    assert (problem.line, marked(problem)[:6]) == (FIRST, "matrix")
    assert problem.message == (
        "makes 1,000,000,000 runs in this file; at most 10,000 are allowed (--max-runs N raises it)"
    )


def test_the_runs_of_all_experiments_count_together(tmp_path):
    text = "  a: {seeds: 3}\n  b: {matrix: {train.steps: [5, 6]}}\n  c: {}"
    assert len(load(tmp_path, text, max_runs=6).runs) == 6
    problem = refused(tmp_path, text, max_runs=5)
    assert "makes 6 runs in this file; at most 5 are allowed" in problem.message
    assert (problem.line, problem.path) == (FIRST + 2, "experiments.c")


def test_too_many_runs_do_not_hide_other_mistakes(tmp_path):
    found = problems(tmp_path, f"{HEAD}x: 1\nexperiments: {{a: {{seeds: {MAX_RUNS + 1}}}}}\n")
    assert [problem.path for problem in found] == ["x", "experiments.a.seeds"]


def test_ten_thousand_runs_are_loaded_and_hashed_in_seconds(tmp_path):
    # 1.1 s on the machine this was written on, fingerprints included
    from harness.spec.fingerprint import fingerprint, group_fingerprint

    text = f"  a: {{seeds: {MAX_RUNS // 2}}}\n  b: {{seeds: {MAX_RUNS // 2}, train: {{steps: 9}}, "
    text += "expect: [{metric: train/loss, below: {experiment: a}}]}"
    begun = time.process_time()
    runs = load(tmp_path, text).runs
    prints = {fingerprint(run.config, "0" * 64) for run in runs}
    assert len(prints) == MAX_RUNS
    assert len({group_fingerprint(run.config, "0" * 64) for run in runs}) == 2
    assert time.process_time() - begun < 6


def test_only_matches_names_with_a_star_that_crosses_slashes():
    assert selects(["a*"], "a/lr=0.1,seed=3")
    assert selects(["b", "*seed=3"], "a/lr=0.1,seed=3")
    assert not selects(["a"], "a/seed=3")
    assert not selects(["A"], "a")

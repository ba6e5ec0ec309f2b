"""The page's parts alone, and the page of many runs."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

import pytest
from sweep_files import write_sweep

from harness.report import compare
from harness.report.bands import bands
from harness.report.contests import contests
from harness.report.differences import paired_difference, welch_difference
from harness.report.formats import escaped
from harness.report.page.content import Report
from harness.report.page.markup import name_cell, number, number_cell, plotly_text, text_cell
from harness.report.page.plots import plots
from harness.report.page.styles import Styles
from harness.report.page.table import table
from harness.report.page.thinning import thinned_steps
from harness.report.plots import COLOURS, Line
from harness.report.rows import ComparedRun, Row
from harness.report.sensitivity import lr_curves
from harness.report.statistics import t_interval
from harness.report.varied import varied
from harness.report.versus import Versus, versus
from harness.report.wording import how_sure

NUM_STEPS = 400


@pytest.fixture
def row(stored_run):
    """Makes a row of an experiment with the seeds 0, 1, ..., on some data."""

    def row(experiment: str, finals: list[float], name: str = "", **params) -> Row:
        runs = []
        for seed, final in enumerate(finals):
            settings = {"seed.data": seed, "data.text": "a b", **params}
            record = stored_run(f"{experiment}{name}-{seed}", **settings)
            record = dataclasses.replace(record, metrics={"train/loss": final})
            runs.append(ComparedRun(f"{experiment}{name}", experiment, record, experiment))
        return Row(f"{experiment}{name}", tuple(runs))

    return row


def no_curve(run_id: str, metric: str):
    return {1: 9.0, 2: 1.0}


def test_thinning_keeps_both_ends_and_every_spike():
    curve = {step: 1 / step for step in range(1, 10_001)}
    curve[7777] = 50.0
    curve[8888] = -1.0
    kept = thinned_steps(curve, 100)
    assert len(kept) <= 100
    assert {1, 7777, 8888, 10_000} <= set(kept)
    assert kept == sorted(kept)


def test_a_short_curve_is_not_thinned():
    assert thinned_steps({3: 1.0, 1: 2.0}, 4) == [1, 3]


def test_the_winner_meets_the_others_in_order(row):
    rows = [row("a", [3.0, 3.1]), row("b", [1.0, 1.1]), row("b", [8.0, 8.1], "/2")]
    rows += [row("c", [2.0, 2.1])]
    (found,) = contests(rows, no_curve, "train/loss")
    assert [contender.name for contender in found.contenders] == ["b", "c", "a"]
    assert [(v.a.row.name, v.b.row.name) for v in found.verdicts] == [("b", "c"), ("b", "a")]
    assert found.target == pytest.approx(3.05)
    assert [(v.a.num_rows, v.b.num_rows) for v in found.verdicts] == [(2, 1), (2, 1)]
    assert [contender.reached.first_steps for contender in found.contenders] == [(2, 2)] * 3


def test_losses_on_different_data_are_not_compared(row):
    rows = [row("a", [1.0]), row("b", [2.0], **{"data.text": "other"})]
    assert contests(rows, no_curve, "train/loss") == []


def test_rows_of_the_only_experiment_compete(row):
    rows = [row("a", [1.0], "/lr=1"), row("a", [2.0], "/lr=2")]
    (found,) = contests(rows, no_curve, "train/loss")
    assert [contender.row.name for contender in found.contenders] == ["a/lr=1", "a/lr=2"]


def test_two_names_of_one_run_do_not_compete(row):
    one = row("a", [1.0])
    same = Row("b", tuple(dataclasses.replace(r, name="b", experiment="b") for r in one.runs))
    assert contests([one, same], no_curve, "train/loss") == []


def test_of_a_metric_of_which_more_is_better_there_is_no_target(row):
    rows = []
    for experiment, value in (("a", 0.5), ("b", 0.9)):
        made = row(experiment, [1.0, 1.0])
        runs = [
            dataclasses.replace(
                run,
                record=dataclasses.replace(run.record, metrics={"eval/next_token_accuracy": value}),
            )
            for run in made.runs
        ]
        rows.append(Row(made.name, tuple(runs)))
    (found,) = contests(rows, no_curve, "eval/next_token_accuracy")
    assert math.isnan(found.target)
    assert found.contenders[0].name == "b"


def test_rows_that_differ_in_the_batch_size_alone_make_a_curve(row):
    path = "train.batch_size"
    rows = [row("a", [float(n)], f"/{n}", **{path: n}) for n in (16, 1)]
    rows.append(row("a", [5.0], "/other", **{path: 4, "optimizer.lr": 1}))
    (curve,) = varied(rows, path, "train/loss")
    assert [point.value for point in curve.points] == [1, 16]


@pytest.fixture
def report(row):
    """Makes a report of rows of several learning rates and batch sizes, with the plots' parts."""

    def report(rows: list[Row], experiments: list[str]) -> Report:
        return Report(
            sweep="s",
            description="",
            file="s.yaml",
            metric="train/loss",
            made="today",
            store="",
            ui="",
            experiments=experiments,
            contests=[],
            claims=[],
            frame=compare.table(rows, no_curve),
            warnings=[],
            bands=bands(rows, no_curve),
            experiment_of={each.name: each.experiment for each in rows},
            lr_curves=lr_curves(rows, no_curve),
            batch_curves=varied(rows, "train.batch_size", "train/loss"),
            runs=[run for each in rows for run in each.runs],
            missing=[],
            environments=[],
        )

    return report


def over(row, path: str, finals: dict[float, list[float]], experiment: str = "a") -> list[Row]:
    return [row(experiment, each, f"/{x}", **{path: x}) for x, each in finals.items()]


def test_the_only_curve_of_each_experiment_is_solid(row, report):
    rows = [
        each
        for name in ("a", "b")
        for each in over(row, "train.batch_size", {1: [1.0], 4: [2.0]}, name)
    ]
    (plot,) = (p for p in plots(report(rows, ["a", "b"])) if p.name == "batch-curves")
    assert [trace["line"]["dash"] for trace in plot.traces] == ["solid", "solid"]
    assert [trace["line"]["color"] for trace in plot.traces] == list(COLOURS[:2])


def test_an_interval_that_reaches_below_zero_is_drawn_to_a_tenth_of_the_lowest_value(row, report):
    rows = over(row, "optimizer.lr", {0.01: [0.5, 0.5], 0.1: [0.1, 3.9]})
    (plot,) = (p for p in plots(report(rows, ["a"])) if p.name == "lr-curves")
    (trace,) = plot.traces
    assert trace["y"] == [0.5, 2.0]
    assert trace["error_y"]["arrayminus"] == [0, pytest.approx(2.0 - 0.05)]
    assert plot.reading.endswith("Intervals that reach below 0.05 are cut off there.")


def test_intervals_that_can_be_drawn_are_whole(row, report):
    rows = over(row, "train.batch_size", {1: [2.0, 2.1], 4: [3.0, 3.1]})
    (plot,) = (p for p in plots(report(rows, ["a"])) if p.name == "batch-curves")
    half = t_interval([2.0, 2.1]).high - 2.05
    assert plot.traces[0]["error_y"]["arrayminus"] == pytest.approx([half, half])
    assert "cut off" not in plot.reading


def found_of(difference, row) -> Versus:
    made = versus(("a", [row("a", [1.0])]), ("b", [row("b", [2.0])]), no_curve)
    return dataclasses.replace(made, difference=difference)


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (paired_difference([0.0], [1.0]), "Not at all: one seed says nothing of other seeds."),
        (
            paired_difference([0.0, 0.1, 0.2], [0.1, 0.0, 0.3]),
            "Not sure: the 95 % interval over 3 seeds includes no difference; about 46 more would",
        ),
        (
            welch_difference([0.0, 0.001], [1.0, 1.001]),
            "A little: the interval leaves out 0, but 2 seeds are few.",
        ),
        (
            paired_difference([0.0, 0.1, 0.2, 0.1], [1.0, 1.2, 1.1, 1.3]),
            "Fairly: with no real difference, 4 seeds would show this about once in",
        ),
        (
            paired_difference([0.01 * i * i for i in range(8)], [1.0] * 8),
            "Very: with no real difference, 8 seeds would show this about once in",
        ),
        (
            paired_difference([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
            "There is no difference to be sure of: over 3 seeds the means are the same.",
        ),
        (None, "Nothing is known: one side has no run that finished."),
    ],
)
def test_how_sure_it_is_in_words(difference, words, row):
    assert how_sure(found_of(difference, row)).startswith(words)


def test_an_experiment_has_one_colour_and_the_ninth_is_dashed():
    styles = Styles([f"e{i}" for i in range(9)], {})
    assert [styles.line(f"e{i}").colour for i in range(8)] == list(COLOURS)
    assert styles.line("e8") == Line(COLOURS[0], "dash")


def test_curves_of_one_experiment_differ_in_their_dashes():
    styles = Styles(["a", "b"], {"a/1": "a", "b/1": "b", "a/2": "a"})
    expected = [Line(COLOURS[1], "solid"), Line(COLOURS[0], "solid"), Line(COLOURS[0], "dash")]
    assert styles.rows(["b/1", "a/1", "a/2"]) == expected
    assert styles.curves(["b", "a", "a"]) == expected


def test_rows_of_the_only_experiment_have_colours_of_their_own_in_every_plot():
    styles = Styles(["a"], {"a/1": "a", "a/2": "a", "a/3": "a"})
    lines = [Line(colour, "solid") for colour in COLOURS[:3]]
    assert styles.rows(["a/1", "a/2", "a/3"]) == styles.curves(["a", "a", "a"]) == lines
    assert styles.rows(["a/3"]) == lines[2:]


def test_numbers_keep_all_their_digits():
    assert number(0.1 + 0.2, "x") == (
        '<data value="0.30000000000000004" title="0.30000000000000004" data-key="x">0.3</data>'
    )
    assert number(math.nan, "x") == ""


def test_text_is_escaped_wherever_it_goes():
    words = "<b>\"&'</b>,x"
    assert "<b>" not in text_cell(words).markup + name_cell(words, words).markup
    assert plotly_text("<b>&lt;") == "&lt;b&gt;&amp;lt;"
    assert escaped("[x](y) *a*\n| `b`") == r"\[x\](y) \*a\* \| \`b\`"


def test_a_table_says_by_what_its_cells_sort():
    made = table("t", "T", ["name", "n"], [("a", [text_cell("a"), number_cell(math.nan, "n")])])
    assert '<td data-order="" class="n"></td>' in made
    assert '<tr data-row="a"><th scope="row">a</th>' in made


def test_the_report_of_200_runs_takes_less_than_10_seconds_and_6_megabytes(project):
    from harness.comparison.report import gather
    from harness.report.page.document import page

    lrs = [round(0.001 * 1.3**i, 6) for i in range(20)]
    claims = [{"metric": "train/loss", "below": 5.0}]
    experiments = {
        name: {
            "optimizer": {"name": name},
            "matrix": {"optimizer.lr": lrs},
            "seeds": 5,
            "expect": claims,
        }
        for name in ("adamw", "sgd")
    }
    file = write_sweep(Path("sweep.yaml"), experiments, train={"steps": NUM_STEPS})
    record_runs(file)
    began = time.process_time()
    text = page(gather(file).report)
    assert time.process_time() - began < 10
    assert text.count("<tr data-row=") == 200 + 200 + 40 + 2 + 2
    assert len(text.encode()) < 6_000_000


def record_runs(file: Path) -> None:
    """What training them would leave in the store, but for checkpoints."""
    from harness.recording import to_record
    from harness.spec.load import load_sweep
    from harness.sweep import plan_sweep
    from harness.tracking.experiments import ensure_mlflow_experiment
    from harness.tracking.record import Outcome
    from harness.tracking.recorder import Recorder
    from harness.tracking.store import open_store

    sweep, store = load_sweep(file), open_store()
    recorder = Recorder(store, ensure_mlflow_experiment(store, sweep.name), {})
    for i, run in enumerate(plan_sweep(sweep)):
        run_id = recorder.begin(to_record(sweep.name, run))
        recorder.add_steps(run_id, [(s, 3 / s + i / 1000) for s in range(1, NUM_STEPS + 1)])
        recorder.end(run_id, Outcome("finished"))

"""One sentence, and the numbers behind it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from harness.report.differences import paired_difference
from harness.report.reaching import Reached
from harness.report.rows import ComparedRun, Row, rows_of, with_seed_groups, without_seeds
from harness.report.statistics import Interval
from harness.report.versus import Race, best_row, versus
from harness.report.versus_table import COLUMNS, difference_lines, side_rows

CURVES: dict[str, dict[int, float]] = {}


def curve_of(run_id: str, metric: str):
    return CURVES.get(run_id, {})


@pytest.fixture
def row(stored_run):
    """Makes a row of runs with the seeds 0, 1, ...; None is a run that diverged."""

    def row(name: str, finals: list[float | None], seeds: list[int] | None = None) -> Row:
        runs = []
        for seed, final in zip(seeds or range(len(finals)), finals, strict=True):
            state = "finished" if final is not None else "diverged"
            record = stored_run(f"{name}-{seed}", state, **{"seed.data": seed})
            metrics = {} if final is None else {"train/loss": final}
            record = dataclasses.replace(record, metrics=metrics, end_time=4000)
            CURVES[record.run_id] = {1: 4.0, 2: 2.0} | ({} if final is None else {4: final})
            runs.append(ComparedRun(f"{name},seed={seed}", name, record, name))
        return Row(name, tuple(runs))

    return row


def compared(a: Row, b: Row, **asked):
    return versus(("a", [a]), ("b", [b]), curve_of, **asked)


def test_a_clear_difference_is_told_with_its_interval(row):
    found = compared(row("adamw", [0.1, 0.2, 0.3]), row("sgd", [1.1, 1.3, 1.2]))
    expected = paired_difference([0.1, 0.2, 0.3], [1.1, 1.3, 1.2])
    assert found.difference == expected
    assert found.sentence == (
        "adamw ends better than sgd by 1 of train/loss (95 % interval 0.752 to 1.25, 3 seeds, "
        f"paired, p = {expected.p:.2g})."
    )


def test_the_better_one_is_named_first_whichever_was_asked_first(row):
    found = compared(row("sgd", [1.1, 1.3, 1.2]), row("adamw", [0.1, 0.2, 0.3]))
    assert found.sentence.startswith("adamw ends better than sgd by 1 of train/loss (95 % interval")


def test_seeds_that_are_too_few_are_told_with_how_many_it_would_take(row):
    found = compared(row("adamw", [0.1, 0.9, 0.3]), row("sgd", [0.7, 0.2, 0.8]))
    assert found.difference.more > 0
    assert found.sentence == (
        "Not enough seeds to tell: adamw ends better than sgd by 0.133 of train/loss, but the 95 % "
        "interval reaches from -1.66 to 1.93 (3 seeds, paired); with this spread it would take "
        f"about {found.difference.more} more."
    )


def test_one_seed_tells_nothing(row):
    found = compared(row("adamw", [0.1]), row("sgd", [0.7]))
    assert found.sentence == (
        "Not enough seeds to tell: adamw ends better than sgd by 0.6 of train/loss with one seed, "
        "which says nothing of other seeds."
    )


def test_what_is_equal_is_told_as_no_difference(row):
    """As `bare` and `plain` are, to the bit."""
    found = compared(row("bare", [0.1]), row("plain", [0.1]))
    assert found.sentence == (
        "No difference: bare and plain end with the same train/loss with one seed, which says "
        "nothing of other seeds."
    )
    found = compared(row("bare", [0.1, 0.2, 0.3]), row("plain", [0.1, 0.2, 0.3]))
    assert found.sentence == (
        "No difference: bare and plain end with the same train/loss on average (95 % interval 0 "
        "to 0, 3 seeds, paired)."
    )


@pytest.mark.parametrize(
    ("metric", "mean", "better", "gain"),
    [
        ("train/loss", -1.0, "a", (1.0, -0.5, 2.5)),
        ("train/loss", 1.0, "b", (1.0, -0.5, 2.5)),
        ("eval/next_token_accuracy", 1.0, "a", (1.0, -0.5, 2.5)),
        ("eval/next_token_accuracy", -1.0, "b", (1.0, -0.5, 2.5)),
        ("train/loss", 0.0, "a", (0.0, -1.5, 1.5)),
        ("eval/next_token_accuracy", 0.0, "a", (0.0, -1.5, 1.5)),
    ],
)
def test_what_is_gained_is_of_the_better_side(row, metric, mean, better, gain):
    made = compared(row("a", [0.1]), row("b", [0.1]))
    difference = paired_difference([mean], [0.0])
    difference = dataclasses.replace(difference, n=3, low=mean - 1.5, high=mean + 1.5)
    found = dataclasses.replace(made, metric=metric, difference=difference)
    assert [side.name for side in found.ranked] == [better, "ab".replace(better, "")]
    assert found.gain == Interval(3, *gain)


def test_two_seeds_are_called_few(row):
    found = compared(row("adamw", [0.1, 0.11]), row("sgd", [0.7, 0.71]))
    assert "; 2 seeds are few for that." in found.sentence


def test_diverged_runs_are_counted_and_in_no_mean(row):
    found = compared(row("adamw", [0.1, 0.2, 0.3]), row("sgd", [1.1, None, 1.2]))
    assert found.difference.n == 2
    assert found.sentence.endswith("1 of 3 runs of sgd diverged and are in no mean.")
    gone = compared(row("adamw", [0.1, 0.2]), row("wild", [None, None]))
    assert gone.sentence == (
        "Nothing to tell: of wild no run finished; 2 of 2 runs of wild diverged and are in no mean."
    )


def test_where_the_seeds_are_others_it_is_told_and_not_paired(row):
    found = compared(row("adamw", [0.1, 0.2, 0.3]), row("sgd", [1.1, 1.3, 1.2], [7, 8, 9]))
    assert not found.difference.paired
    assert "3 seeds, not the same ones, p = " in found.sentence


def test_only_seeds_that_both_have_are_paired(row):
    found = compared(row("adamw", [0.1, 0.2, 0.3]), row("sgd", [1.1, 1.3, 1.2], [1, 2, 3]))
    assert found.difference == paired_difference([0.2, 0.3], [1.1, 1.3])


def test_of_several_rows_the_best_without_divergence_speaks(row):
    rows = [row("lr=1", [0.05, None]), row("lr=2", [0.3, 0.2]), row("lr=3", [0.2, 0.2])]
    assert best_row(rows, "train/loss").name == "lr=3"
    found = versus(("a", rows), ("b", [row("sgd", [1.0, 1.1])]), curve_of)
    assert found.a.num_rows == 3
    assert side_rows(found)[0][0] == "lr=3 (best of 3)"
    assert list(difference_lines(found))[-1].startswith("each side's best row was chosen")


def test_a_loss_is_reached_at_a_step_and_a_time(row):
    found = compared(row("adamw", [0.1, 0.2]), row("sgd", [1.0, 3.0]), target=1.5)
    assert found.race == Race(1.5, Reached((4, 4), 4.0, 4.0), Reached((4, None), 4.0, 4.0))
    assert (found.race.b.n, found.race.b.reached) == (2, 1)
    assert found.to_json()["b"]["reached"] == {"n": 2, "reached": 1, "step": 4.0, "seconds": 4.0}
    assert compared(row("adamw", [0.1, 0.2]), row("sgd", [1.0, 3.0])).race.target == 2.0
    nobody = compared(row("adamw", [0.1, 0.2]), row("sgd", [1.0, 3.0]), target=-1.0)
    assert (nobody.race.a.reached, math.isnan(nobody.race.a.step)) == (0, True)
    cells = dict(zip(COLUMNS, side_rows(nobody)[0], strict=True))
    assert (cells["reached"], cells["step"], cells["seconds"]) == ("0 of 2", "", "")


def test_the_json_has_no_number_that_json_lacks(row):
    found = compared(row("adamw", [0.1]), row("wild", [None])).to_json()
    assert found["difference"] is None
    assert found["b"]["final"] is None
    assert found["a"]["final"]["low"] is None
    assert found["sentence"].startswith("Nothing to tell")


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("a/lr=0.1,seed=3", "a/lr=0.1"),
        ("a/seed=3", "a"),
        ("a/model=1,data=2", "a"),
        ("a/seed.data=1,lr=0.1", "a/lr=0.1"),
        ("a/betas=[0.9,0.99],seed=10", "a/betas=[0.9,0.99]"),
        ("model=1", "model=1"),
        ("a/data=b", "a/data=b"),
    ],
)
def test_a_groups_name_is_the_runs_without_its_seed(name, group):
    assert without_seeds(name) == group


def test_runs_of_an_experiment_that_differ_in_seeds_alone_are_a_group(stored_run):
    def run(name, group, experiment="e"):
        record = dataclasses.replace(stored_run(name), group=group, experiment=experiment)
        return ComparedRun(name, experiment, record)

    runs = [
        run("e/lr=1,data=0", "g1"), run("e/lr=1,data=1", "g1"), run("e/lr=2,data=0", "g2"),
        run("f/data=2", "g1", "f"),
    ]  # fmt: skip
    rows = rows_of(with_seed_groups(runs))
    assert [(row.name, len(row.runs)) for row in rows] == [
        ("e/lr=1", 2),
        ("e/lr=2,data=0", 1),
        ("f/data=2", 1),
    ]

"""The live table on a terminal, drawn by rich from what an observer hears."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from sweep_files import write_sweep

from harness.cli.live import NUM_ENDED, LiveTable
from harness.observer import RunOutcome
from harness.spec.load import load_sweep
from harness.sweep import plan_sweep, run_sweep


@pytest.fixture
def planned(project):
    path = write_sweep(Path("sweep.yaml"), {"a": {}, "b": {"optimizer": {"lr": 0.1}}})
    return plan_sweep(load_sweep(path))


def drawn(table: LiveTable, height: int = 25) -> list[str]:
    console = Console(
        record=True, force_terminal=True, width=100, height=height, file=io.StringIO()
    )
    console.print(table)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_before_the_plan_there_is_nothing_to_train():
    assert drawn(LiveTable())[-1] == "nothing to train"


def test_a_run_is_shown_with_progress_loss_speed_and_time_left(planned):
    table = LiveTable()
    table.on_plan(planned)
    table.on_start(planned[0])
    table.on_losses(planned[0], [(1, 5.0)])
    head, row, last = drawn(table)
    assert head.split() == ["run", "progress", "step", "loss", "steps/s", "ETA"]
    assert [row.split()[0], *row.split()[2:]] == ["a", "1/6", "5.0000"]
    assert last == "0 of 2 runs trained"  # no speed is known yet
    table.on_losses(planned[0], [(2, 4.5), (3, 4.25)])
    _, row, last = drawn(table)
    name, bar, step, loss, rate, eta = row.split()
    assert (name, step, loss) == ("a", "3/6", "4.2500")
    assert set(bar) <= set("━╸╺")
    assert float(rate.replace(",", "")) > 0
    assert eta == "0:00"
    assert last == "0 of 2 runs trained, 0:00 left"


def test_a_run_that_ended_stays_in_sight_with_its_state(planned):
    table = LiveTable()
    table.on_plan(planned)
    for run, state in zip(planned, ("finished", "failed"), strict=True):
        table.on_start(run)
        table.on_losses(run, [(1, 4.5)])
        table.on_end(run, RunOutcome("id", state))
    lines = drawn(table)
    assert [line.split() for line in lines[1:3]] == [
        ["a", "finished", "4.5000"],
        ["b", "failed", "4.5000"],
    ]
    assert lines[-1].startswith("2 of 2 runs trained")


def test_only_the_runs_that_ended_last_stay(planned):
    table = LiveTable()
    table.on_plan(planned)
    for _ in range(NUM_ENDED + 5):
        table.on_start(planned[0])
        table.on_end(planned[0], RunOutcome("id", "finished"))
    assert sum("finished" in line for line in drawn(table)) == NUM_ENDED


def test_a_stack_of_many_runs_leaves_room_for_the_sum(project):
    path = write_sweep(Path("many.yaml"), {"a": {"seeds": 300}})
    planned = plan_sweep(load_sweep(path))
    table = LiveTable()
    table.on_plan(planned)
    for run in planned:
        table.on_start(run)
    lines = drawn(table, height=20)
    assert len(lines) == 20
    assert lines[1].startswith("a/seed=0 ")
    assert lines[-2:] == ["and 283 more that train", "0 of 300 runs trained"]
    for run in planned[:290]:
        table.on_end(run, RunOutcome("id", "finished"))
    lines = drawn(table, height=20)
    assert len(lines) == 20
    assert lines[-2:] == ["and 3 more that train", "290 of 300 runs trained"]
    assert len(drawn(table, height=5)) > 5  # some rows, in however low a terminal


def test_notes_are_shown_as_text_and_never_as_markup():
    table = LiveTable()
    table.on_note("a note with [red]markup[/red] and \x1b[31m")
    assert drawn(table)[0] == "a note with [red]markup[/red] and \\x1b[31m"


def test_it_follows_a_real_sweep(planned):
    table = LiveTable()
    run_sweep(load_sweep("sweep.yaml"), observer=table)
    assert (table.num_runs, table.num_done, table.running) == (2, 2, {})
    assert [(name, outcome.state) for name, outcome, _ in table.ended] == [
        ("a", "finished"),
        ("b", "finished"),
    ]

"""What a user sees in MLflow's UI, in a real browser: runs, the named view, curves, checkpoints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import sweep_files
from playwright.sync_api import Page, expect
from searches import search, write

from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import find_runs
from harness.tracking.server import free_port
from harness.tracking.store import open_store

from .conftest import serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

RUNS = ["adamw", "sgd", "lr-1", "batch-size/batch_size=1", "four-line-loop", "period-5"]


def test_harness_ui_opens_a_view_of_one_row_each_best_first_and_draws_groups_with_intervals(
    project: Path, no_plots, page: Page, screenshots: Path
) -> None:
    write(project / "sweep.yaml", lr=search())
    content = json.loads((project / "sweep.yaml").read_text())
    seeds = {"description": "Three *seeds*", "seeds": 3}
    content["experiments"] = {"many": seeds, "single": {"optimizer": {"lr": 0.02}}}
    (project / "sweep.yaml").write_text(json.dumps(content))
    run_sweep(load_sweep(project / "sweep.yaml"))
    arguments = ("ui", "--no-open", "--port", free_port(5000))
    with sweep_files.started(*arguments, cwd=project) as process, serving(process):
        printed = sweep_files.read_until(process, "Ctrl-C stops it")
        found = re.search(r"^sweep: (http://127\.0\.0\.1:\S+)$", printed, re.MULTILINE)
        assert found, printed
        experiment = found[1].partition("/runs?")[0]
        page.goto(found[1])
        _check_rows(page, screenshots)
        page.goto(f"{found[1]}&compareRunsMode=CHART")
        _check_bands(page, screenshots)
        page.get_by_role("link", name="many", exact=True).click()
        expect(page.get_by_text("3 runs that differ in")).to_be_visible()
        page.screenshot(path=screenshots / "group.png")
        page.goto(f"{experiment}/models")
        page.get_by_role("link", name="single best and final", exact=True).click()
        page.get_by_role("link", name="Artifacts", exact=True).click()
        page.get_by_text("where.json").first.click()
        expect(page.get_by_text("checkpoints/step_000006").first).to_be_visible()
        page.screenshot(path=screenshots / "model.png")


def _check_rows(page: Page, screenshots: Path) -> None:
    """The view's own columns, and its order: the best first, by the losses in the store."""
    names = ("many", "single", "lr")
    for name in names:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("seed=|trial="))).to_have_count(0)
    for column in ("train/loss", "optimizer.lr"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()
    records = {run.name: run for run in find_runs(open_store()) if run.name in names}
    shown = [link for link in page.get_by_role("link").all_inner_texts() if link in names]
    assert shown == sorted(names, key=lambda name: records[name].metrics["train/loss"])
    page.screenshot(path=screenshots / "view.png")


def _check_bands(page: Page, screenshots: Path) -> None:
    """One chart, logarithmic, with a line for each of the three and two more for the group."""
    card = page.locator("[data-testid='experiment-view-compare-runs-card']")
    expect(card).to_have_count(1)
    for end in ("train/loss", "train/loss.low", "train/loss.high"):
        expect(card.get_by_text(f"many ({end})", exact=True).first).to_be_visible()
    lines = card.locator(".scatterlayer .trace path.js-line")
    expect(lines).to_have_count(2 * 5)  # MLflow draws each twice: the second is lit by the mouse
    drawn = "g => [g.layout.yaxis.type, g.data.map(line => [line.name, line.metricKey])]"
    scale, named = card.locator(".js-plotly-plot").evaluate(drawn)
    assert scale == "log"
    assert {tuple(line) for line in named} == {
        ("many", "train/loss"),
        ("many", "train/loss.low"),
        ("many", "train/loss.high"),
        ("single", "train/loss"),
        ("lr", "train/loss"),
    }
    page.screenshot(path=screenshots / "bands.png")


def test_a_bare_mlflow_ui_shows_runs_curves_and_checkpoints(
    finished_chapter, page: Page, screenshots: Path
) -> None:
    port = free_port(5000)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "-w", "1"]
    process = subprocess.Popen(
        command,
        cwd=finished_chapter.folder,
        env={**sweep_files.environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with serving(process):
        _wait_for(url, process)
        page.goto(f"{url}/#/experiments")
        page.get_by_role("link", name="chapter-14", exact=True).first.click()
        page.wait_for_url(re.compile(r"experiments/\d+"))
        experiment = re.search(r"experiments/(\d+)", page.url)
        assert experiment
        _check_curves(page, f"{url}/#/experiments/{experiment[1]}", screenshots)
        _check_checkpoint(page, f"{url}/#/experiments/{experiment[1]}", screenshots)


def _check_curves(page: Page, experiment: str, screenshots: Path) -> None:
    """One chart of train/loss in which every run has its curve."""
    page.goto(f"{experiment}/runs?compareRunsMode=CHART")
    # The trials of the searches, folded, are the newest.
    page.get_by_role("button", name="Load more").click()
    cards = page.locator("[data-testid='experiment-view-compare-runs-card']")
    card = cards.filter(has=page.get_by_title("train/loss", exact=True)).first
    page.get_by_placeholder("Search metric charts").fill("train/loss")
    card.scroll_into_view_if_needed()
    for name in RUNS:  # the legend of the one chart
        expect(card.get_by_text(re.compile(f"^{re.escape(name)}")).first).to_be_visible()
    curves = card.locator(".scatterlayer .trace path.js-line")
    expect(curves.first).to_be_attached()
    assert curves.count() >= 7
    page.screenshot(path=screenshots / "curves.png")


def _check_checkpoint(page: Page, experiment: str, screenshots: Path) -> None:
    page.goto(f"{experiment}/runs")
    page.get_by_role("button", name="Load more").click()
    page.get_by_role("link", name="adamw", exact=True).click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("checkpoints", exact=True).click()
    page.get_by_text("step_000200", exact=True).click()
    expect(page.get_by_text("model.safetensors").first).to_be_visible()
    page.get_by_text("checkpoint.json").first.click()
    expect(page.get_by_text("sha256").first).to_be_visible()
    page.screenshot(path=screenshots / "checkpoint.png")


def _wait_for(url: str, process: subprocess.Popen[str], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"nothing answers at {url}")

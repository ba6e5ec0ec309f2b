"""`harness report`: the files it writes, what it prints, and what it leaves in the store."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path

import pytest
from sweep_files import write_sweep
from typer.testing import CliRunner

from harness.cli.main import app

HOSTILE = "<script>alert(1)</script></style><img src=x onerror=alert(2)>"


def train() -> None:
    """A sweep of two runs; what its user wrote is markup. Its page is `page.html`."""
    experiments = {
        "a": {"description": HOSTILE, "tags": {"t": HOSTILE}},
        "b": {"optimizer": {"name": "sgd", "lr": 0.1}, "train": {"device": "cuda:99"}},
        "c": {"optimizer": {"name": "sgd", "lr": 0.1}},
    }
    file = write_sweep(Path("sweep.yaml"), experiments, name=f"s{HOSTILE}")
    file.write_text(
        file.read_text().replace('"version": 1', f'"version": 1, "description": "{HOSTILE}"')
    )
    CliRunner().invoke(app, ["run", str(file), "-q"])
    CliRunner().invoke(app, ["report", str(file), "--html", "page.html", "--no-log"])


@pytest.fixture
def trained(trained_once, no_store_named, monkeypatch) -> Path:
    """The sweep file, in the current directory: to be read, never to be written."""
    monkeypatch.chdir(trained_once("with-markup", train))
    return Path("sweep.yaml")


def mlflow_rows(query: str) -> list[tuple]:
    connection = sqlite3.connect("mlruns/mlflow.db")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def test_the_page_lies_where_it_is_asked_for_and_no_log_leaves_the_store_as_it_is(
    trained, harness, tmp_path
):
    before, page = mlflow_rows("select count(*) from runs"), tmp_path / "page.html"
    result = harness("report", trained, "--html", page, "--no-log")
    assert result.exit_code == 0
    assert result.stdout == f"{page}\n"
    assert page.read_text().startswith("<!doctype html>")
    assert mlflow_rows("select count(*) from runs") == before


def test_one_seed_cannot_tell_who_won(trained):
    assert "<span>One seed cannot tell:</span>" in Path("page.html").read_text()


def test_the_page_is_named_after_the_sweep(reported):
    assert reported.printed == "sweep-report.html\n"


def test_what_a_user_wrote_is_no_markup(trained):
    page = Path("page.html").read_text()
    own = re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)
    assert "<img" not in own
    assert own.count("<script") == own.count("</script>") == 2
    assert "&lt;script&gt;alert(1)" in own


def test_markdown_is_printed_and_nothing_is_written(trained, harness):
    before = {path.name for path in Path.cwd().iterdir()}
    result = harness("report", trained, "--markdown")
    assert result.exit_code == 0
    assert "### How to reproduce" in result.stdout
    assert "<script" not in result.stdout
    assert "<img" not in result.stdout
    assert {path.name for path in Path.cwd().iterdir()} == before
    assert mlflow_rows("select * from tags where value = 'report'") == []


def test_the_store_has_one_report_that_no_command_lists(project, harness):
    file = write_sweep(Path("sweep.yaml"), {"a": {}}, name=f"s{HOSTILE}")
    harness("run", file, "-q")
    listed = harness("ls").stdout
    for _ in range(2):
        assert harness("report", file, "--html", "page.html").stdout == "page.html\n"
    runs = mlflow_rows(
        "select name, status, artifact_uri from runs join tags using (run_uuid) "
        "where key = 'harness.kind' and value = 'report'"
    )
    assert [run[:2] for run in runs] == [("report", "FINISHED")]
    folder = Path(runs[0][2].removeprefix("file://")) / "report"
    assert {path.name for path in folder.iterdir()} == {"report.html", "report.md", "curves.png"}
    assert harness("ls").stdout == listed
    plan = harness("plan", file).stdout
    assert "report" not in plan
    assert "nothing" in harness("gc").stdout.lower()
    assert len(list(folder.iterdir())) == 3


def test_a_sweep_that_was_never_run_is_nothing_matched(project, harness):
    file = write_sweep(Path("sweep.yaml"), {"a": {}})
    result = harness("report", file)
    assert result.exit_code == 4
    assert "none of the runs is in the store yet" in result.stderr


def test_a_folder_that_is_not_there_and_an_unknown_metric_are_told_at_once(project, harness):
    file = write_sweep(Path("sweep.yaml"), {"a": {}})
    result = harness("report", file, "--html", "nowhere/page.html")
    assert result.exit_code == 2
    assert "--html nowhere/page.html: there is no folder" in result.stderr
    result = harness("report", file, "--metric", "train/los")
    assert result.exit_code == 2
    assert "did you mean train/loss?" in result.stderr


def test_a_claim_about_a_run_that_is_not_there_yet_is_undecided(project, harness):
    claim = [{"metric": "train/loss", "below": 100}]
    other = {"optimizer": {"lr": 0.02}, "seeds": 2, "expect": claim}
    file = write_sweep(Path("sweep.yaml"), {"a": {"expect": claim}, "b": other})
    harness("run", file, "-q", "--only", "a")
    printed = harness("report", file, "--markdown").stdout
    assert "* 1 of 3 claims hold, 0 fail, 2 undecided" in printed
    assert "* 3 runs: 1 finished, 2 missing" in printed
    assert "undecided (b/seed=0 was not run)" in printed


def test_claims_of_searches_are_checked_from_their_studies(project, harness, no_plots):
    file = write_sweep(Path("sweep.yaml"), {"a": {}})
    search = (
        '{"extends": "a", "metric": "train/loss", "n_trials": 3, '
        '"space": {"optimizer.lr": {"low": 0.001, "high": 0.1}}, '
        '"expect": [{"best": "value", "below": 100}]}'
    )
    text = file.read_text().rstrip().removesuffix("}")
    file.write_text(f'{text}, "searches": {{"find": {search}}}}}')
    printed = harness("report", file, "--markdown")
    assert printed.exit_code == 4
    harness("run", file, "-q", "--only", "a")
    printed = harness("report", file, "--markdown").stdout
    assert "undecided (no trial was run)" in printed
    harness("run", file, "-q")
    printed = harness("report", file, "--markdown").stdout
    assert "* 1 of 1 claim hold" in printed
    assert "* 4 runs: 4 finished" in printed


def test_of_a_metric_that_is_no_loss_there_is_no_sensitivity(project, harness):
    file = write_sweep(Path("sweep.yaml"), {"a": {"matrix": {"optimizer.lr": [0.01, 0.1]}}})
    harness("run", file, "-q")
    for metric, told in (("train/loss", True), ("eval/next_token_accuracy", False)):
        harness("report", file, "--html", "page.html", "--no-log", "--metric", metric)
        assert ('id="lr-curves"' in Path("page.html").read_text()) is told


def test_the_commit_is_told_with_what_to_type(project, harness):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True)
    file = write_sweep(Path("a sweep.yaml"), {"a": {}})
    harness("run", file, "-q")
    printed = harness("report", file, "--markdown").stdout
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    assert f"git checkout {found.stdout.strip()}\n" in printed
    assert "harness run 'a sweep.yaml'\n" in printed


def test_the_report_of_a_sweep_whose_runs_another_trained_is_its_own(project, harness):
    """Not that of the sweep that trained them; also where the sweep itself was never run."""
    pages = {}
    for name in ("one", "two", "three"):
        file = write_sweep(Path(f"{name}.yaml"), {"a": {}}, name=name)
        if name != "three":
            harness("run", file, "-q")
        assert harness("report", file, "--html", f"{name}.html").exit_code == 0
        pages[name] = Path(f"{name}.html").read_text()
    found = mlflow_rows(
        "select e.name, r.artifact_uri from runs r join experiments e using (experiment_id) "
        "join tags t using (run_uuid) where t.key = 'harness.kind' and t.value = 'report'"
    )
    folders = {name: Path(uri.removeprefix("file://")) / "report" for name, uri in found}
    assert {name: (at / "report.html").read_text() for name, at in folders.items()} == pages

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_tables import RawTables
from report_page import ReportPage
from sweep_files import harness

from harness.tracking.read import StoredRun


def _stored_run(run_id: str, state: str = "finished", **params: Any) -> StoredRun:
    return StoredRun(
        run_id=run_id,
        name=run_id,
        sweep="sweep",
        experiment="e",
        kind="run",
        fingerprint=f"v1-{run_id}",
        group=None,
        engine="plain",
        state=state,
        status="FINISHED",
        start_time=0,
        end_time=1,
        params={key: str(value) for key, value in params.items()},
        tags={},
        metrics={},
        aliases=(),
        superseded_by=None,
        artifact_uri="",
        mlflow_experiment_id="1",
    )


@pytest.fixture
def stored_run() -> Callable[..., StoredRun]:
    """Makes a record as the store would give it, with some params."""
    return _stored_run


FAIR = Path(__file__).parents[2] / "examples" / "fair-comparison.yaml"


@dataclasses.dataclass(frozen=True)
class Checked:
    """A page to be computed again from the tables, and what its sweep file says."""

    text: str
    page: ReportPage
    raw: RawTables
    folder: Path
    file: str
    metric: str
    contests: tuple[tuple[str, ...], ...]
    """The experiments on the same data, in the order of the file."""
    claims: str
    """What the first screen tells of them."""
    claimed: str | None = None
    """The experiment of which they are."""


def _checked(folder: Path, page: Path, file: str, metric: str, *told: Any) -> Checked:
    raw = RawTables(folder / "mlruns" / "mlflow.db", metric)
    text = page.read_text(encoding="utf-8")
    return Checked(text, ReportPage(text), raw, folder, file, metric, *told)


@pytest.fixture(scope="session")
def small_report(reported) -> Checked:
    """That of `reported`: three experiments on the same data, two or three seeds, claims."""
    told = ((("adamw", "sgd", "sizes"),), "6 of 8 claims hold, 2 fail", "adamw")
    page = reported.folder / "sweep-report.html"
    return _checked(reported.folder, page, "sweep.yaml", "train/loss", *told)


@pytest.fixture(scope="session")
def fairly_compared(trained_once) -> Path:
    """A folder with `examples/fair-comparison.yaml`, run and reported by the real commands."""

    def run_and_report() -> None:
        here = Path.cwd()
        shutil.copyfile(FAIR, here / FAIR.name)
        run = harness("run", FAIR.name, "-q", cwd=here, timeout_s=1800)
        assert run.returncode == 0, run.stderr
        held_out = ("--metric", "val/loss", "--html", "held-out.html")
        for flags in ((), held_out):
            report = harness("report", FAIR.name, *flags, cwd=here)
            assert report.returncode == 0, report.stderr

    return trained_once("fairly-compared", run_and_report)


@pytest.fixture(scope="session")
def fair_report(fairly_compared: Path) -> Checked:
    """Two contests, for there are two sets of data; learning rates at which all seeds diverge."""
    contests = (("adamw", "sgd"), ("adamw-docs", "sgd-docs"))
    page = fairly_compared / "fair-comparison-report.html"
    told = (contests, "The file makes no claim")
    return _checked(fairly_compared, page, FAIR.name, "train/loss", *told)


@pytest.fixture(scope="session")
def held_out_report(fairly_compared: Path) -> Checked:
    """The same by the held-out loss, which two of its four experiments have."""
    told = ((("adamw-docs", "sgd-docs"),), "The file makes no claim")
    return _checked(
        fairly_compared, fairly_compared / "held-out.html", FAIR.name, "val/loss", *told
    )


@pytest.fixture(
    params=[
        "small_report",
        pytest.param("fair_report", marks=pytest.mark.campaign),
        pytest.param("held_out_report", marks=pytest.mark.campaign),
    ]
)
def checked(request: pytest.FixtureRequest) -> Checked:
    """Each report of which every number is computed again."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def shown(checked: Checked) -> ReportPage:
    return checked.page


@pytest.fixture
def raw(checked: Checked) -> RawTables:
    return checked.raw

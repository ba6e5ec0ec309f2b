"""Nothing that a sweep file says writes outside the folder that it is run in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import searches
from sweep_files import TINY
from troubled import contents
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import HarnessError, StoreError, SweepFileError
from harness.spec.load import load_sweep
from harness.sweep import run_sweep
from harness.tracking.read import checkpoints, find_runs
from harness.tracking.store import open_store

HOSTILE = [
    "../../x",
    "/tmp/x",
    "x/../../../y",
    "x/.state",
    "..",
    "a\\..\\b",
    "a\0b",
    "n" * 5000,
    "a%2e%2e%2fb",
    "a;b?c#d",
    "a\uff0f\uff0e\uff0e\uff0fb",
    "a\u202eb",
    "a\u0301é",
    "\ud800",
    "mlruns",
    "CON",
    "$x^{2}$<script>alert(1)</script>",
    "=cmd()",
]


@pytest.fixture
def fence(project, tmp_path):
    """What lies around the project must be what it was; the files of the project by name."""
    around = tmp_path / "around"
    around.mkdir()
    (around / "precious").write_text("mine")

    def outside() -> dict[str, bytes]:
        found = contents(tmp_path)
        return {name: c for name, c in found.items() if not name.startswith("project/")}

    before = outside()
    yield
    assert outside() == before
    assert {path.name for path in project.iterdir()} <= {
        *("mlruns", "mlflow.db", "sweep.yaml", "t.csv", "t.html", "t.png", "link", "study.db")
    }
    assert {path.name for path in (project / "mlruns").iterdir()} <= {
        *("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "optuna.db", "optuna.db-wal"),
        *("optuna.db-shm", ".cache", ".state", "artifacts"),
    }


def write(**changes: Any) -> Path:
    content = {"version": 1, "name": "s", "defaults": TINY, "experiments": {"a": {}}, **changes}
    Path("sweep.yaml").write_text(json.dumps(content))
    return Path("sweep.yaml")


def accepted(**changes: Any) -> bool:
    """Whether a sweep file is one, and not a list of mistakes."""
    try:
        load_sweep(write(**changes))
    except SweepFileError:
        return False
    return True


def entries(place: str) -> dict[str, dict[str, Any]]:
    """An entry for each hostile text that is not a mistake in that place of it."""
    found: dict[str, dict[str, Any]] = {}
    for text in HOSTILE:
        entry: dict[str, Any] = {"optimizer": {"lr": 0.01 + len(found) / 1000}}  # runs of their own
        name = text if place == "experiment" else f"e{len(found)}"
        if place == "tag":
            entry["tags"] = {text: "v"}
        elif place == "value":
            entry |= {"tags": {"k": text}, "description": text}
        elif place == "matrix":
            entry["data"] = {"tokenizer": "chars"}
            entry["matrix"] = {"data.text": [f"{text} a b c d e f g", f"{text} h i j k l m n"]}
        if accepted(experiments={name: entry}):
            found[name] = entry
    return found


@pytest.mark.parametrize("place", ["experiment", "tag", "value", "matrix"])
def test_hostile_names_in_an_experiment_are_refused_or_stay_in_the_store(project, fence, place):
    found = entries(place)
    assert len(found) >= 2
    assert run_sweep(load_sweep(write(experiments=found))).exit_code == 0
    check_store(project)


@pytest.mark.parametrize("key", ["name", "description"])
def test_a_hostile_sweep_is_refused_or_stays_in_the_store(project, fence, key):
    found = [text for text in HOSTILE if accepted(**{key: text})]
    assert len(found) >= 8
    for text in found:
        assert run_sweep(load_sweep(write(**{key: text}))).exit_code == 0, text
    check_store(project)


def check_store(project: Path) -> None:
    """Every run's files are where they belong."""
    for run in find_runs(open_store()):
        folder = Path(run.artifact_uri.removeprefix("file://"))
        assert folder.parents[2] == project / "mlruns" / "artifacts"
        assert checkpoints(open_store(), run.run_id) == ["step_000006"]


def test_a_comparison_of_hostile_names_is_written_where_it_should_and_runs_nothing(project, fence):
    run_sweep(load_sweep(write(experiments=entries("experiment"))))
    flags = ["--csv", "t.csv", "--html", "t.html", "--png", "t.png"]
    assert CliRunner().invoke(app, ["compare", *flags]).exit_code == 0
    page = Path("t.html").read_text()
    assert "<script>alert" not in page
    assert "\n=cmd" not in Path("t.csv").read_text()


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("sqlite:///../out.db", r"out\.db: storage: is outside .*, where nothing is made; make it"),
        ("sqlite:////tmp/harness-out.db", "is outside"),
        ("sqlite:///link/out.db", "is outside"),
        ("sqlite:///mlruns/.state/../../../out.db", "is outside"),
        ("sqlite:///%2e%2e/out.db", "is outside"),
        ("sqlite+pysqlite:///../out.db", "is outside"),
        ("sqlite:///file:../out.db?uri=true&mode=rwc", "names no file; write sqlite:///PATH"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///a\0b.db", "must be an SQLAlchemy URL such as"),
        (f"sqlite:///{'x' * 5000}", "cannot make the folder|cannot be opened|cannot open"),
        ("sqlite:///mlruns", "is a folder, not a database"),
        ("sqlite:///sweep.yaml", "not a readable SQLite database"),
        ("sqlite:///mlruns/mlflow.db", "another program's database"),
        ("../out", "is no storage for a study"),
    ],
)
def test_a_hostile_storage_is_refused_and_nothing_is_made(
    project, fence, tmp_path, storage, message
):
    Path("link").symlink_to(tmp_path / "around")
    path = write(searches={"s": searches.search(storage=storage)})
    with pytest.raises(HarnessError, match=message):
        run_sweep(load_sweep(path), only=["s"])


def test_a_storage_outside_is_used_once_it_was_made(project, tmp_path, no_plots):
    import optuna

    url = f"sqlite:///{tmp_path}/out.db"
    path = write(searches={"s": searches.search(storage=url, n_trials=2)})
    with pytest.raises(StoreError, match=f"optuna create-study --storage {url}"):
        run_sweep(load_sweep(path), only=["s"])
    optuna.storages.RDBStorage(url).engine.dispose()
    assert len(run_sweep(load_sweep(path), only=["s"]).searches[0].trials) == 2


def test_a_search_of_hostile_names_writes_its_plots_under_fixed_names(project, fence):
    lr = {
        "optimizer.lr": {"low": 1e-3, "high": 1.0},
        "optimizer.weight_decay": {"low": 0, "high": 1},
    }
    name, sweep_name = "a\\..\\b<script>$x^{2}$", "x/../../../y<script>"
    entry = searches.search(n_trials=3, space=lr, pruner={"name": "none"})
    result = run_sweep(load_sweep(write(name=sweep_name, searches={name: entry})), only=[name])
    (found,) = result.searches
    (record,) = [run for run in find_runs(open_store()) if run.kind == "search"]
    folder = Path(record.artifact_uri.removeprefix("file://"))
    names = {path.name for path in (folder / "plots").iterdir()}
    assert names >= {"search.html", "slice.png", "optimization_history.png"}
    assert all(name.isascii() and "/" not in name for name in names)
    assert len(found.trials) == 3


def test_a_name_that_is_too_long_for_a_tag_is_a_mistake_of_the_file(project):
    path = write(experiments={"a": {"matrix": {"data.text": ["a b c " * 200, "a b d " * 200]}}})
    with pytest.raises(
        SweepFileError, match=r"a run's name of 1,2\d\d characters, and the most is"
    ):
        load_sweep(path)


def test_a_description_or_a_path_that_is_no_text_is_a_mistake_of_the_file(project):
    with pytest.raises(SweepFileError, match="must be text without half of a surrogate pair"):
        load_sweep(write(description="\ud800"))
    with pytest.raises(SweepFileError, match=r"a.description: must be text without half of a surr"):
        load_sweep(write(experiments={"a": {"description": "\ud800"}}))
    with pytest.raises(HarnessError, match="cannot be read: embedded null byte"):
        load_sweep(write(experiments={"a": {"data": {"file": "a\0b"}}}))


def test_a_folder_whose_name_is_no_text_holds_no_store(tmp_path, monkeypatch):
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    refused = r"caf\\udce9/\S+: holds a name that is not UTF-8, which cannot be recorded; rename it"
    with pytest.raises(StoreError, match=refused):
        open_store(directory=folder)
    with pytest.raises(StoreError, match=refused):
        open_store(f"sqlite:///{folder}/a.db", tmp_path)
    assert list(folder.iterdir()) == []
    monkeypatch.chdir(folder)
    write()
    called = CliRunner().invoke(app, ["run", "sweep.yaml"])
    assert (called.exit_code, called.stderr.count("\n")) == (2, 1)

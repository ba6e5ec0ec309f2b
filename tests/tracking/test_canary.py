"""What MLflow's client writes is tried before rows are written for it, once for each version."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from harness.tracking import both_ways, canary, keys, row_statements, rows, schema
from harness.tracking.read import get_run, history
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.rows import RowWriter
from harness.tracking.writer_choice import writer_for
from harness.tracking.writers import ClientWriter

# Statement, what of it is broken, and what is found.
BROKEN = [
    ("INSERT_RUN", ("'UNKNOWN'", "'LOCAL'"), "runs.source_type differs"),
    ("INSERT_RUN", ("'RUNNING', ?,", "'RUNNING', ? + 1,"), "runs.start_time differs"),
    ("END_RUN", ("end_time = ?", "end_time = ? - 1"), "runs.end_time differs"),
    ("INSERT_TAG", ("VALUES (?, ?,", "VALUES (?, CAST(? AS BLOB),"), "tags.value differs"),
    ("INSERT_TAG", ("UPDATE SET value = excluded.value", "NOTHING"), "tags.value differs"),
    ("INSERT_PARAM", ("VALUES (?, ?,", "VALUES (?, substr(?, 1, 5999),"), "params.value differs"),
    ("INSERT_PARAM", ("VALUES (?, ?, ?)", "SELECT ?, ?, ? WHERE 0"), "params has 8 rows, not 0"),
    ("INSERT_METRIC", ("VALUES (?, ?, ?, ?,", "VALUES (?, ?, ?, ? + 1,"), "metrics.step differs"),
    ("INSERT_METRIC", ("?, 0)", "?, 1)"), "metrics.is_nan differs"),
    ("INSERT_LATEST", ("\nWHERE (", "\nWHERE 1 OR ("), "latest_metrics.value differs"),
    ("INSERT_LATEST", ("\nWHERE (", "\nWHERE 0 AND ("), "latest_metrics.value differs"),
    ("INSERT_DATASET", ("'local'", "'http'"), "datasets.dataset_source_type differs"),
    ("INSERT_INPUT", ("'RUN', ?, 0", "'RUN', ?, 1"), "inputs.step differs"),
    ("INSERT_INPUT", ("AND digest", "AND 0 = digest"), "inputs has 2 rows, not 0"),
    (
        "INSERT_INPUT_TAG",
        ("VALUES (?, ?, ?)", "SELECT ?, ?, ? WHERE 0"),
        "input_tags has 2 rows, not 0",
    ),
    ("INSERT_INPUT_TAG", ("(?, ?, ?)", "(?, ?, upper(?))"), "input_tags.value differs"),
    ("INSERT_RUN", ("'active'", "'lost'"), "IntegrityError: CHECK constraint failed"),
    ("INSERT_METRIC", ("INTO metrics", "INTO metrix"), "OperationalError: no such table: metrix"),
]
CLIENT = "runs are recorded through MLflow's client, some fifteen times slower: "


@pytest.fixture
def verdict(project: Path) -> Path:
    """The file of the verdict that the ready-made store came with."""
    return project / "mlruns" / ".cache" / canary.VERDICT_FILE


@pytest.fixture
def tried(monkeypatch) -> list[Path]:
    """The scratch folders of the canaries that were written."""
    folders = []
    compared = both_ways.first_difference

    def counted(database: Path, folder: Path) -> str | None:
        folders.append(folder)
        return compared(database, folder)

    monkeypatch.setattr(both_ways, "first_difference", counted)
    return folders


def difference(store) -> str | None:
    return canary.difference(store.database, store.state_dir / ".cache")


def test_rows_are_what_this_mlflow_writes_and_that_is_tried_once(store, verdict, tried):
    verdict.unlink()
    assert difference(store) is None
    assert difference(store) is None
    assert isinstance(writer_for(store, "1"), RowWriter)
    assert len(tried) == 1
    assert json.loads(verdict.read_text())["difference"] is None
    assert list(verdict.parent.iterdir()) == [verdict]


def test_a_store_that_was_copied_with_its_verdict_needs_no_canary(store, tried):
    assert isinstance(writer_for(store, "1"), RowWriter)
    assert tried == []


def test_the_canary_meets_every_table_and_every_statement(store, monkeypatch):
    seen, contents = [], both_ways._contents
    monkeypatch.setattr(
        both_ways, "_contents", lambda file: seen.append(contents(file)) or seen[-1]
    )
    connect = rows._connect

    def connect_and_listen(database):
        connection = connect(database)
        connection.set_trace_callback(statements.append)
        return connection

    statements = []
    monkeypatch.setattr(rows, "_connect", connect_and_listen)
    assert canary.difference(store.database, store.state_dir / "no verdict") is None
    assert all(found[table][1] for found in seen for table in schema.TABLES)
    begun = {" ".join(text.split()[:3]) for text in statements}
    texts = {name: text for name, text in vars(row_statements).items() if name.isupper()}
    known = {name: text for name, text in texts.items() if isinstance(text, str)}
    assert len(known) > 9
    assert {" ".join(text.split()[:3]) for text in known.values()} <= begun


def test_nothing_of_the_store_is_written_and_nothing_of_the_canary_is_left(
    store, verdict, tried, monkeypatch, tmp_path, capfd
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    verdict.unlink()
    with sqlite3.connect(store.database) as connection:
        before = list(connection.iterdump())
        assert difference(store) is None
        assert list(connection.iterdump()) == before
    opened = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    connection.close()
    assert tried[0].parent == scratch
    assert list(scratch.iterdir()) == []
    assert str(store.database) in opened
    assert not [path for path in opened if path.startswith(str(scratch))]
    assert capfd.readouterr() == ("", "")


def test_the_rows_of_a_users_runs_are_not_copied(store, recorder, run_to_record, monkeypatch):
    recorder.end(recorder.begin(run_to_record("private")), Outcome("finished"))
    copy, copied = both_ways._copy, []

    def look(scratch, other):
        with sqlite3.connect(scratch) as connection:
            copied.append("\n".join(connection.iterdump()))
        connection.close()
        copy(scratch, other)

    monkeypatch.setattr(both_ways, "_copy", look)
    assert canary.difference(store.database, store.state_dir / "no verdict") is None
    assert "private" not in copied[0]
    assert "sweep" not in copied[0]
    assert "INSERT INTO \"experiments\" VALUES(1,'canary'" in copied[0]


@pytest.mark.parametrize("name", ["mlflow", "sqlite", "schema", "code"])
def test_another_version_of_any_of_them_is_tried_anew(store, verdict, tried, name):
    known = json.loads(verdict.read_text())
    changed = {**known["of"], name: "another"}
    verdict.write_text(json.dumps({"of": changed, "difference": "runs.name differs"}))
    assert difference(store) is None
    assert len(tried) == 1
    assert json.loads(verdict.read_text()) == known


def test_an_mlflow_that_is_not_known_gets_rows_where_it_writes_the_same(store, tried, monkeypatch):
    monkeypatch.setattr(canary.mlflow, "__version__", "4.0.0")
    assert isinstance(writer_for(store, "1"), RowWriter)
    assert isinstance(writer_for(store, "1"), RowWriter)
    assert len(tried) == 1


@pytest.mark.parametrize(("statement", "change", "found"), BROKEN)
def test_a_statement_that_is_broken_is_found_with_table_and_column(
    store, verdict, monkeypatch, statement, change, found
):
    broken = getattr(row_statements, statement).replace(*change)
    assert broken != getattr(row_statements, statement)
    monkeypatch.setattr(row_statements, statement, broken)
    verdict.unlink()
    assert difference(store).startswith(found)


def test_where_rows_would_differ_the_client_writes_and_the_runs_are_right(
    store, recorder, run_to_record, verdict, tried, monkeypatch
):
    other = row_statements.INSERT_METRIC.replace("?, ?, ?,", "?, ? + 1, ?,")
    monkeypatch.setattr(row_statements, "INSERT_METRIC", other)
    monkeypatch.setattr(canary.mlflow, "__version__", "4.0.0")
    told, losses = [], {step: 1 / step for step in range(1, 31)}
    for _ in range(2):
        recorder = Recorder(store, recorder._experiment_id, {}, tell=told.append)
        assert isinstance(recorder._writer, ClientWriter)
        run_id = recorder.begin(run_to_record(dataset=DatasetInput("text", "ab" * 32, "inline")))
        recorder.add_steps(run_id, losses.items())
        said = recorder.end(run_id, Outcome("finished", {keys.TRAIN_PERPLEXITY: 1.5}, 30))
        assert history(store, run_id) == losses
        assert get_run(store, run_id) == said
    assert set(told) == {
        f"{CLIENT}of MLflow 4.0.0 it is not known what rows it writes: in a canary, "
        "metrics.value differs"
    }
    assert len(tried) == 1
    assert json.loads(verdict.read_text())["difference"] == "metrics.value differs"


def test_an_mlflow_that_cuts_values_sooner_writes_for_itself(store, verdict, monkeypatch):
    class Cutting(both_ways.MlflowClient):
        def log_batch(self, run_id, metrics, params, tags, **options):
            params = [type(param)(param.key, param.value[:500]) for param in params]
            super().log_batch(run_id, metrics, params, tags, **options)

    verdict.unlink()
    monkeypatch.setattr(both_ways, "MlflowClient", Cutting)
    assert difference(store) == "params.value differs"


def test_what_the_client_raises_is_told_and_asked_again(store, verdict, monkeypatch):
    def lost(*_, **__):
        raise AttributeError("module 'mlflow' has no \x1b attribute\nat all")

    verdict.unlink()
    told = []
    with monkeypatch.context() as patch:
        patch.setattr(both_ways, "MlflowClient", lost)
        assert isinstance(writer_for(store, "1", told.append), ClientWriter)
    assert told[0].endswith(
        r"it is not known what rows it writes: in a canary, AttributeError: module 'mlflow' has no "
        r"\x1b attribute"
    )
    assert not verdict.exists()
    assert isinstance(writer_for(store, "1"), RowWriter)


def test_without_room_for_the_canary_the_client_writes(store, verdict, monkeypatch):
    verdict.unlink()
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert difference(store).startswith("FileNotFoundError: [Errno 2] No such file")
    assert not verdict.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"null", b'{"of": 1}', b"\xff\xfe", b"[" * 100_000, b'{"of": {}}'],
)
def test_a_verdict_that_is_damaged_is_found_again(store, verdict, tried, content):
    verdict.write_bytes(content)
    assert difference(store) is None
    assert len(tried) == 1
    assert json.loads(verdict.read_text())["difference"] is None


def test_a_verdict_that_is_a_link_is_replaced_and_not_written_through(store, verdict, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    verdict.unlink()
    verdict.symlink_to(elsewhere)
    assert difference(store) is None
    assert elsewhere.read_text() == "mine"
    assert not verdict.is_symlink()


def test_what_a_verdict_says_is_escaped_and_cut(store, verdict):
    known = json.loads(verdict.read_text())
    verdict.write_text(json.dumps({**known, "difference": "\x1b[2J" + "x" * 9000}))
    assert difference(store).startswith(r"\x1b[2Jxx")
    assert len(difference(store)) <= canary.LONGEST_VERDICT


def test_a_verdict_that_cannot_be_kept_is_no_error(store, verdict, tried):
    """A file in the folder's place: root, who may write into any folder, cannot write there."""
    verdict.unlink()
    verdict.parent.rmdir()
    verdict.parent.write_text("a file")
    assert [difference(store), difference(store)] == [None, None]
    assert len(tried) == 2


@pytest.mark.parametrize("name", ["mkstemp", "replace"])
def test_a_folder_that_is_read_only_is_no_error_and_holds_nothing_half(
    store, verdict, tried, monkeypatch, name
):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    verdict.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile if name == "mkstemp" else Path, name, refuse)
        assert difference(store) is None
    assert list(verdict.parent.iterdir()) == []
    assert isinstance(writer_for(store, "1"), RowWriter)
    assert len(tried) == 2

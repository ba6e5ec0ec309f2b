import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from large_store import fill

from harness.errors import StoreError
from harness.tracking import keys, sqlite_creation
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.mlflow_api import telemetry_setting
from harness.tracking.store import open_store, refresh_statistics
from harness.tracking.trouble import TIMEOUT_VARIABLE

# Starts processes that create the store of a directory, from one that has MLflow imported. Given
# FOLDER=SECONDS, it kills the process that long after its temporary database has appeared.
FORKER = """
import os, signal, sys, time
from pathlib import Path
from harness.tracking.store import open_store
children = []
for argument in sys.argv[1:]:
    folder, _, delay = argument.partition("=")
    pid = os.fork()
    if pid == 0:
        open_store(None, Path(folder))
        os._exit(0)
    if delay:
        while not list(Path(folder).glob("mlruns/*mlflow.db*building")):
            time.sleep(0.001)
        time.sleep(float(delay))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    else:
        children.append(pid)
sys.exit(sum(os.waitpid(pid, 0)[1] != 0 for pid in children))
"""


def fork(*arguments: str) -> None:
    subprocess.run([sys.executable, "-c", FORKER, *arguments], check=True, timeout=120)


@pytest.fixture(autouse=True)
def _default_store(no_store_named: None) -> None:
    pass


@pytest.fixture
def schema_at_hand(tmp_path, ready_made_store, monkeypatch) -> None:
    """A store is created with a copy in the place of MLflow's migrations, which take a second."""
    schema = tmp_path.with_name(f"{tmp_path.name}-schema.db")
    shutil.copyfile(ready_made_store, schema)
    connection = sqlite3.connect(schema)
    connection.execute("DROP TABLE sqlite_stat1")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    monkeypatch.setattr(
        sqlite_creation, "_build_schema", lambda building, _: shutil.copyfile(schema, building)
    )


def test_the_default_store_is_created_with_a_relative_link_to_it(tmp_path):
    store = open_store(None, tmp_path)
    assert store.database == tmp_path / "mlruns" / "mlflow.db"
    assert store.state_dir == tmp_path / "mlruns"
    assert store.is_local
    assert store.notes == ()
    assert (tmp_path / "mlflow.db").readlink() == Path("mlruns/mlflow.db")


def test_a_created_store_is_in_wal_mode_with_planner_statistics(ready_made_store):
    connection = sqlite3.connect(ready_made_store)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    rows = {row[0] for row in connection.execute("SELECT idx FROM sqlite_stat1")}
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
    for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
        assert {row[0] for row in connection.execute(query, (table,))} <= rows
    connection.close()


def test_a_created_store_is_one_file_without_a_journal(ready_made_store):
    names = {path.name for path in ready_made_store.parent.iterdir()}
    assert names == {"mlflow.db", ".mlflow.db.lock"}


def test_connections_of_this_process_use_normal_synchronous_mode(project):
    store = open_store()
    engine = store.client._tracking_client.store.engine
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_connections_to_other_databases_keep_their_settings(project, tmp_path):
    import sqlalchemy

    open_store()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/other.db")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_a_store_can_be_created_at_a_path_with_odd_characters(tmp_path):
    folder = tmp_path / "a b%20ü#?"
    folder.mkdir()
    store = open_store(None, folder)
    experiment = ensure_mlflow_experiment(store, "s")
    run = store.client.create_run(experiment)
    store.client.log_text(run.info.run_id, "x", "x.txt")
    store.client.set_terminated(run.info.run_id)
    found = folder / "mlruns/artifacts/s" / run.info.run_id / "artifacts/x.txt"
    assert found.read_text() == "x"


def test_four_processes_may_create_one_store_at_once(tmp_path):
    fork(*[str(tmp_path)] * 4)
    assert open_store(None, tmp_path, create=False).client.search_experiments()


@pytest.mark.slow
def test_a_creation_killed_at_any_moment_leaves_no_ruin(tmp_path):
    delays = [0, 0.35]
    folders = [tmp_path / str(delay) for delay in delays]
    for folder in folders:
        folder.mkdir()
    fork(*(f"{folder}={delay}" for folder, delay in zip(folders, delays, strict=True)))
    assert list((folders[0] / "mlruns").glob(".mlflow.db.building*"))
    for folder in folders:
        assert open_store(None, folder).client.search_experiments()
        assert not list((folder / "mlruns").glob(".mlflow.db.building*"))


def test_a_journal_without_its_database_is_set_aside_not_replayed(tmp_path, schema_at_hand):
    (tmp_path / "mlruns").mkdir()
    for suffix in ("-wal", "-journal"):
        (tmp_path / "mlruns" / f"mlflow.db{suffix}").write_bytes(b"old")
    open_store(None, tmp_path)
    for suffix in ("-wal", "-journal"):
        assert (tmp_path / "mlruns" / f"mlflow.db{suffix}.orphan").read_bytes() == b"old"


@pytest.mark.parametrize("create", [True, False])
def test_an_empty_file_is_told_and_left_as_it_is(tmp_path, create):
    database = tmp_path / "mlruns" / "mlflow.db"
    database.parent.mkdir()
    database.touch()
    database.with_name("mlflow.db-wal").write_bytes(b"what the database was to hold")
    with pytest.raises(StoreError, match=r"mlflow\.db: is empty \(0 bytes\) and was left as it is"):
        open_store(None, tmp_path, create)
    assert database.read_bytes() == b""
    assert database.with_name("mlflow.db-wal").read_bytes() == b"what the database was to hold"


def test_a_command_that_reads_creates_nothing(tmp_path):
    with pytest.raises(StoreError, match=r"^no store at mlruns/mlflow\.db: run `harness run FILE`"):
        open_store(None, tmp_path, create=False)
    assert not list(tmp_path.iterdir())


def test_the_tracking_uri_may_name_another_sqlite_file(tmp_path, schema_at_hand):
    store = open_store("sqlite:///kept/runs.db", tmp_path)
    assert store.database == tmp_path / "kept" / "runs.db"
    assert not (tmp_path / "mlflow.db").exists()


def test_the_environment_names_the_store_when_no_flag_does(tmp_path, schema_at_hand, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/env.db")
    assert open_store(None, tmp_path).database == tmp_path / "env.db"


def test_the_link_of_the_default_store_names_the_default_store(project):
    assert open_store("sqlite:///mlflow.db").database == project / "mlruns" / "mlflow.db"


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path):
    (tmp_path / "mlruns").mkdir()
    database = tmp_path / "mlruns" / "mlflow.db"
    content = b"my notes, not a database\n" * 200
    database.write_bytes(content)
    with pytest.raises(StoreError, match=r"not a readable SQLite database .*left as it is"):
        open_store(None, tmp_path)
    assert database.read_bytes() == content


def test_a_damaged_store_is_told_and_left_as_it_is(project):
    database = project / "mlruns" / "mlflow.db"
    content = bytearray(database.read_bytes())
    content[4096 : 64 * 4096] = b"\xa5" * (63 * 4096)
    database.write_bytes(content)
    with pytest.raises(StoreError, match=r"not a readable SQLite database .*left as it is"):
        open_store()
    assert database.read_bytes() == content


def test_a_folder_in_the_place_of_the_database_is_told(tmp_path):
    (tmp_path / "mlruns" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"mlflow\.db: is a folder, not a database"):
        open_store(None, tmp_path)


def test_another_programs_database_is_told_and_gets_no_tables(tmp_path):
    database = tmp_path / "other.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE trials (number)")
    connection.close()
    with pytest.raises(StoreError, match="a SQLite database, but not a store of MLflow"):
        open_store(f"sqlite:///{database}")
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("trials",)]
    connection.close()


def test_an_older_schema_is_told_with_the_command_and_not_migrated(project):
    database = project / "mlruns" / "mlflow.db"
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        connection.execute("DROP TABLE logged_model_metrics")
    with pytest.raises(StoreError, match=r"older than that of MLflow .*mlflow db upgrade sqlite:"):
        open_store()
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'logged_model_metrics'"
    assert connection.execute(query).fetchone() == (0,)
    connection.close()


def test_a_newer_schema_is_told(project):
    connection = sqlite3.connect(project / "mlruns" / "mlflow.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00df00df00d'")
    connection.close()
    with pytest.raises(StoreError, match=r"revision f00df00df00d\) is not known to MLflow"):
        open_store()


def test_a_locked_store_is_told(project, monkeypatch):
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.1")
    connection = sqlite3.connect(project / "mlruns" / "mlflow.db", isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"another program has had it locked for 0\.1 s"):
        open_store()
    connection.close()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "mlruns").write_text("a file, not a folder")
    with pytest.raises(StoreError, match=r"mlruns: is a file, not a folder; move it away"):
        open_store(None, tmp_path)


def test_a_file_of_the_users_in_the_place_of_the_link_is_left_alone(tmp_path, schema_at_hand):
    (tmp_path / "mlflow.db").write_bytes(b"mine")
    (note,) = open_store(None, tmp_path).notes
    assert (tmp_path / "mlflow.db").read_bytes() == b"mine"
    assert "left alone; to see the runs: mlflow ui --backend-store-uri sqlite:////" in note


def test_where_links_cannot_be_made_the_command_is_told(tmp_path, schema_at_hand, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (note,) = open_store(None, tmp_path).notes
    assert "cannot be linked (Operation not permitted); to see the runs: mlflow ui" in note


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite://", "names no file; write sqlite:///PATH"),
        ("sqlite:///:memory:", "names no file; write sqlite:///PATH"),
        ("sqlite:mlflow.db", "is not a tracking URI; write sqlite:///PATH"),
        ("file:///tmp/x", "MLflow no longer keeps runs in a folder of files"),
        ("./mlruns", "MLflow no longer keeps runs in a folder of files"),
        ("http://127.0.0.1:1", "no MLflow server answers there: .*refused"),
        ("http://u:secret@127.0.0.1:1", r"http://u:\*\*\*@127.0.0.1:1: no MLflow server"),
        ("nonsense://x", "is not a tracking URI; use one of sqlite:///PATH, http"),
        ("mysql+missingdriver://u:p@h/d", r"u:\*\*\*@h/d: is not a tracking URI"),
        ("http://[::1", "is not a tracking URI: Invalid IPv6 URL"),
        ("file:\x1b[31m", r"^file:\\x1b\[31m: MLflow no longer keeps runs in a folder"),
        ("http://127.0.0.1:1/\x1b", r"1/\\x1b: no MLflow server answers there: URL can't contain"),
    ],
)
def test_a_uri_that_leads_nowhere_is_told_at_once(uri, message, tmp_path):
    with pytest.raises(StoreError, match=message):
        open_store(uri, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_answers_and_speaks_no_http_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.9 \x1b[31m\r\n")

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        with pytest.raises(StoreError, match=r"answers there: SSH-2.0-OpenSSH_9.9 \\x1b\[31m"):
            open_store(f"http://127.0.0.1:{port}", tmp_path)


def test_statistics_lost_in_a_migration_are_planted_again(project):
    connection = sqlite3.connect(project / "mlruns" / "mlflow.db")
    with connection:
        connection.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'metrics'")
    open_store()
    query = "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'metrics'"
    assert connection.execute(query).fetchone() == (3,)
    connection.close()


def without_statistics(database: Path) -> None:
    """As MLflow alone makes a store."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'sqlite_stat1'")
        connection.commit()


def test_statistics_are_given_to_a_store_that_never_had_any_and_that_is_told_once(project):
    database = project / "mlruns" / "mlflow.db"
    without_statistics(database)
    assert [note for note in open_store().notes if "no statistics for SQLite's planner" in note]
    assert open_store().notes == ()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] >= 10


def test_a_command_that_only_reads_plants_no_statistics(project):
    database = project / "mlruns" / "mlflow.db"
    without_statistics(database)
    before = database.read_bytes()
    assert open_store(create=False).notes == ()
    assert database.read_bytes() == before


CHART_QUERIES = (
    "SELECT * FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY timestamp, step, value",
    "SELECT * FROM metrics WHERE run_uuid IN (?, 'b', 'c') AND key = ? "
    "ORDER BY run_uuid, timestamp, step, value LIMIT 25000",
)


@pytest.mark.parametrize("num_runs", [0, 1, 9, 300])
def test_chart_queries_read_by_run_before_and_after_a_refresh(project, num_runs):
    store = open_store()
    fill(store.database, num_runs, 200)
    for _ in range(2):
        connection = sqlite3.connect(store.database)
        for query in CHART_QUERIES:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", ("a", "train/loss")).fetchall()
            assert "(run_uuid=? AND key=?)" in str(plan), plan
        connection.close()
        refresh_statistics(store)


def test_artifact_paths_follow_a_project_folder_that_moves(project, tmp_path):
    store = open_store()
    experiment = ensure_mlflow_experiment(store, "s")
    run = store.client.create_run(experiment)
    store.client.log_text(run.info.run_id, "kept", "x.txt")
    store.client._tracking_client.store.engine.dispose()
    moved = tmp_path / "moved"
    shutil.move(project, moved)
    os.chdir(moved)
    again = open_store()
    assert [file.path for file in again.client.list_artifacts(run.info.run_id)] == ["x.txt"]
    uri = again.client.get_experiment(experiment).artifact_location
    assert uri == (moved / "mlruns/artifacts/s").as_uri()


def test_artifacts_kept_elsewhere_stay_there_when_the_folder_moves(project, tmp_path):
    store = open_store()
    elsewhere = (tmp_path / "project-data").as_uri()
    experiment = store.client.create_experiment("s", artifact_location=elsewhere)
    store.client._tracking_client.store.engine.dispose()
    shutil.move(project, tmp_path / "moved")
    again = open_store(None, tmp_path / "moved")
    assert again.client.get_experiment(experiment).artifact_location == elsewhere


def test_the_ready_made_store_holds_only_the_default_experiment(project):
    experiments = open_store().client.search_experiments()
    assert [found.name for found in experiments] == ["Default"]
    assert experiments[0].tags == {keys.HOME: (project / "mlruns").as_uri()}


@pytest.mark.parametrize(
    ("environ", "disabled"),
    [
        ({}, "true"),
        ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "false"),
        ({"DO_NOT_TRACK": "1"}, "true"),
        ({"DO_NOT_TRACK": "true"}, "true"),
        ({"DO_NOT_TRACK": "false"}, "false"),
    ],
)
def test_telemetry_is_off_unless_the_user_turned_it_on(environ, disabled):
    assert telemetry_setting(environ) == disabled

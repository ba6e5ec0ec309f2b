"""A search's storage that cannot be opened: one line, exit code 2, and no password in it."""

from __future__ import annotations

import json
import sqlite3

import pytest
from postgres import PASSWORD
from searches import search, write

from harness.tracking.read import find_runs
from harness.tracking.store import open_store

WRONG = [
    ({"password": "wr0ng-s3cret"}, 'password authentication failed for user "tester"'),
    ({"username": "nobody"}, 'password authentication failed for user "nobody"'),
    ({"database": "elsewhere"}, 'database "elsewhere" does not exist'),
    ({"port": 1}, "Connection refused"),
    ({"host": "no-such-host.invalid"}, "failed to resolve host 'no-such-host.invalid'"),
    ({"drivername": "postgres"}, "no database is called postgres; did you mean postgresql?"),
    ({"drivername": "ours"}, "no database is called ours; there are sqlite, postgresql, mysql"),
    ({"drivername": "postgresql+psycop"}, "postgresql has no driver called psycop"),
    ({"drivername": "postgresql+pg8000"}, "its database driver is not installed (No module"),
    ({"query": {"nonsense": "1"}}, 'invalid connection option "nonsense"'),
    ({"query": {"password": "wr0ng-s3cret"}}, "password authentication failed"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_told_before_anything_is_trained(
    changes, message, harness, project, postgres
):
    url = postgres.url(**{"database": "postgres", **changes})
    path = write(project / "s.yaml", s=search(storage=url))
    for command in (["run", path], ["search", path], ["plan", path]):
        result = harness(*command)
        assert result.exit_code == 2
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"harness: {changes.get('drivername', 'postgresql+psycopg')}://")
        assert message in line
        assert "s3cret" not in line
    (error,) = json.loads(harness("run", path, "--json").stdout)["errors"]
    assert message in error["message"]
    assert find_runs(open_store()) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql//u:{PASSWORD}@host/x?password=s3cret", "postgresql//***@host/x"),
        ("postgresql://u:s3cret@host:port/x", "postgresql://***@host:port/x"),
        ("s3cret@", "***@"),
        ("nonsense", "nonsense"),
    ],
)
def test_what_is_no_url_is_told_without_what_may_be_a_password(url, shown, harness, project):
    path = write(project / "s.yaml", s=search(storage=url))
    result = harness("run", path)
    assert result.exit_code == 2
    told = "is no storage for a study; write sqlite:///PATH or another SQLAlchemy URL"
    assert result.stderr == f"harness: {shown}: {told}\n"


def test_a_database_that_another_optuna_made_is_told(harness, project, no_plots):
    path = write(project / "s.yaml", s=search(n_trials=1))
    assert harness("search", path, "-q").exit_code == 0
    with sqlite3.connect("mlruns/optuna.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    connection.close()
    result = harness("run", path)
    assert result.exit_code == 2
    assert "cannot open the study: The runtime optuna version 5" in result.stderr

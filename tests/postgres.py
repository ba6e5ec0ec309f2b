"""A PostgreSQL server for the tests: Debian's package, on loopback, gone when they are done."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from harness.tracking.server import free_port

HOST, USER, PASSWORD = "127.0.0.1", "tester", "s3cret/{x}@y"
DEBIAN = Path("/usr/lib/postgresql")


@dataclasses.dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    _numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def url(self, database: str, **changes: object) -> str:
        """The URL of a database, with its password."""
        parts = {
            "drivername": "postgresql+psycopg",
            "username": USER,
            "password": PASSWORD,
            "host": HOST,
            "port": self.port,
            **changes,
        }
        url = sqlalchemy.URL.create(database=database, **parts)  # type: ignore[arg-type]
        return url.render_as_string(hide_password=False)

    def new_database(self) -> str:
        """The URL of an empty database that no other test has."""
        name = f"test{next(self._numbers)}"
        engine = sqlalchemy.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url(name)


@contextlib.contextmanager
def started_server() -> Iterator[Postgres]:
    """A server of its own port and folder, two seconds after; stopped at the end."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        login = ["--username", USER, "--pwfile", password, "--auth", "scram-sha-256"]
        _run(folder, initdb, "--pgdata", folder / "data", *login, "--encoding", "UTF8", "--no-sync")
        port = free_port(0)
        flags = f"-p {port} -h {HOST} -c unix_socket_directories= -c fsync=off"
        control = (pg_ctl, "--pgdata", folder / "data", "--wait", "--silent")
        _run(folder, *control, "--log", folder / "log", "--options", flags, "start")
        try:
            yield Postgres(port)
        finally:
            _run(folder, *control, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> Path:
    """A program of PostgreSQL's; Debian puts those of the server beside the path."""
    found = shutil.which(name)
    places = [Path(found)] if found else sorted(DEBIAN.glob(f"*/bin/{name}"))
    if not places:
        pytest.fail(f"{name} is not there: apt-get install postgresql", pytrace=False)
    return places[-1]


def _run(folder: Path, *command: object) -> None:
    account = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    call = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server keeps what it is given open
        stderr=subprocess.PIPE if "start" not in command else subprocess.DEVNULL,
        text=True,
        timeout=120,
        **account,
    )
    log = folder / "log"
    told = call.stderr or (log.read_text() if log.exists() else "")
    assert call.returncode == 0, told

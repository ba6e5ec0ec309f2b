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
from typing import Any

import pytest
import sqlalchemy

from harness.tracking.server import free_port

HOST, USER, PASSWORD = "127.0.0.1", "tester", "s3cret/{x}@y"
DEBIAN = Path("/usr/lib/postgresql")
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


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
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
    with _ended_with_us(folder, pg_ctl):
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        login = ["--username", USER, "--pwfile", password, "--auth", "scram-sha-256"]
        _run(folder, initdb, "--pgdata", folder / "data", *login, "--encoding", "UTF8", "--no-sync")
        port = free_port(0)
        flags = f"-p {port} -h {HOST} -c unix_socket_directories= -c fsync=off"
        where = ("--pgdata", folder / "data", "--log", folder / "log")
        _run(folder, pg_ctl, *where, "--wait", "--silent", "--options", flags, "start")
        yield Postgres(port)


@contextlib.contextmanager
def _ended_with_us(folder: Path, pg_ctl: Path) -> Iterator[None]:
    """Stops the server and removes its folder: after the block, or when the tests were killed.

    A shell waits for the end of its input, which comes with the end of this process at the latest.
    """
    script = 'read _; "$1" --pgdata "$2/data" --mode immediate --silent stop; rm -r "$2"'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", pg_ctl, folder],
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **_account(),
    ) as waiting:
        yield
    assert waiting.returncode == 0
    assert not folder.exists()


def _account() -> dict[str, Any]:
    return {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}


def _program(name: str) -> Path:
    """A program of PostgreSQL's; Debian puts those of the server beside the path."""
    found = shutil.which(name)
    places = [Path(found)] if found else sorted(DEBIAN.glob(f"*/bin/{name}"))
    if not places:
        pytest.fail(f"{name} is not there: apt-get install postgresql", pytrace=False)
    return places[-1]


def _run(folder: Path, *command: object) -> None:
    """Run a program to its end; what it says goes to a file, which a server keeps open."""
    said = folder / "said"
    with said.open("w") as output:
        call = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=120,
            **_account(),
        )
    assert call.returncode == 0, said.read_text()

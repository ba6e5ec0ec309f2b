"""An MLflow server on loopback with a database of its own, which keeps artifacts itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.tracking import server
from harness.tracking.store import Store, open_store


@contextlib.contextmanager
def served_from(folder: Path, ready_made_store: Path) -> Iterator[str]:
    """The server's address; what it keeps is in the folder."""
    shutil.copyfile(ready_made_store, folder / "mlflow.db")
    local = open_store(f"sqlite:///{folder}/mlflow.db", folder)
    port = server.free_port(0)  # the workers of pytest-xdist would both take 5000
    with serving(local, folder, port):
        yield server.server_url(local, port)


@contextlib.contextmanager
def serving(store: Store, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server of a store, at a port, as the leader of a process group; artifacts are in the
    folder. All of it is gone after the block."""
    command, environment = server.ui_command(store, port)
    root = command.index("--default-artifact-root")
    command[root : root + 2] = ["--artifacts-destination", str(folder / "files")]
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        server.wait_until_ready(server.server_url(store, port), 120, process)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and its workers on the spot."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)

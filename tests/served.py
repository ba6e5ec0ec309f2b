"""An MLflow server on loopback with a database of its own, which keeps artifacts itself."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.tracking import server
from harness.tracking.store import open_store


@contextlib.contextmanager
def served_from(folder: Path, ready_made_store: Path) -> Iterator[str]:
    """The server's address; what it keeps is in the folder."""
    shutil.copyfile(ready_made_store, folder / "mlflow.db")
    local = open_store(f"sqlite:///{folder}/mlflow.db", folder)
    port = server.free_port(0)  # the workers of pytest-xdist would both take 5000
    command, environment = server.ui_command(local, port)
    root = command.index("--default-artifact-root")
    command[root : root + 2] = ["--artifacts-destination", str(folder / "files")]
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = server.server_url(local, port)
        server.wait_until_ready(url, 60, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)

"""MLflow's own server on a store, for `harness ui`: how to start it, and when it answers.

On loopback alone: it has no login. With one worker and without the job runner it starts in 7 s,
with MLflow's defaults in 27 s.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from harness.errors import StoreError
from harness.tracking.mlflow_api import telemetry_setting
from harness.tracking.store import Store

HOST = "127.0.0.1"
POLL_S = 0.1


def ui_command(store: Store, port: int) -> tuple[list[str], dict[str, str]]:
    """The command, and its environment, that serves `store` on 127.0.0.1:`port`.

    A store that is a server already needs none: see `server_url`.
    """
    assert not store.is_server
    root = (store.database.parent if store.database else store.state_dir).as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    # The artifact root is what MLflow uses without a server; else new experiments of others
    # would keep theirs in ./mlartifacts.
    command += ["-w", "1", "--default-artifact-root", root]
    environment = {
        **os.environ,
        # Not on the command line, where every user of the machine could read a password.
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": telemetry_setting(os.environ),
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    return command, environment


def server_url(store: Store, port: int) -> str:
    """Where the store can be looked at: its own address, or ours once `ui_command` runs."""
    return store.uri.rstrip("/") if store.is_server else f"http://{HOST}:{port}"


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there on loopback, else a port that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StoreError(f"no port is free on {HOST}")


def wait_until_ready(url: str, timeout_s: float, process: subprocess.Popen[bytes]) -> None:
    """Return when the server at `url` answers; StoreError when it ends or takes too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StoreError(f"{url}: the MLflow server ended with exit code {process.returncode}")
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            time.sleep(POLL_S)
            continue
        else:
            return
        time.sleep(POLL_S)
    raise StoreError(f"{url}: the MLflow server did not answer within {timeout_s:g} s")

"""`harness ui`: the MLflow UI on this store, on 127.0.0.1 alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import reporting
from harness.cli.options import TrackingUri
from harness.errors import StoreError

if TYPE_CHECKING:
    from harness.tracking.store import Store

START_TIMEOUT_S = 120.0


def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where to serve.")] = 5000,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the browser when there is a display.")
    ] = True,
    tracking_uri: TrackingUri = None,
) -> None:
    """Serve the MLflow UI on this store until Ctrl-C; says where to look."""
    with reporting():
        from harness.tracking.server import free_port, server_url, ui_command, wait_until_ready
        from harness.tracking.store import ensure_statistics, open_store

        store = open_store(tracking_uri, create=False)
        if note := ensure_statistics(store):
            print(note, file=sys.stderr)
        if store.is_server:
            _print_links(server_url(store, port), store)
            return
        chosen = free_port(port)
        url = server_url(store, chosen)
        if chosen != port:
            print(f"port {port} is taken", file=sys.stderr)
        command, environment = ui_command(store, chosen)
        print(f"starting MLflow at {url} (some seconds) ...", file=sys.stderr, flush=True)
        log = store.state_dir / ".state" / "ui.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _sigterm_as_ctrl_c(), _server(command, environment, log) as process:
                try:
                    wait_until_ready(url, START_TIMEOUT_S, process)
                except StoreError as error:
                    raise StoreError(f"{error}; what it said is in {log}") from None
                link = _print_links(url, store)
                if open_browser and sys.stdout.isatty():
                    webbrowser.open(link)
                _wait_for_end(process)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)


@contextlib.contextmanager
def _server(
    command: list[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server with its workers, for as long as the block; what it says goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        _stop(process)


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Return when the server ends by itself; Ctrl-C interrupts the wait.

    `process.wait()` alone would not do: a signal that comes just before the system call is noted
    by Python but does not wake the call, and the interrupt would wait for the server.
    """
    while process.poll() is None:
        time.sleep(0.1)


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    def leave(_signum: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_links(url: str, store: Store) -> str:
    """The page of each sweep in our view; returns that of the newest sweep."""
    from harness.tracking.experiments import sweeps
    from harness.tracking.view import view_link

    link = url
    for name, experiment_id in sweeps(store):
        link = f"{url}/{view_link(experiment_id)}"
        print(f"{name}: {link}")
    print(f"MLflow: {url}   (Ctrl-C stops it)", flush=True)
    return link


def _stop(process: subprocess.Popen[bytes], patience_s: float = 5.0) -> None:
    """End the server with its workers: it leads a process group of its own."""
    deadline = time.monotonic() + patience_s
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.1))
            return

import dataclasses
import http.server
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest
from served import served_from

from harness.errors import StoreError, StoreInUse
from harness.tracking import artifacts, lease, server
from harness.tracking.environment import environment_tags
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.lease import Times
from harness.tracking.mlflow_api import MlflowClient
from harness.tracking.read import checkpoints, find_runs, history, local_checkpoint
from harness.tracking.reconcile import mark_dead_runs
from harness.tracking.record import DatasetInput, Outcome
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store, open_store
from harness.tracking.sweep_lease import hold_sweep
from harness.tracking.view import set_view

ANOTHER_HOST = """
import sys, time
from pathlib import Path
from harness.tracking import holder, lease
from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.record import RunToRecord
from harness.tracking.recorder import Recorder
from harness.tracking.store import open_store
from harness.tracking.sweep_lease import hold_sweep

holder.where = lambda: holder.Where("far", "its boot", "")
lease.TIMES = lease.Times(interval_s=0.2, settle_s=0.3)
store = open_store(sys.argv[1], Path(sys.argv[2]))
experiments = [ensure_mlflow_experiment(store, name) for name in ("leased", "not leased")]
with hold_sweep(store, experiments[0], "leased", wait=False, tell=print) as held:
    for experiment in experiments:
        run = RunToRecord(**eval(sys.argv[3]))
        print(Recorder(store, experiment, {}, require=held.require).begin(run), flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def served(ready_made_store, tmp_path_factory):
    """The URL of a real server with its own database, which serves artifacts over http."""
    with served_from(tmp_path_factory.mktemp("served"), ready_made_store) as url:
        yield url


def test_a_run_is_recorded_and_read_through_a_server(
    served, tmp_path, stage, monkeypatch, run_to_record
):
    monkeypatch.chdir(tmp_path)
    store = open_store(served, tmp_path)
    assert not store.is_local
    experiment = ensure_mlflow_experiment(store, "sweep", "Over http")
    set_view(store, experiment, ["optimizer.lr"])
    recorder = Recorder(store, experiment, environment_tags())
    run_id = recorder.begin(run_to_record(dataset=DatasetInput("d", "ab" * 32, "text")))
    recorder.add_steps(run_id, [(step, 1.0 / step) for step in range(1, 1501)])
    for step in (100, 200):
        recorder.publish_checkpoint(run_id, stage(b"weights %d" % step), f"step_{step:06d}")
    assert not (tmp_path / "staged").exists()
    recorder.end(run_id, Outcome("finished", {"train/perplexity": 1.0}, 1500))

    (run,) = find_runs(store)
    assert (run.run_id, run.state, run.status) == (run_id, "finished", "FINISHED")
    assert run.artifact_uri.startswith("mlflow-artifacts:")
    assert len(history(store, run_id)) == 1500
    assert checkpoints(store, run_id) == ["step_000100", "step_000200"]
    folder = local_checkpoint(store, run_id)
    assert folder == store.state_dir / ".cache" / "checkpoints" / run_id / "step_000200"
    assert (folder / "model.safetensors").read_bytes() == b"weights 200"
    assert local_checkpoint(store, run_id) == folder

    assert recorder.remove_checkpoint(run_id, "step_000200")
    assert checkpoints(store, run_id) == ["step_000100"]
    assert not folder.exists()


class LetsNobodyRemove(http.server.BaseHTTPRequestHandler):
    """A server, or a proxy before one, that refuses one kind of request."""

    def do_DELETE(self):
        self.send_error(403)

    def log_message(self, *_):
        pass


def test_a_checkpoint_stays_where_a_server_lets_nobody_remove_it(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), LetsNobodyRemove) as refusing:
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        store = Store(f"http://127.0.0.1:{refusing.server_port}", tmp_path)
        vars(store)["client"] = MlflowClient(store.uri)
        run_id = "0" * 32
        uri = f"mlflow-artifacts:/1/{run_id}/artifacts"
        assert not artifacts.remove(store, run_id, uri, "step_000001")
        refusing.shutdown()


def test_only_its_own_dead_runs_are_marked_on_a_shared_server(served, tmp_path, run_to_record):
    ours, theirs = (open_store(served, tmp_path / name) for name in ("ours", "theirs"))
    ids = []
    for store in (ours, theirs):
        recorder = Recorder(store, ensure_mlflow_experiment(store, "shared"), environment_tags())
        ids.append(recorder.begin(run_to_record()))
    assert mark_dead_runs(ours) == ids[:1]
    assert mark_dead_runs(theirs) == ids[1:]


def test_a_sweep_that_another_host_runs_is_refused_and_taken_over_once_that_is_dead(
    served, tmp_path, run_to_record, monkeypatch
):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=1.0, settle_s=0.3, poll_s=0.1))
    fields = repr(dataclasses.asdict(run_to_record()))
    command = [sys.executable, "-c", ANOTHER_HOST, served, str(tmp_path / "far"), fields]
    ours, told = open_store(served, tmp_path / "ours"), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        left, other = (process.stdout.readline().strip() for _ in range(2))
        experiment = ensure_mlflow_experiment(ours, "leased")

        def hold(name, experiment, **flags):
            return hold_sweep(ours, experiment, name, **{"wait": False, **flags}, tell=told.append)

        with (
            pytest.raises(
                StoreInUse,
                match=f"the sweep 'leased' is in use by process {process.pid} on far, since 20",
            ),
            hold("leased", experiment),
        ):
            pass
        with hold("third", ensure_mlflow_experiment(ours, "third")) as third:
            third.require()  # another sweep may run at the same time
        assert mark_dead_runs(ours) == []
        process.kill()
    with hold("leased", experiment, wait=True):
        assert mark_dead_runs(ours, experiment) == [left]
    assert [run.run_id for run in find_runs(ours, status="RUNNING")] == [other]
    assert [text.rpartition(": ")[2] for text in told] == [
        "waiting until it ends",
        "watching for 2.5 s whether it lives",
    ]
    with hold("leased", experiment) as held:
        held.require()
        later = lease._uptime() + Times(interval_s=1.0).term_s + 1
        monkeypatch.setattr(lease, "_uptime", lambda: later)
        held.require()  # an old lease: woken, read, written and read again


def test_nothing_is_printed_while_a_run_is_recorded_through_a_server(
    served, tmp_path, stage, capfd, run_to_record
):
    store = open_store(served, tmp_path)
    recorder = Recorder(store, ensure_mlflow_experiment(store, "quiet"), {})
    run_id = recorder.begin(run_to_record())
    recorder.publish_checkpoint(run_id, stage(), "step_000001")
    recorder.end(run_id, Outcome("failed", traceback_text="ValueError: x"))
    local_checkpoint(store, run_id)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_a_store_already_needs_no_other(served, tmp_path):
    assert server.server_url(open_store(served, tmp_path), 1) == served


def test_the_server_shows_its_page(served):
    with urllib.request.urlopen(served, timeout=10) as page:
        assert b"<title>MLflow</title>" in page.read()


def test_the_server_is_bound_to_loopback_and_told_no_password_on_its_command_line(store):
    secret = dataclasses.replace(store, uri="postgresql://u:secret@host/db", database=None)
    command, environment = server.ui_command(secret, 5000)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert "secret" not in " ".join(command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == secret.uri
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_port_in_use_is_replaced_by_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert server.free_port(port) != port
    assert server.free_port(port) == port


def test_a_server_that_ends_at_once_is_told():
    with (
        subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process,
        pytest.raises(StoreError, match="the MLflow server ended with exit code 3"),
    ):
        server.wait_until_ready("http://127.0.0.1:1", 30, process)


def test_a_server_that_never_answers_is_told():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        with pytest.raises(StoreError, match=r"did not answer within 0\.3 s"):
            server.wait_until_ready("http://127.0.0.1:1", 0.3, process)
        process.kill()

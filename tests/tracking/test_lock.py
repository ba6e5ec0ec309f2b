import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from harness.errors import StoreError, StoreInUse
from harness.tracking import lease, lock
from harness.tracking.holder import parse, this_process
from harness.tracking.lease import Times

HOLDER = """
import sys, time
from pathlib import Path
from harness.tracking.lock import hold
with hold(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path), "http://server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_second_taker_is_told_who_holds_the_store(tmp_path, holder):
    with (
        pytest.raises(StoreInUse, match=f"in use by process {holder.pid}, since 20..-"),
        lock.hold(tmp_path, "http://server"),
    ):
        pass


def test_a_holder_killed_without_warning_frees_the_store(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with lock.hold(tmp_path, "http://server"):
        pass


def test_a_taker_may_wait_until_the_store_is_free(tmp_path, holder):
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {holder.pid}"]).wait()
    started = time.monotonic()
    with lock.hold(tmp_path, "http://server", wait=True):
        assert time.monotonic() - started < 30


def test_the_store_is_free_again_after_an_exception(tmp_path):
    with pytest.raises(KeyError), lock.hold(tmp_path, "http://server"):
        raise KeyError
    with lock.hold(tmp_path, "http://server"):
        pass


def test_a_holder_whose_name_is_not_written_yet_is_another_process(tmp_path, holder):
    (tmp_path / ".state").joinpath(
        lock.lock_path(tmp_path, "http://server").with_suffix(".holder.json").name
    ).unlink()
    with (
        pytest.raises(StoreInUse, match="in use by another process"),
        lock.hold(tmp_path, "http://server"),
    ):
        pass


def test_the_lock_of_the_default_store_is_sweep_lock(tmp_path):
    path = lock.lock_path(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    assert path == tmp_path / ".state" / "sweep.lock"


def test_stores_in_one_folder_have_locks_of_their_own(tmp_path):
    uris = [f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "b", "mlflow")]
    assert len({lock.lock_path(tmp_path, uri) for uri in [*uris, "http://server"]}) == 4


def test_all_directories_share_the_lock_of_one_database(tmp_path):
    uri = f"sqlite:///{tmp_path}/shared.db"
    (tmp_path / "a").mkdir()
    assert lock.lock_path(tmp_path / "a", uri) == lock.lock_path(tmp_path / "b", uri)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / ".state").write_text("a file")
    with (
        pytest.raises(StoreError, match="the sweep lock cannot be made: "),
        lock.hold(tmp_path, "http://server"),
    ):
        pass


def holder_file(folder):
    return lock.lock_path(folder, "http://server").with_suffix(".holder.json")


def test_a_holder_whose_heartbeat_stands_still_is_told_to_be_stopped_perhaps(tmp_path, holder):
    path = holder_file(tmp_path)
    path.write_text(parse(path.read_text()).beaten(time.time() - 300).to_json())
    sentence = rf"process {holder.pid}, since .* for 5 min: it may be stopped \(`kill -CONT"
    with pytest.raises(StoreInUse, match=sentence), lock.hold(tmp_path, "http://server"):
        pass


def left_by_another_host(folder, **changes):
    """As on a network disk whose locks hosts do not share."""
    path = holder_file(folder)
    path.parent.mkdir()
    far = dataclasses.replace(this_process(), host="far", boot="b", pid=7)
    path.write_text(dataclasses.replace(far, **changes).to_json())


def test_a_process_of_another_host_that_is_heard_has_the_store(tmp_path):
    left_by_another_host(tmp_path)
    with (
        pytest.raises(StoreInUse, match="this store is in use by process 7 on far, since 20"),
        lock.hold(tmp_path, "http://server"),
    ):
        pass


def test_a_process_of_another_host_that_is_not_heard_is_watched_and_then_gone(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(lease, "TIMES", Times(interval_s=0.1, poll_s=0.05))
    left_by_another_host(tmp_path, heartbeat=1.0)
    told = []
    with lock.hold(tmp_path, "http://server", tell=told.append):
        first = parse(holder_file(tmp_path).read_text())
        time.sleep(0.25)
        assert parse(holder_file(tmp_path).read_text()).heartbeat > first.heartbeat
    assert "this store was left by process 7 on far: watching for 0.25 s" in told[0]
    assert not holder_file(tmp_path).exists()


@pytest.mark.parametrize("left", [b"", b"\xff\0", b'{"pid": 1, "started": "once"}'])
def test_a_file_that_names_nobody_is_no_hindrance(tmp_path, left):
    holder_file(tmp_path).parent.mkdir()
    holder_file(tmp_path).write_bytes(left)
    with lock.hold(tmp_path, "http://server") as held:
        held.require()

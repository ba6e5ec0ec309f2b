import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from harness.errors import StoreError, StoreInUse
from harness.tracking import lock
from harness.tracking.holder import Holder

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
    (path,) = (folder / ".state").glob("*.holder.json")
    return path


def test_a_holder_that_gives_no_sign_of_life_is_told_as_such(tmp_path, holder):
    long_ago = time.time() - 600
    os.utime(holder_file(tmp_path), (long_ago, long_ago))
    with (
        pytest.raises(
            StoreInUse, match=r"\(no sign of life for 60\d s: it may be stopped\); wait until it"
        ),
        lock.hold(tmp_path, "http://server"),
    ):
        pass


def test_the_holders_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "INTERVAL_S", 0.05)
    with lock.hold(tmp_path, "http://server"):
        path = holder_file(tmp_path)
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def on_another_host(folder):
    """What a process of another host left beside the lock, on a disk that both see."""
    path = lock.lock_path(folder, "http://server").with_suffix(".holder.json")
    path.parent.mkdir()
    far = dataclasses.replace(Holder.this(), boot="another", host="far", pid=7)
    path.write_text(far.to_json())
    return path


def test_where_hosts_share_a_disk_but_no_locks_a_beating_heart_keeps_the_store(tmp_path):
    path = on_another_host(tmp_path)
    with (
        pytest.raises(StoreInUse, match="in use by process 7 on far, since"),
        lock.hold(tmp_path, "http://server"),
    ):
        pass
    long_ago = time.time() - 600
    os.utime(path, (long_ago, long_ago))
    with lock.hold(tmp_path, "http://server"):
        pass

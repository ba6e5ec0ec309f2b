import subprocess
import sys

from harness.tracking import keys


def test_every_end_state_has_a_status_of_mlflow():
    assert set(keys.STATUS_OF_STATE) == set(keys.EndState.__args__)
    assert set(keys.STATUS_OF_STATE.values()) == {"FINISHED", "FAILED", "KILLED"}


def test_only_finished_and_diverged_runs_are_done():
    assert sorted(keys.DONE_STATES) == ["diverged", "finished"]


def test_keys_lock_and_environment_import_neither_mlflow_nor_torch():
    code = (
        "import sys, harness.tracking.keys, harness.tracking.lock, harness.tracking.record, "
        "harness.tracking.environment\n"
        "assert not {'mlflow', 'torch', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_recorder_does_not_import_torch():
    code = (
        "import sys, harness.tracking.recorder, harness.tracking.read\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""One call of `harness run` through a server that can be away, without the training."""

from __future__ import annotations

import threading

from harness.tracking.experiments import ensure_mlflow_experiment
from harness.tracking.late_delivery import OUTBOX
from harness.tracking.lock import STATE_FOLDER
from harness.tracking.patience import leave_repeating_to_us, patient
from harness.tracking.recorder import Recorder
from harness.tracking.store import open_store


class ServedSweep:
    """What one call of `harness run` has: its store and what it was told."""

    def __init__(self, url, folder, name):
        self.told, self.url, self.folder, self.name = [], url, folder, name
        opened = open_store(url, folder)
        leave_repeating_to_us(opened)
        self.experiment = ensure_mlflow_experiment(opened, name)
        self.store = patient(opened, self.told.append, lambda: None)
        self.recorder = Recorder(self.store, self.experiment, {}, tell=self.told.append)
        self.outbox = folder / "mlruns" / STATE_FOLDER / OUTBOX

    def next_call(self):
        return ServedSweep(self.url, self.folder, self.name)


def again_in(proxy, seconds):
    threading.Timer(seconds, proxy.come_back).start()

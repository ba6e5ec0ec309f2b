"""The names under which runs are recorded in MLflow: a contract, so each is written once, here.

Tags and states are those of the design's section "What a run leaves in MLflow"; the metrics are
those of `harness.spec.metrics`. Plain text: nothing here imports MLflow.
"""

from __future__ import annotations

from typing import Literal

from harness.spec import metrics

# Tags of every record.
KIND = "harness.kind"
SWEEP = "harness.sweep"
EXPERIMENT = "harness.experiment"
STATE = "harness.state"
RECORD_VERSION = "harness.record_version"
ALIASES = "harness.aliases"
WRITER = "harness.writer"

# Tags of runs alone; a group and a search have none of these.
FINGERPRINT = "harness.fingerprint"
GROUP = "harness.group"
ENGINE = "harness.engine"
EXPECT = "harness.expect"
SUPERSEDED_BY = "harness.superseded_by"
MEMBERS = "harness.members"
MEMBER_RUNS = "harness.member_runs"
DETERMINISTIC = "harness.deterministic"
DIVERGED_AT = "harness.diverged_at"
DIVERGED_LOSS = "harness.diverged_loss"
ERROR = "harness.error"
DEVICE = "harness.device"
THREADS = "harness.threads"

# Tags of trials, and of the search that is their parent.
TRIAL = "harness.trial"
STUDY = "harness.study"
NUM_TRIALS = "harness.num_trials"
BEST_RUN = "harness.best_run"

# Tags that say where a run was made.
PYTHON = "harness.python"
TORCH = "harness.torch"
MLFLOW = "harness.mlflow"
VERSION = "harness.version"
GIT_COMMIT = "harness.git_commit"
GIT_DIRTY = "harness.git_dirty"
HOST = "harness.host"
CPU = "harness.cpu"
PLATFORM = "harness.platform"

# A tag of a sweep's MLflow experiment on a shared store: who runs it now, as JSON.
LEASE = "harness.lease"

# A tag of a logged model: which checkpoint it is.
MODEL = "harness.model"

# A tag of MLflow's "Default" experiment: the folder that artifact paths were written for.
HOME = "harness.home"

# MLflow's own tags.
RUN_NAME = "mlflow.runName"
PARENT_RUN_ID = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
SOURCE_COMMIT = "mlflow.source.git.commit"
EXPERIMENT_KIND = "mlflow.experimentKind"
VIEW_NAME = "harness"
VIEW = f"mlflow.sharedViewState.{VIEW_NAME}"

THIS_RECORD_VERSION = "1"

Kind = Literal["run", "group", "search"]
# The kind of the MLflow run that holds a sweep's report, and is no record: see `report_run`.
REPORT = "report"
EndState = Literal["finished", "diverged", "pruned", "failed", "killed"]

RUNNING = "running"
DONE_STATES = frozenset({"finished", "diverged"})
STATUS_OF_STATE: dict[EndState, str] = {
    "finished": "FINISHED",
    "diverged": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "killed": "KILLED",
}

EXPECT_PASSED = "passed"
EXPECT_FAILED = "failed"
EXPECT_NONE = "none"

TRAIN_LOSS = metrics.TRAIN_LOSS
VAL_LOSS = metrics.VAL_LOSS
TRAIN_PERPLEXITY = metrics.TRAIN_PERPLEXITY
NEXT_TOKEN_ACCURACY = metrics.NEXT_TOKEN_ACCURACY

# By trial, in the parent of a search: the best value so far.
BEST_VALUE = "search/best_value"

# Behind a metric's name, in the parent of a group: the ends of the mean's interval.
LOW = ".low"
HIGH = ".high"

CHECKPOINTS_DIR = "checkpoints"
# The tag of a run's input that MLflow's page shows beside the dataset.
CONTEXT, TRAINING = "mlflow.data.context", "training"

TRACEBACK_FILE = "traceback.txt"

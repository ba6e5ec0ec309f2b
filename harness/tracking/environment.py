"""Where a run was made: versions, commit, machine and user, as tags.

MLflow's client adds none of these by itself. They are read once a sweep and given to the recorder.
Nothing here imports torch or MLflow: their versions come from the installed packages' metadata.
"""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import platform
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.errors import escape
from harness.tracking import keys

GIT_TIMEOUT_S = 10
CPU_INFO = Path("/proc/cpuinfo")


class Fact(NamedTuple):
    """A tag that says where a run was made, and what a report calls it; None: not told there."""

    tag: str
    title: str | None


# What made a run's numbers beside its settings, by what `show` and `diff` call it.
CODE: Mapping[str, Fact] = {
    "git_commit": Fact(keys.GIT_COMMIT, "commit"),
    "git_dirty": Fact(keys.GIT_DIRTY, "uncommitted changes"),
}
ENVIRONMENT: Mapping[str, Fact] = {
    "python": Fact(keys.PYTHON, "Python"),
    "torch": Fact(keys.TORCH, "torch"),
    "mlflow": Fact(keys.MLFLOW, "MLflow"),
    "harness": Fact(keys.VERSION, "harness"),
    "host": Fact(keys.HOST, "machine"),
    "cpu": Fact(keys.CPU, "processor"),
    "platform": Fact(keys.PLATFORM, "system"),
    "device": Fact(keys.DEVICE, "device"),
    "threads": Fact(keys.THREADS, "threads"),
    "deterministic": Fact(keys.DETERMINISTIC, "deterministic"),
    "user": Fact(keys.USER, None),  # a report may be sent to anyone
}


def facts_of(tags: Mapping[str, str], facts: Mapping[str, Fact]) -> dict[str, str]:
    """What a record's tags say of the facts, by their names."""
    return {name: tags[fact.tag] for name, fact in facts.items() if fact.tag in tags}


def titled_facts(tags: Mapping[str, str]) -> dict[str, str]:
    """What a record's tags say of all facts that a report tells, by their titles."""
    facts = (*CODE.values(), *ENVIRONMENT.values())
    return {title: tags[tag] for tag, title in facts if title is not None and tag in tags}


def environment_tags() -> dict[str, str]:
    """The tags that every run of this process gets; without git or a commit, none of git's."""
    tags = {
        keys.PYTHON: platform.python_version(),
        keys.TORCH: _version("torch"),
        keys.MLFLOW: _version("mlflow"),
        keys.VERSION: _version("harness"),
        keys.HOST: socket.gethostname(),
        keys.CPU: _cpu_model(),
        keys.PLATFORM: platform.platform(),
        keys.USER: _user(),
        keys.SOURCE_NAME: "harness",
        keys.SOURCE_TYPE: "LOCAL",
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags[keys.GIT_COMMIT] = tags[keys.SOURCE_COMMIT] = commit
        changed = _git("status", "--porcelain", "--untracked-files=no")
        tags[keys.GIT_DIRTY] = "false" if changed == "" else "true"
    return tags


def writer_id(state_dir: Path) -> str:
    """Which directory of which host writes a run: who may take it for dead, on a shared store."""
    return hashlib.sha256(f"{socket.gethostname()}:{state_dir}".encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str | None:
    """What git answers in the current directory; None without git, a repository or an answer."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _user() -> str:
    try:
        return escape(getpass.getuser())  # from LOGNAME, which may be no text that can be kept
    except (OSError, KeyError):
        return "unknown"  # a container's user id without a name

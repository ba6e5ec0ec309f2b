"""Runs written both ways before any is trusted to rows: MLflow may change what it writes.

That the tables are known says nothing of what MLflow's client puts in them: a release may do it
otherwise in the same tables. So before `rows` writes for an MLflow that it has not written for, two
runs go into scratch copies of the store's empty tables, as rows and through the client, and the
eight tables are compared (`both_ways`).

Guarantees: the store is not written, and nothing of the scratch copies is left. The verdict (0.3 s
to find) is kept in the store's `.cache` under the versions of MLflow and SQLite, the schema and the
text of the code that writes; it is there whole or not at all, and where it cannot be kept it is
found again. An error is no verdict, and is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import shorten
from harness.tracking import both_ways, row_statements, rows, schema, writers
from harness.tracking.mlflow_api import mlflow

VERDICT_FILE = "canary.json"
LONGEST_VERDICT = 300


def difference(database: Path, cache: Path) -> str | None:
    """What rows would have otherwise than MLflow's client, or why that cannot be told; None where
    they agree. Looked up in the folder `cache` (0.3 ms), or found and kept there.

    The store's tables are to be those that `schema` knows.
    """
    key, file = _key(), cache / VERDICT_FILE
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        verdict = json.loads(file.read_bytes()) if file.is_file() else {}
        if verdict["of"] == key:
            kept = verdict["difference"]
            return None if kept is None else shorten(str(kept), LONGEST_VERDICT)
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            found = both_ways.first_difference(database, Path(folder))
    except Exception as error:  # noqa: BLE001 - its client writes, whatever another MLflow raises
        return _root(error)
    _keep(file, {"of": key, "difference": found})
    return found


def _key() -> dict[str, str]:
    """What a verdict depends on."""
    code = hashlib.sha256()
    for module in (rows, row_statements, writers, both_ways):
        assert module.__file__ is not None
        code.update(Path(module.__file__).read_bytes())
    return {
        "mlflow": mlflow.__version__,
        "sqlite": sqlite3.sqlite_version,
        "schema": f"{schema.KNOWN_REVISION} {schema.KNOWN_SCHEMA} {schema.KNOWN_NAMES}",
        "code": code.hexdigest(),
    }


def _root(error: BaseException) -> str:
    """The error that the others came of: they name scratch files, and it says what is wrong."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return shorten(text.strip("_: "), LONGEST_VERDICT)


def _keep(file: Path, verdict: Mapping[str, object]) -> None:
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as new:
                json.dump(verdict, new)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)  # still there only where it was not renamed

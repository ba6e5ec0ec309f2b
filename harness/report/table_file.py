"""A DataFrame as a file: CSV or Parquet by the name's ending, whole or not at all.

Text that a spreadsheet would run as a formula begins with ' in CSV, as everywhere; Parquet keeps it
as it is, with the columns' types.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.report.formats import guarded

if TYPE_CHECKING:
    from pandas import DataFrame


def write_table(frame: DataFrame, path: Path) -> None:
    """Write the table; raises UsageError where the file cannot be written."""
    write = writer_of(path)
    temporary = path.with_name(f".{path.name}.new")
    try:
        write(frame, temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def writer_of(path: Path) -> Callable[[DataFrame, Path], None]:
    """What writes a file of that name; UsageError for an ending that is not known."""
    if path.suffix not in WRITERS:
        known = " or ".join(WRITERS)
        raise UsageError(f"{path}: the name must end in {known}, which says how it is written")
    return WRITERS[path.suffix]


def _write_csv(frame: DataFrame, path: Path) -> None:
    safe = frame.rename(columns=guarded)
    for column in safe.columns:
        if safe[column].dtype == "string":
            safe[column] = safe[column].map(guarded, na_action="ignore")
    safe.to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8")


def _write_parquet(frame: DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)


WRITERS: dict[str, Callable[[DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}

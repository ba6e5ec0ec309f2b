"""The files in which machine code is kept, each with its checksum at its end.

numba unpickles what it finds and runs it: of 60 damages to its two files (a bit flipped, cut
short), 35 ended in another error than numba's own, in every later call too, and six killed the
process. Here a file without its sum is as good as absent: the function is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile


class CodeFiles(IndexDataCacheFile):  # type: ignore[misc]  # numba has no types
    """numba's own, but for the sums; what follows a pickle is not looked at by who reads it."""

    def _load_index(self) -> Any:
        return super()._load_index() if _is_whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:
        path = Path(self._data_path(name))
        if not _is_whole(path):
            raise FileNotFoundError(path)  # which numba takes for a file that is not there
        return super()._load_data(name)

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue() + _sum(content.getvalue()))


def _is_whole(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    size = hashlib.sha256().digest_size
    return len(content) > size and _sum(content[:-size]) == content[-size:]


def _sum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()

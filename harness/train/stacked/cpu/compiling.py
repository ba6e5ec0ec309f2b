"""How the engine's Python becomes machine code: once a machine, kept in the user's cache.

`compiled` marks a function that numba (a compiler from a subset of Python to LLVM) translates
when it is first called; `inlined` one that becomes part of each function that calls it.

Guarantees: the machine code is kept outside the project, under a name that changes with any file
of this package and with numba's version, so that no code is ever older than its source (numba by
itself looks only at the one file that a function stands in); numba adds the processor's name and
features to the key; what is damaged is compiled again. No fast-math: every addition and product
is the one that is written.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import event

from harness.train.stacked.cpu.code_files import CodeFiles

F = TypeVar("F", bound=Callable[..., Any])

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
log = logging.getLogger("harness.stacked")


def cache_dir() -> Path:
    """Where machine code is kept: under $NUMBA_CACHE_DIR, else the user's own cache directory."""
    return _user_cache() / f"stacked-{_digest()}"


def compiled(function: F) -> F:
    """`function` as machine code, made at its first call and then kept in `cache_dir`.

    Its callers pass no constants of Python's; see `constant`.
    """
    kept = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_dir())
    try:
        # error_model: division by zero gives infinity, as in IEEE 754, not an exception.
        jit = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        jit._cache._cache_file = CodeFiles(
            jit._cache.cache_path,
            jit._cache._impl.filename_base,
            jit._cache._impl.locator.get_source_stamp(),
        )
        return cast(F, jit)
    finally:
        numba.config.CACHE_DIR = kept


def constant(number: int) -> int:
    """A whole number that compiled code may pass on: `f(x, ZERO)` with `ZERO = constant(0)`.

    numba makes one version of a function for each combination of argument types, and takes the 0
    in `f(x, 0)` for a type of its own: the product was compiled five times, for 7 s in all.
    """
    return cast(int, np.int64(number))


def inlined(function: F) -> F:
    """`function` as a part of each compiled function that calls it."""
    return cast(F, numba.njit(inline="always", error_model="numpy")(function))


@contextmanager
def announced(say: Callable[[str], None] = log.info) -> Iterator[None]:
    """Within, the first function that has to be compiled is announced, once, through `say`."""
    listener = _Announcer(say)
    event.register("numba:compile", listener)
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)


class _Announcer(event.Listener):  # type: ignore[misc]  # numba has no types
    def __init__(self, say: Callable[[str], None]) -> None:
        self.say: Callable[[str], None] | None = say

    def on_start(self, _event: object) -> None:
        if self.say is not None:
            self.say(
                "compiling the stacked engine for this processor: some 20 s, once a machine; "
                f"kept in {cache_dir()}"
            )
            self.say = None

    def on_end(self, _event: object) -> None:
        pass


def _user_cache() -> Path:
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen) / "harness"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "harness"


def _digest() -> str:
    hasher = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:12]

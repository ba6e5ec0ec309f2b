"""Faults by enumeration: an action is killed before its first change of the disk, its second ..."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

KILLED = 137
CHANGES = frozenset(
    ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate")
)


def killed_at(number: int, action: Callable[[], object]) -> bool:
    """Do the action in a fork of this process that ends, as by kill -9, right before its change of
    the disk of that number (from 0): a file opened to be written, a sync, a rename, a removal.

    False where it came to its end before.
    """
    pid = os.fork()
    if pid == 0:
        _act(number, action)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED), f"the action itself ended with {code}"
    return code == KILLED


def _act(number: int, action: Callable[[], object]) -> None:
    seen = 0

    def count() -> None:
        nonlocal seen
        if seen == number:
            os._exit(KILLED)
        seen += 1

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES or (event == "open" and _writes(arguments)):
            count()

    sync = os.fsync

    def counted_sync(descriptor: int) -> None:
        count()
        sync(descriptor)

    os.fsync = counted_sync
    sys.addaudithook(hook)
    code = 1
    try:
        action()
        code = 0
    except BaseException:  # noqa: BLE001 - a child must never return into its parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _writes(arguments: tuple[object, ...]) -> bool:
    """Whether an `open` event is of a file that is written: by its mode, or by its flags."""
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wxa+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))

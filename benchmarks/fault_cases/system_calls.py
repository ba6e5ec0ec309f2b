"""The system calls that change a disk, and the file that one of them is about to change.

A traced process stands still at the entry of each call; its arguments are in `PTRACE_GET_SYSCALL_
INFO`, its memory and its open files in /proc. What is mapped and written without a call (the -shm
file of SQLite, which it makes anew after a crash) is not seen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

X86_64, ARM_64 = 0xC000003E, 0xC00000B7
AT_FDCWD = -100
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
HALVED = ("write", "pwrite64")  # calls of which half may be done when the kill comes


@dataclasses.dataclass(frozen=True)
class Kind:
    """A call: where in its arguments the file is, as a descriptor or as a path (after a folder's
    descriptor, or none), and its flags, where only some make it a change."""

    name: str
    x86_64: int | None
    arm_64: int | None
    descriptor: int | None = None
    path: int | None = None
    folder: int | None = None
    flags: int | None = None


KINDS = (
    Kind("write", 1, 64, descriptor=0),
    Kind("pwrite64", 18, 68, descriptor=0),
    Kind("writev", 20, 66, descriptor=0),
    Kind("pwritev", 296, 70, descriptor=0),
    Kind("sendfile", 40, 71, descriptor=0),
    Kind("copy_file_range", 326, 285, descriptor=2),
    Kind("ftruncate", 77, 46, descriptor=0),
    Kind("fallocate", 285, 47, descriptor=0),
    Kind("fsync", 74, 82, descriptor=0),
    Kind("fdatasync", 75, 83, descriptor=0),
    Kind("open", 2, None, path=0, flags=1),
    Kind("creat", 85, None, path=0),
    Kind("openat", 257, 56, path=1, folder=0, flags=2),
    Kind("truncate", 76, 45, path=0),
    Kind("rename", 82, None, path=1),
    Kind("renameat", 264, 38, path=3, folder=2),
    Kind("renameat2", 316, 276, path=3, folder=2),
    Kind("unlink", 87, None, path=0),
    Kind("unlinkat", 263, 35, path=1, folder=0),
    Kind("mkdir", 83, None, path=0),
    Kind("mkdirat", 258, 34, path=1, folder=0),
    Kind("rmdir", 84, None, path=0),
    Kind("link", 86, None, path=1),
    Kind("linkat", 265, 37, path=3, folder=2),
    Kind("symlink", 88, None, path=1),
    Kind("symlinkat", 266, 36, path=2, folder=1),
)
NUMBERS = {
    X86_64: {kind.x86_64: kind for kind in KINDS if kind.x86_64 is not None},
    ARM_64: {kind.arm_64: kind for kind in KINDS if kind.arm_64 is not None},
}


@dataclasses.dataclass(frozen=True)
class Change:
    """A change that a process, or a thread of it, is about to make; `leader` is the first one."""

    pid: int
    leader: int
    kind: Kind
    arguments: tuple[int, ...]
    file: Path

    def __str__(self) -> str:
        return f"{self.kind.name} {self.file.name}"

    @property
    def process(self) -> int:
        """The process that a thread is of."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("Tgid")).split()[1])

    @property
    def can_be_halved(self) -> bool:
        """Whether the call can be cut in two: a write of more than a byte."""
        return self.kind.name in HALVED and self.arguments[2] > 1

    def do_half(self) -> None:
        """What a kill in the middle of a write leaves: its first half, in its place."""
        descriptor, address, size = self.arguments[:3]
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
            memory.seek(address)
            content = memory.read(size // 2)
        place = self.arguments[3] if self.kind.name == "pwrite64" else self._position(descriptor)
        handle = os.open(f"/proc/{self.pid}/fd/{descriptor}", os.O_WRONLY)
        try:
            os.pwrite(handle, content, place)
        finally:
            os.close(handle)

    def _position(self, descriptor: int) -> int:
        """Where a `write` goes: to the descriptor's place, or to the end of the file."""
        text = Path(f"/proc/{self.pid}/fdinfo/{descriptor}").read_text()
        entries = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if int(entries["flags"], 8) & os.O_APPEND:
            return self.file.stat().st_size
        return int(entries["pos"])


def changed_file(
    pid: int, architecture: int, number: int, arguments: tuple[int, ...]
) -> tuple[Kind, Path] | None:
    """What kind of change a call is, and of which file; None where it changes none."""
    kind = NUMBERS[architecture].get(number)
    if kind is None or (kind.flags is not None and not arguments[kind.flags] & WRITING):
        return None
    with contextlib.suppress(OSError):  # a descriptor that is not open: the call fails
        return kind, _file(pid, kind, arguments)
    return None


def _file(pid: int, kind: Kind, arguments: tuple[int, ...]) -> Path:
    if kind.path is None:
        assert kind.descriptor is not None
        return _opened(pid, arguments[kind.descriptor])
    path = Path(_text(pid, arguments[kind.path]))
    base = AT_FDCWD if kind.folder is None else _signed(arguments[kind.folder])
    if base == AT_FDCWD:
        return Path(f"/proc/{pid}/cwd").readlink() / path
    return _opened(pid, base) / path


def _opened(pid: int, descriptor: int) -> Path:
    return Path(f"/proc/{pid}/fd/{descriptor}").readlink()


def _text(pid: int, address: int) -> str:
    """The text of a path in a process's memory, which may end where its page does."""
    content = b""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        memory.seek(address)
        while b"\0" not in content:
            content += memory.read(4096 - (address + len(content)) % 4096)
    return os.fsdecode(content.partition(b"\0")[0])


def _signed(number: int) -> int:
    """A descriptor from a register of 64 bits, of which it has the lower 32."""
    return (number & 0xFFFFFFFF) - ((number & 0x80000000) << 1)

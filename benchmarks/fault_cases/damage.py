"""A file after an accident: a bit flipped, cut short, emptied; the places are drawn from a seed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fault_cases.processes import asked
from fault_cases.rows import Row, Tally
from harness.errors import HarnessError

SEED = 0


@dataclasses.dataclass(frozen=True)
class Damage:
    """What happened to a file, and what is in it now."""

    what: str
    content: bytes


def flips(content: bytes, tries: int) -> Iterator[Damage]:
    """One bit another than it was: at both ends, and at places drawn from all over the file."""
    draw = random.Random(SEED)
    drawn = [draw.randrange(len(content)) for _ in range(tries)]
    for offset in [0, len(content) - 1, *drawn][:tries]:
        bit = draw.randrange(8)
        changed = bytearray(content)
        changed[offset] ^= 1 << bit
        yield Damage(f"bit {bit} of byte {offset:,}", bytes(changed))


def cuts(content: bytes, tries: int) -> Iterator[Damage]:
    """The file's beginning alone: nothing of it, all but a byte, and lengths in between."""
    draw = random.Random(SEED)
    drawn = [draw.randrange(len(content)) for _ in range(tries)]
    for size in [0, len(content) - 1, len(content) // 2, 1, *drawn][:tries]:
        yield Damage(f"cut to {size:,} bytes", content[:size])


def both(content: bytes, tries: int) -> Iterator[Damage]:
    """Three flipped bits for each cut."""
    yield from flips(content, tries - tries // 4)
    yield from cuts(content, tries // 4)


@dataclasses.dataclass(frozen=True)
class Victim:
    """A file that is read back: by the product, and as a script reads it.

    A reader gets the file and returns what it took from it. Whoever refuses the file ends well,
    the product only with an error of its own that names the file; and so does whoever returns what
    the sound file holds: it was made anew.
    """

    name: str
    path: Path
    read: Callable[[Path], Any]
    control_is: str
    control: Callable[[Path], Any]
    control_path: Path | None = None
    """Where the control has a file of its own."""

    def row(
        self,
        damages: Callable[[bytes, int], Iterator[Damage]],
        what: str,
        tries: int,
        *,
        is_promised: bool = True,
    ) -> Row:
        """Both arms on the same damages, each in a process of its own; the file is put back."""
        other = self.control_path or self.path
        product = _failures(self.path, self.read, damages, tries, (HarnessError,))
        control = _failures(other, self.control, damages, tries, (Exception,))
        arms = [Tally(tries, failures) for failures in (product, control)]
        return Row(f"{self.name}: {what}", arms[0], self.control_is, arms[1], is_promised)


def _failures(
    path: Path,
    read: Callable[[Path], Any],
    damages: Callable[[bytes, int], Iterator[Damage]],
    tries: int,
    refusals: tuple[type[Exception], ...],
) -> list[str]:
    """What was taken for good, or ended in something else than a refusal."""
    return list(asked(lambda: list(_each(path, read, damages, tries, refusals))))


def _each(
    path: Path,
    read: Callable[[Path], Any],
    damages: Callable[[bytes, int], Iterator[Damage]],
    tries: int,
    refusals: tuple[type[Exception], ...],
) -> Iterator[str]:
    sound, wanted = path.read_bytes(), read(path)
    for damage in damages(sound, tries):
        path.write_bytes(damage.content)
        wrong = _wrong(path, read, wanted, refusals)
        if wrong is not None:
            yield f"{damage.what}: {wrong}"
        path.write_bytes(sound)


def _wrong(
    path: Path, read: Callable[[Path], Any], wanted: Any, refusals: tuple[type[Exception], ...]
) -> str | None:
    try:
        found = read(path)
    except refusals as error:
        is_named = path.name in str(error) or not isinstance(error, HarnessError)
        return None if is_named else f"the message does not name the file: {error}"
    except BaseException as error:  # noqa: BLE001 - what is not told clearly is what is looked for
        return f"{type(error).__name__}: {error}"
    return None if found == wanted else "taken for good"

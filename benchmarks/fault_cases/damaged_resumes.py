"""A sweep was killed, and its newest checkpoint is damaged: the next call must end the same.

It says which checkpoint is of no use, and goes on from the one before. The control is a script that
was killed as far on, and the file that it resumes from.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from fault_cases.damage import cuts, flips
from fault_cases.processes import Ended, folder_in_memory, import_all, inside, run
from fault_cases.rows import Row, Tally
from fault_cases.small_sweep import EVERY, STEPS, Subject, difference, subjects
from fault_cases.system_calls import Change
from fault_cases.tracing import traced

MOST = 12
NEWEST, LAST = (f"step_{step:06}" for step in (STEPS // EVERY * EVERY, STEPS))


def rows(tries: int) -> Iterator[Row]:
    import_all()
    with folder_in_memory() as home:
        known = subjects(home)
        product = _damaged(
            known["runs"], home / "sweep", _is_last, _newest, min(tries, MOST), is_control=False
        )
        control = _damaged(
            known["script"], home / "script", _is_saved, _of_script, 4, is_control=True
        )
        what = "newest checkpoint damaged, the sweep goes on"
        yield Row(what, product, "a script that resumes", control)


def _is_last(change: Change, _folder: Path) -> bool:
    """The first run is about to write its last checkpoint."""
    return LAST in str(change.file)


def _newest(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"mlruns/artifacts/*/*/artifacts/checkpoints/{NEWEST}/*"))


def _is_saved(change: Change, folder: Path) -> bool:
    """The first run has written its checkpoint, and trains on."""
    return (folder / "run-0.pt").exists() and change.file.suffix != ".pt"


def _of_script(folder: Path) -> list[Path]:
    return [folder / "run-0.pt"]


def _damaged(
    subject: Subject,
    home: Path,
    is_late_enough: Callable[[Change, Path], bool],
    files: Callable[[Path], list[Path]],
    tries: int,
    *,
    is_control: bool,
) -> Tally:
    """Kill a command once, and then damage copies of what it left, each in another way."""
    killed, copied = home / "killed", home / "copied"
    wanted = subject.undisturbed(killed)
    subject.prepare(killed)
    work = inside(subject.work, killed)
    traced(work, killed, lambda change: is_late_enough(change, killed))
    tally = Tally()
    for number in range(tries):
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(killed, copied, symlinks=True)
        found = files(copied)
        path = found[number % len(found)]
        kind = (flips, cuts)[number // len(found) % 2]
        damage = list(kind(path.read_bytes(), tries))[number]
        path.write_bytes(damage.content)
        ended = run(subject.work, copied)
        wrong = None if is_control else _wrong_end(ended)
        if wrong is None and ended.code != 0:
            wrong = f"the next call ended with {ended.code}"
        tally.add(f"{path.name}, {damage.what}", wrong or difference(copied, wanted))
    return tally


def _wrong_end(ended: Ended) -> str | None:
    if not ended.is_clear:
        return ended.output[-300:]
    return None if "damaged" in ended.output else "it does not say what is of no use"

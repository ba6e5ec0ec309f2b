"""A command that stands still before a change of the disk while something happens to it.

It then goes on (or was killed), must end with a clear message or as if nothing had been, and the
next call must make everything whole: the losses, records and files of an undisturbed one, to the
bit. The control is a script that resumes as scripts do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import chaos_outcome

from fault_cases.processes import Ended, inside, output_file, taken
from fault_cases.rows import Row, Tally, spread
from fault_cases.small_sweep import Subject
from fault_cases.system_calls import Change
from fault_cases.tracing import traced

CONTROLS = {
    "runs": ("script", "a script that resumes"),
    "jobs": ("parallel script", "a script with a pool"),
    "search": ("search script", "a script with `optimize`"),
}
CONTROL_TRIES = 5  # they take three times as long, and one that fails is enough


class Fault:
    """What happens to a command that stands still, and what may come of it."""

    kills = False
    """Whether the command is killed then, and does not go on."""

    def counts(self, change: Change) -> bool:
        """Whether this is a change that it may come before."""
        return True

    def strike(self, change: Change, subject: Subject, folder: Path) -> bool:
        """Do it; False where it cannot be done before this change, but perhaps before the next."""
        raise NotImplementedError

    def mend(self, folder: Path) -> Path:
        """Undo what would hinder the next call; the folder that it is called in."""
        return folder

    def wrong_end(self, ended: Ended) -> str | None:
        """What is wrong with how the command ended, if anything; not asked of a control."""
        raise NotImplementedError

    def wrong_left(self, folder: Path) -> str | None:
        """What is wrong with what the next call left, besides what it recorded."""
        return None


def row(
    what: str, fault: Fault, known: Mapping[str, Subject], name: str, folder: Path, tries: int
) -> Row:
    """A fault in the command of that name and in its control."""
    control, control_is = CONTROLS[name]
    product = each_disturbed(known[name], fault, folder, tries, is_control=False)
    least = min(tries, CONTROL_TRIES)
    failed = each_disturbed(known[control], fault, folder, least, is_control=True)
    return Row(what, product, control_is, failed)


def each_disturbed(
    subject: Subject, fault: Fault, folder: Path, tries: int, *, is_control: bool
) -> Tally:
    """Disturb a command at every change, or at `tries` of them."""
    wanted = subject.undisturbed(folder)
    tally = Tally()
    total = _count(subject, fault, folder)
    for number in spread(total, tries):
        subject.prepare(folder)
        where, failure = disturbed(subject, fault, folder, number, wanted, is_control=is_control)
        tally.add(where, failure)
    return tally


def disturbed(
    subject: Subject,
    fault: Fault,
    folder: Path,
    number: int,
    wanted: chaos_outcome.Outcome,
    *,
    is_control: bool,
) -> tuple[str, str | None]:
    """Disturb a command before one change, and call it again; where that was, what was wrong."""
    seen, struck = 0, "never"

    def before(change: Change) -> bool:
        nonlocal seen, struck
        seen += fault.counts(change)
        if seen <= number or struck != "never" or not fault.strike(change, subject, folder):
            return False
        struck = f"before change {seen}, {change}"
        return fault.kills

    output = output_file()
    code = traced(inside(subject.work, folder, output), folder, before)
    ended = Ended(code, taken(output))
    wrong = None if is_control else fault.wrong_end(ended)
    wrong = wrong and f"{wrong}: {code} {ended.output[-300:]}"
    folder = fault.mend(folder)
    return struck, wrong or subject.wrong_after(folder, wanted) or fault.wrong_left(folder)


def _count(subject: Subject, fault: Fault, folder: Path) -> int:
    seen = 0

    def before(change: Change) -> bool:
        nonlocal seen
        seen += fault.counts(change)
        return False

    subject.prepare(folder)
    code = traced(inside(subject.work, folder), folder, before)
    assert code == 0, f"{subject.name} ended with {code}"
    return seen

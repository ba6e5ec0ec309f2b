"""What a fault was tried on, and how it ended: the product's arm and its control."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

HEADER = ("fault", "tried", "ended well", "control", "tried", "ended well", "verdict")


@dataclasses.dataclass
class Tally:
    """How often one arm was tried, and what went wrong in it."""

    tried: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def add(self, where: str, failure: str | None) -> None:
        """Count a try; `failure` says what is wrong, if anything is."""
        self.tried += 1
        if failure is not None:
            self.failures.append(f"{where}: {failure}")

    @property
    def well(self) -> int:
        """How often it ended well."""
        return self.tried - len(self.failures)


@dataclasses.dataclass(frozen=True)
class Row:
    """A fault in both arms. One that the product promises nothing about has no verdict."""

    fault: str
    product: Tally
    control_is: str
    control: Tally
    is_promised: bool = True

    @property
    def verdict(self) -> str:
        """`ok`; what is wrong; or `not promised`."""
        if not self.is_promised:
            return "not promised"
        if not self.product.tried:
            return "not tried"
        if self.product.failures:
            return "FAILS"
        return "ok" if self.control.failures else "CONTROL ENDS WELL"

    @property
    def is_wrong(self) -> bool:
        """Whether the product failed, or the control did not."""
        return self.verdict.isupper()

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        arms = [f"{number:,}" for arm in (self.product, self.control) for number in _counts(arm)]
        return (self.fault, *arms[:2], self.control_is, *arms[2:], self.verdict)


def _counts(arm: Tally) -> tuple[int, int]:
    return arm.tried, arm.well


def spread(total: int, tries: int) -> Iterator[int]:
    """At most `tries` of the numbers below `total`, evenly, the first and the last among them.

    >>> list(spread(10, 4)), list(spread(3, 4))
    ([0, 3, 6, 9], [0, 1, 2])
    """
    if total <= tries or tries < 2:
        yield from range(min(total, max(tries, 1)))
        return
    yield from (number * (total - 1) // (tries - 1) for number in range(tries))

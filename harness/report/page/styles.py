"""The line of each curve: an experiment has one colour in all plots of a report.

They are Okabe and Ito's eight, in the order of the file; from the ninth experiment on they come
again, dashed. Curves of one experiment differ in their dashes. Where a file has one experiment
alone, its rows differ in their colours, and each has one in all plots.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from harness.report.plots import COLOURS, DASHES, Line


@dataclasses.dataclass(frozen=True)
class Styles:
    """The lines of a report on these experiments and searches, and on rows of these names."""

    experiments: Sequence[str]
    experiment_of: Mapping[str, str]

    def line(self, experiment: str, variant: int = 0) -> Line:
        """A line's style; ``variant`` tells lines of one experiment apart."""
        i = self.experiments.index(experiment) if experiment in self.experiments else 0
        if len(self.experiments) == 1:
            i, variant = variant, 0
        dash = DASHES[(i // len(COLOURS) + variant) % len(DASHES)]
        return Line(COLOURS[i % len(COLOURS)], dash)

    def curves(self, experiments: Sequence[str]) -> list[Line]:
        """Those of the curves of one plot, each given by its experiment."""
        before: Counter[str] = Counter()
        lines = []
        for experiment in experiments:
            lines.append(self.line(experiment, before[experiment]))
            before[experiment] += 1
        return lines

    def rows(self, names: Sequence[str]) -> list[Line]:
        """Those of the rows of one plot, each given by its name."""
        if len(self.experiments) == 1:
            places = {name: i for i, name in enumerate(self.experiment_of)}
            return [self.line(self.experiments[0], places[name]) for name in names]
        return self.curves([self.experiment_of[name] for name in names])

"""A search as plots: one page to look at, and the same plots as pictures to pass on.

What a study has too few trials for is left out; nothing raises for want of trials.
"""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import optuna
from optuna.trial import TrialState

from harness.search.drawable import has_diverged
from harness.search.plot_choice import plots_of
from harness.search.plot_page import page
from harness.search.plot_pictures import write_picture
from harness.search.quiet import quiet

PAGE = "search.html"
_REMARKS = (
    "Some regimes for parameter",  # a conditional parameter that one trial had
    "Target and region quantiles select the same set",  # the trials that matter are all alike
    ".* computes the importances of params to achieve low",  # which is what `loss` gives it
    "Attempting to set identical low and high",  # a parameter with one value in all trials
    "Glyph .* missing from",  # letters that the font lacks are drawn as boxes
)

_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def write_plots(study: optuna.Study, folder: Path, title: str) -> list[Path]:
    """Write `search.html` and a PNG for each of its plots into `folder`; the files, page first.

    `title` is the heading of the page. The page is there even when there is nothing to draw, and
    says so.
    """
    with quiet(), warnings.catch_warnings():
        for remark in _REMARKS:
            warnings.filterwarnings("ignore", remark, UserWarning)
        plots = plots_of(study)
        target = folder / PAGE
        target.write_text(page(title, _summary(study), plots), encoding="utf-8")
        pictures = [folder / f"{plot.file}.png" for plot in plots]
        for plot, picture in zip(plots, pictures, strict=True):
            write_picture(plot, picture)
    return [target, *pictures]


def _summary(study: optuna.Study) -> str:
    """How many trials of which state, since no plot shows those that failed or diverged."""
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    counts = [f"{states[state]} {word}" for state, word in _STATES.items() if states[state]]
    diverged = sum(map(has_diverged, trials))
    if diverged:
        counts.append(f"{diverged} of the complete ones with an infinite value, not drawn")
    head = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}"
    return f"{head}: {', '.join(counts)}" if counts else head

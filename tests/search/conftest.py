from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from harness.search import plots


@pytest.fixture
def plots_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first search of a test draws its plots, and those that repeat it do not.

    A set takes 2 s of CPU, more than the trials do; `test_plots.py` is about them.
    """
    draw, drawn = plots.write_plots, []

    def draw_once(study: optuna.Study, folder: Path, title: str) -> list[Path]:
        if drawn:
            return []
        drawn.append(title)
        return draw(study, folder, title)

    monkeypatch.setattr(plots, "write_plots", draw_once)

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches draw no plots here: a set takes longer than all of their trials."""
    monkeypatch.setattr("harness.search.plots.write_plots", lambda study, folder, title: [])

"""The first screen of a report: its numbers and its sentences, computed again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from raw_tables import known
from scipy import stats

FEW = 3  # of fewer seeds an interval says little


def compared(raw, a: str, b: str) -> dict[str, float]:
    """What a card tells of two rows, A the better."""
    both = pd.concat({"a": raw.finals(a), "b": raw.finals(b)}, axis=1).dropna()
    test = stats.ttest_rel(both["a"], both["b"])
    interval = test.confidence_interval(0.95)
    difference = both["a"] - both["b"]
    permutation = stats.permutation_test(
        (both["a"], both["b"]), lambda x, y: np.mean(x - y), permutation_type="samples"
    )
    assert difference.mean() < 0
    found = {"mean": difference.mean(), "low": interval.low, "high": interval.high}
    found |= {"gain": -difference.mean(), "gain_low": -interval.high, "gain_high": -interval.low}
    found |= {"p": test.pvalue, "p_permutation": permutation.pvalue}
    return found | {"effect": difference.mean() / difference.std()}


def pairs(checked) -> list[tuple[str, str]]:
    """The best row of each contest against the best of up to three other experiments."""
    ranked = [checked.raw.champions(experiments) for experiments in checked.contests]
    return [(first, other) for first, *others in ranked for other in others[:3]]


def test_the_numbers_of_the_verdicts(checked, shown, raw):
    found = shown.of("summary")
    assert shown.cards == pairs(checked)
    for a, b in shown.cards:
        assert found[f"{a} - {b}"] == known(compared(raw, a, b))
        for row in (a, b):
            assert found[row] == known({"final": raw.finals(row).mean()})


def test_the_words_of_the_first_screen(checked, shown, raw):
    """Every sentence of it, each number in them computed again."""
    cards = [sentence for pair in pairs(checked) for sentence in card(checked, *pair)]
    states = raw.runs["state"].value_counts(sort=False)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    facts = [checked.claims, f"{len(raw.runs)} runs: {counts}"]
    few = [row for row in raw.rows if 0 < len(raw.finals(row)) < min(FEW, len(raw.rows[row]) + 1)]
    if few:
        caution = "fewer than 3 seeds finished, and so an interval says little"
        facts.append(f"{', '.join(few)}: {caution}")
    assert shown.texts("summary") == cards + facts


def card(checked, a: str, b: str) -> Iterator[str]:
    raw, metric = checked.raw, checked.metric
    assert raw.diverged(a) == raw.diverged(b) == 0  # of which the sentence would tell
    n = len(raw.finals(a).index.intersection(raw.finals(b).index))
    of = compared(raw, a, b)
    gain, low, high = (f"{of[key]:.3g}" for key in ("gain", "gain_low", "gain_high"))
    ends = " against ".join(f"{raw.finals(row).mean():.4g}" for row in (a, b))
    is_clear = of["gain_low"] > 0
    yield f"{a} beats {b}" if is_clear else f"Too close to call: {a} and {b}"
    yield f"{gain} less {metric} (95 % interval {low} to {high}): {ends}"
    yield how_sure(of, n)
    tried = max(
        len(raw.tried(raw.runs[raw.runs["row"] == row]["experiment"].iloc[0])) for row in (a, b)
    )
    chosen = f"Each side is its best of up to {tried} settings, chosen on these same seeds."
    better = f"{a} ends better than {b} by {gain} of {metric}"
    if is_clear:
        caution = f"; {n} seeds are few for that" if n < FEW else ""
        test = f"95 % interval {low} to {high}, {n} seeds, paired, p = {of['p']:.2g}"
        yield f"{better} ({test}){caution}. {chosen}"
    else:
        more = f"; with this spread it would take about {seeds_more(of, n)} more"
        reach = f"but the 95 % interval reaches from {low} to {high} ({n} seeds, paired)"
        yield f"Not enough seeds to tell: {better}, {reach}{more}. {chosen}"
    yield (
        f"{a} less {b}: difference {of['mean']:.3g}; 95 % interval {of['low']:.3g} to "
        f"{of['high']:.3g}; t test p = {of['p']:.2g}; permutation test p = "
        f"{of['p_permutation']:.2g}; effect size d_z = {of['effect']:.3g}."
    )


def how_sure(of: dict[str, float], n: int) -> str:
    if of["gain_low"] <= 0:
        more = f"about {seeds_more(of, n)} more would tell"
        return f"Not sure: the 95 % interval over {n} seeds includes no difference; {more}."
    if n < FEW:
        return f"A little: the interval leaves out 0, but {n} seeds are few."
    word = "Very" if of["p"] < 0.001 and of["p_permutation"] <= 0.05 else "Fairly"
    odds = f"about once in {round(1 / of['p']):,}"
    odds = "less than once in 1,000,000" if of["p"] < 1e-6 else odds
    return f"{word}: with no real difference, {n} seeds would show this {odds}."


def seeds_more(of: dict[str, float], n: int) -> int:
    """The fewest with which the interval leaves out 0, if mean and spread stay."""
    spread, sizes = of["mean"] / of["effect"], np.arange(n + 1, 10_001)
    half = stats.t.ppf(0.975, sizes - 1) * spread / np.sqrt(sizes)
    return int(sizes[half < of["gain"]][0]) - n

"""Every number of a report, computed again from MLflow's tables by pandas and scipy alone.

The reports are the fixtures of `checked`: that of a small sweep, and with `-m campaign` those of
`examples/fair-comparison.yaml`. The points of their plots are in `test_report_points.py`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy import stats

CLOSE = 1e-9
FEW = 3  # of fewer seeds an interval says little


@pytest.fixture
def shown(checked):
    return checked.page


@pytest.fixture
def raw(checked):
    return checked.raw


def assert_same(shown: dict[str, float], expected: dict[str, float]) -> None:
    """The same keys, what is NaN left out, and the same values."""
    expected = {key: value for key, value in expected.items() if not math.isnan(value)}
    assert shown == pytest.approx(expected, rel=CLOSE, abs=1e-15)


def test_no_number_stands_in_a_section_that_is_not_checked(checked, shown):
    sections = {"summary", "comparison", "lr-curves", "runs"}
    sections |= {f"reaching-{i}" for i in range(len(checked.contests))}
    sections |= {"claims"} if checked.claimed else set()
    assert {number.section for number in shown.numbers} == sections


def test_every_number_is_shown_rounded_and_under_the_mouse_whole(shown):
    digits = {"p": 2, "p_permutation": 2, "final": 4}
    for number in shown.numbers:
        of_card = number.section == "summary"
        assert number.shown == f"{number.value:.{digits.get(number.key, 3) if of_card else 4}g}"
        assert number.title == number.whole


def test_tables_sort_by_what_their_cells_show(shown):
    for rows in shown.tables.values():
        for row, cells in rows.items():
            assert next(iter(cells.values())).text == row
            for cell in cells.values():
                if cell.whole is not None:
                    assert cell.order in (cell.whole, None)  # claims sort by their text
                elif cell.order:
                    assert float(cell.text) == float(cell.order)
                elif cell.order is not None:
                    assert cell.text == ""


def test_the_numbers_of_the_table(shown, raw):
    found = shown.of("comparison")
    assert set(found) == set(raw.rows)
    for row, members in raw.rows.items():
        finals = raw.finals(row)
        expected = {"n": len(members), "diverged": raw.diverged(row)}
        if len(finals):
            low, high = raw.interval(row)
            expected |= {"final": finals.mean(), "low": low, "high": high}
            expected["perplexity"] = np.exp(finals.mean())
        if len(finals) > 1:
            expected |= {"median": finals.median(), "best": finals.min(), "worst": finals.max()}
        assert_same(found[row], expected)
    ranked = [raw.finals(row).mean() for row in found]
    known = [mean for mean in ranked if not math.isnan(mean)]
    assert ranked[: len(known)] == sorted(known)


def test_the_settings_of_the_tables(shown, raw):
    for row, cells in shown.tables["comparison-table"].items():
        members = raw.rows[row]
        assert {column for column in cells if "." in column} == raw.telling()
        assert set(cells["state"].text.split(", ")) == set(members["state"])
        assert_settings(cells, raw.settings(members.index))
    runs = raw.runs.reset_index().set_index("name")
    for name, cells in shown.tables["runs-table"].items():
        run = runs.loc[name]
        assert {column for column in cells if "." in column} == raw.telling()
        assert (cells["state"].text, cells["engine"].text) == (run["state"], run["harness.engine"])
        assert cells["weights seed"].text == run["seed.model"]
        assert cells["data seed"].text == run["seed.data"]
        place = f"/#/experiments/{run['experiment_id']}/runs/{run['run_uuid']}"
        assert cells["run"].address.endswith(place)
        assert_settings(cells, raw.settings(pd.Index([run["run_uuid"]])))
    assert shown.definitions("runs") == raw.settings(raw.runs.index)


def assert_settings(cells, settings: dict[str, str]) -> None:
    told = {column: cell.text for column, cell in cells.items() if "." in column}
    assert told == {column: settings.get(column, "") for column in told}


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
        assert_same(found[f"{a} - {b}"], compared(raw, a, b))
        for row in (a, b):
            assert_same(found[row], {"final": raw.finals(row).mean()})


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


def test_the_numbers_of_the_claims(checked, shown, raw):
    """Of each run that it begins above 0.1, and of each row that its mean ends below 1e-9."""
    found, cells = shown.of("claims"), shown.tables.get("claims-table", {})
    rows = raw.tried(checked.claimed) if checked.claimed else []
    expected, verdicts = {}, []
    for row in rows:
        expected[row] = raw.rows[row]["last"].mean()
        low, high = raw.interval(row)
        seen = f"n = {len(raw.finals(row))}, 95 % interval {low:.4g} to {high:.4g}"
        claim = "mean over seeds of train/loss at the last step < 1e-09"
        verdicts.append((row, claim, high < 1e-9, seen))
        for run_id, run in raw.rows[row].iterrows():
            expected[run["name"]] = raw.curve(run_id)[1]
            claim = "train/loss at step 1 > 0.1"
            verdicts.append((run["name"], claim, expected[run["name"]] > 0.1, ""))
    assert {name: numbers["observed"] for name, numbers in found.items()} == pytest.approx(
        expected, rel=CLOSE
    )
    assert set(cells) == set(expected)
    for name, claim, holds, remark in verdicts:
        told = cells[name]
        assert told["claim"].text == claim
        assert told["verdict"].text == ("holds" if holds else "FAILS")
        assert told["remark"].text == remark
    held = [holds for _, _, holds, _ in verdicts]
    if held:
        counts = f"{sum(held)} of {len(held)} claims hold, {len(held) - sum(held)} fail"
        assert checked.claims == counts


def test_the_numbers_of_the_runs(shown, raw):
    found = shown.of("runs")
    assert len(found) == len(shown.tables["runs-table"]) == len(raw.runs)
    for _, run in raw.runs.iterrows():
        assert_same(found[run["name"]], {"last": run["last"], "seconds": run["seconds"]})


def test_the_numbers_of_the_steps_to_a_target(checked, shown, raw):
    for i, experiments in enumerate(checked.contests):
        found, target = shown.of(f"reaching-{i}"), raw.target(experiments)
        assert list(found) == raw.champions(experiments)
        for row in found:
            reached = raw.reached(row, target)
            expected = {"target": target, "reached": len(reached), "n": len(raw.rows[row])}
            means = reached.mean()
            expected |= {"mean_step": means["step"], "mean_seconds": means["seconds"]}
            assert_same(found[row], expected)


def test_the_numbers_of_the_learning_rates(shown, raw):
    found, edges = shown.of("lr-curves"), shown.tables["sensitivity-table"]
    varied = raw.over("optimizer.lr")
    assert set(found) == set(edges) == set(varied)
    warnings = []
    for experiment, lrs in varied.items():
        expected = sensitivity(raw, lrs)
        assert_same(found[experiment], expected)
        ends = {expected["from"]: "low", expected["to"]: "high"}
        edge = ends.get(expected["optimum"], "")
        assert edges[experiment]["edge"].text == edge
        if edge:
            optimum = f"the optimum, a learning rate of {expected['optimum']:g}"
            warnings.append(
                f"{experiment}: {optimum}, is at the {edge} edge of the range: widen it"
            )
    assert [text for text in shown.texts("lr-curves") if "edge" in text] == warnings


def sensitivity(raw, lrs: dict[float, str]) -> dict[str, float]:
    capped = {lr: raw.capped(row) for lr, row in lrs.items()}
    losses = pd.DataFrame({lr: ends["loss"] for lr, ends in capped.items()})
    means = losses.mean()
    optimum = means.idxmin()
    paired = losses.dropna()
    order = sorted(paired.index, key=lambda seed: int(seed.partition("/")[0]))
    drawn = np.random.default_rng(0).integers(0, len(order), (2000, len(order)))
    resampled = paired.loc[order].to_numpy()[drawn].mean(axis=1)
    best = paired.columns.to_numpy()[resampled.argmin(axis=1)]
    low, high = np.quantile(best, [0.025, 0.975], method="closest_observation")
    lost = {lr: (ends["loss"] >= ends["start"]).mean() for lr, ends in capped.items()}
    over = [lr for lr, share in lost.items() if lr > optimum and share >= 0.5]
    gaps = np.diff(np.log(list(lrs)))
    middles = (means.to_numpy()[1:] + means.to_numpy()[:-1]) / 2
    is_even = gaps.max() <= 1.5 * gaps.min()
    average = means.mean() if is_even else np.average(middles, weights=gaps)
    found = {"lrs": len(lrs), "from": min(lrs), "to": max(lrs), "optimum": optimum}
    found |= {"optimum_low": low, "optimum_high": high, "cliff": min(over, default=math.nan)}
    return found | {"best": raw.finals(lrs[optimum]).mean(), "sensitivity": average - means.min()}


def test_no_other_figure_stands_beside_the_tables(checked, shown, raw):
    """But those of captions, which are looked at with the points of the plots, and the first
    screen's, settings' and optima's, which are above."""
    sizes = {"comparison": len(raw.rows), "lr-curves": len(raw.over("optimizer.lr"))}
    sizes |= {"runs": len(raw.runs), "claims": len(shown.tables.get("claims-table", ()))}
    sizes |= {f"reaching-{i}": len(each) for i, each in enumerate(checked.contests)}
    expected = {place: [f"{num} rows"] for place, num in sizes.items() if num}
    confidence = "low to high its 95 % interval (Student's t)."
    held_by = f"Best first, by {checked.metric} at the last step. final is the mean over the seeds"
    expected["comparison"].insert(0, f"{held_by} that finished, {confidence}")
    headings = {i: f"Steps to a target, contest {i + 1}" for i in range(1, len(checked.contests))}
    for i, heading in headings.items():
        expected[f"reaching-{i}"].insert(0, heading)
        expected[""] = list(headings.values())
    found: dict[str, list[str]] = defaultdict(list)
    for section, tag, text in shown.pieces:
        is_elsewhere = tag in ("dd", "figcaption") or "edge of the range" in text
        if re.search(r"\d", text) and section not in ("summary", "reproduce") and not is_elsewhere:
            found[section].append(text)
    assert found == expected


TOLD = {
    **{"Python": "python", "torch": "torch", "MLflow": "mlflow", "harness": "version"},
    **{"machine": "host", "processor": "cpu", "system": "platform", "device": "device"},
    **{"threads": "threads", "commit": "git_commit", "uncommitted changes": "git_dirty"},
    "deterministic": "deterministic",
}


def test_how_to_reproduce_tells_what_the_runs_were_made_with(checked, shown, raw):
    tags = {title: f"harness.{tag}" for title, tag in TOLD.items()}
    tags = {title: tag for title, tag in tags.items() if tag in raw.runs}
    made = raw.runs[list(tags.values())].drop_duplicates()
    assert len(made) == 1  # one machine, one commit
    facts = {title: made[tag].iloc[0] for title, tag in tags.items()}
    assert shown.definitions("reproduce") == facts
    commands, store, *_ = shown.texts("reproduce")
    lines = [f"git checkout {facts['commit']}"] if "commit" in facts else []
    if facts.get("uncommitted changes") == "true":
        lines.append("# there were changes that this commit does not have")
    lines += ["pip install -c constraints.txt -e ."]
    lines += [f"harness {command} {checked.file}" for command in ("run", "report")]
    assert commands.splitlines() == lines
    database = checked.folder / "mlruns" / "mlflow.db"
    made_on = r"This page was made on \d{4}-\d\d-\d\d \d\d:\d\d UTC\."
    assert re.fullmatch(rf"Store: sqlite:///{re.escape(str(database))}\. {made_on}", store)
    headings = [p.text for p in shown.pieces if p.section == "reproduce" and p.tag == "h3"]
    assert headings == [f"{len(raw.runs)} runs were made with"]

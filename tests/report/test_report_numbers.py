"""Every number of a report, computed again from MLflow's tables by pandas and scipy alone.

The reports are the fixtures of `checked`: that of a small sweep, and with `-m campaign` those of
`examples/fair-comparison.yaml`. Their first screens are in `test_report_verdicts.py`, the points of
their plots in `test_report_points.py`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from raw_tables import CLOSE, known


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
        assert found[row] == known(expected)
    ranked = [raw.finals(row).mean() for row in found]
    ended = [mean for mean in ranked if not math.isnan(mean)]
    assert ranked[: len(ended)] == sorted(ended)


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
        assert found[run["name"]] == known({"last": run["last"], "seconds": run["seconds"]})


def test_the_numbers_of_the_steps_to_a_target(checked, shown, raw):
    for i, experiments in enumerate(checked.contests):
        found, target = shown.of(f"reaching-{i}"), raw.target(experiments)
        assert list(found) == raw.champions(experiments)
        for row in found:
            reached = raw.reached(row, target)
            expected = {"target": target, "reached": len(reached), "n": len(raw.rows[row])}
            means = reached.mean()
            expected |= {"mean_step": means["step"], "mean_seconds": means["seconds"]}
            assert found[row] == known(expected)


def test_the_numbers_of_the_learning_rates(shown, raw):
    found, edges = shown.of("lr-curves"), shown.tables["sensitivity-table"]
    varied = raw.over("optimizer.lr")
    assert set(found) == set(edges) == set(varied)
    warnings = []
    for experiment, lrs in varied.items():
        expected = sensitivity(raw, lrs)
        assert found[experiment] == known(expected)
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
